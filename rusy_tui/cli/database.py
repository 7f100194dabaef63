"""`rusy db`: looking after the database."""

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rusy_tui.cli.run import config_option

if TYPE_CHECKING:
    from rusy_tui.launching.database import Archive
    from rusy_tui.launching.job import Job

Progress = Callable[[str, int, int], None]


def register(group: click.Group) -> None:
    """Add the commands of this module to a group."""
    group.add_command(db)


def _whose(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say which database is meant, and how it is told."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text."),
        click.option("--directory", type=click.Path(), help="The demo's, where it is another."),
        click.option("--demo", is_flag=True, help="The demo's database."),
    ):
        function = option(function)
    return config_option(function)


@click.group()
def db() -> None:
    """Look after the database: what it holds, its layout, dumps.

    \b
    rusy db status                    what it holds, and who works on it
    rusy db dump before.dump          all of it into one file
    rusy db restore before.dump       that file into an empty database
    rusy db migrate                   what a new Rusy does to it at its first start

    It is the database of configuration.yaml (or of --config FILE): an embedded one, or the
    one that database.url names. An engine that works on it goes on.
    """  # noqa: D301  # click's \b keeps the lines of an example apart


@db.command()
@_whose
def status(config: str | None, demo: bool, directory: str | None, as_json: bool) -> None:
    """What the database is and holds, and who works on it.

    \b
    rusy db status
    rusy db status --json | jq '.tables[] | {name, rows}'
    """  # noqa: D301
    from rusy_tui.cli import show
    from rusy_tui.launching import database

    found = database.status(_job(config, directory, demo=demo))
    if as_json:
        click.echo(show.as_json(found))
        return
    kind = f"TimescaleDB {found.timescaledb}" if found.timescaledb else "without TimescaleDB"
    click.echo(f"{found.address}\nPostgreSQL {found.server}, {kind}")
    click.echo(f"schema {found.schema}: {found.verdict}\n")
    sizes = [(each.name, f"{each.rows:,}", _size(each.bytes)) for each in found.tables]
    click.echo(show.table("no tables", ("table", "rows", "on disk"), sizes))
    bars = [
        (
            each.venue,
            each.symbol,
            each.timeframe,
            f"{each.bars:,}",
            show.moment(each.oldest_ms),
            show.moment(each.newest_ms),
        )
        for each in found.rows
    ]
    head = ("venue", "pair", "bars of", "bars", "oldest", "newest")
    click.echo("\n" + show.table("no bars", head, bars))
    held = [
        (each.subject, str(each.pid), each.host, show.moment(each.since_ms))
        for each in found.locks
    ]
    columns = ("held", "by process", "on", "since")
    click.echo("\n" + show.table("no engine or collector works on it", columns, held))


@db.command()
@_whose
def migrate(config: str | None, demo: bool, directory: str | None, as_json: bool) -> None:
    """Bring the tables up to date, as the next start of an engine would.

    \b
    rusy db migrate

    Each migration is kept whole or not at all: it may be interrupted and run again.
    """  # noqa: D301
    from rusy_tui.cli import show
    from rusy_tui.launching import database

    done = database.migrate(_job(config, directory, demo=demo))
    if as_json:
        click.echo(show.as_json([{"number": each.number, "name": each.name} for each in done]))
        return
    for each in done:
        click.echo(f"{each.number:04} {each.name}: done")
    if not done:
        click.echo("up to date: nothing to do")


@db.command()
@click.argument("file", type=click.Path())
@_whose
def dump(
    file: str, config: str | None, demo: bool, directory: str | None, as_json: bool
) -> None:
    """Write all of the database into FILE, as it is at this instant.

    \b
    rusy db dump ~/rusy-2025-05-01.dump

    Engines and collectors go on meanwhile. FILE appears when it is whole, for its owner alone:
    it holds the account's history, never a key.
    """  # noqa: D301
    from rusy_tui.launching import database

    path = Path(file).expanduser().absolute()
    job = _job(config, directory, demo=demo)
    try:
        archive = database.dump(job, path, lambda: _shown("rows"))
    except KeyboardInterrupt:
        click.echo(f"nothing is left of {path}", err=True)
        raise
    _tell(archive, "dumped into", as_json=as_json)


@db.command()
@click.argument("file", type=click.Path())
@_whose
def restore(
    file: str, config: str | None, demo: bool, directory: str | None, as_json: bool
) -> None:
    """Fill the database, which must be empty, with what FILE holds.

    \b
    rusy db restore ~/rusy-2025-05-01.dump
    RUSY_DATABASE__URL=postgresql://rusy@db/rusy rusy db restore ~/rusy-2025-05-01.dump

    FILE may come from another kind of server: embedded, TimescaleDB, another version of
    PostgreSQL. It is checked whole before anything is changed. A restore that was interrupted
    is run again; until then nothing else works on that database.
    """  # noqa: D301
    from rusy_tui.launching import database

    path = Path(file).expanduser().absolute()
    job = _job(config, directory, demo=demo)
    try:
        archive = database.restore(job, path, lambda: _shown("bytes"))
    except KeyboardInterrupt:
        click.echo("the database is not whole: run the same command again", err=True)
        raise
    _tell(archive, "restored from", as_json=as_json)


def _job(config: str | None, directory: str | None, *, demo: bool) -> "Job":
    from rusy_tui.launching.job import Job

    if directory is not None and not demo:
        raise click.UsageError("--directory is the demo's: it needs --demo")
    absolute = [
        str(Path(each).expanduser().absolute()) if each is not None else None
        for each in (config, directory)
    ]
    return Job(demo=demo, config=absolute[0], directory=absolute[1])


def _tell(archive: "Archive", how: str, *, as_json: bool) -> None:
    from rusy_tui.cli import show

    if as_json:
        click.echo(show.as_json(archive))
        return
    click.echo(
        f"{archive.rows:,} rows of {len(archive.tables)} tables {how} {archive.file} "
        f"({_size(archive.bytes)}); schema {archive.schema}, "
        f"venues {', '.join(archive.venues) or 'none'}"
    )


@contextmanager
def _shown(unit: str) -> Generator[Progress]:
    """How far it is: a bar a table on a terminal's standard error, a line a table elsewhere."""
    if not sys.stderr.isatty():
        yield _lines(unit)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description:<24}", markup=False),
        BarColumn(),
        TextColumn("{task.completed:,.0f} of {task.total:,.0f} " + unit),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as drawn:
        tasks: dict[str, Any] = {}

        def told(what: str, done: int, of: int) -> None:
            if what not in tasks:
                tasks[what] = drawn.add_task(what, total=of)
            # An empty table is a whole bar, not an endless one.
            drawn.update(tasks[what], total=of or 1, completed=done if of else 1)

        yield told


def _lines(unit: str) -> Progress:
    said: set[str] = set()

    def told(what: str, done: int, of: int) -> None:
        if done == of and what not in said:
            said.add(what)
            click.echo(f"{what}: {of:,} {unit}", err=True)

    return told


def _size(count: int) -> str:
    size = float(count)
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:,.1f} GB"
