"""Commands about history: fill it, list what is missing, mend it."""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from rusy_tui.cli.run import config_option

if TYPE_CHECKING:
    from rusy_tui.domain.history import BackfillProgress, Finding, Gap
    from rusy_tui.launching.history import Filled, Missing, Wanted
    from rusy_tui.launching.job import Job

Decorated = Callable[..., Any]

# How often progress is told where nothing can be drawn over, and where it can; seconds.
_LINE_EVERY_S = 10.0
_DRAW_EVERY_S = 0.2


def register(group: click.Group) -> None:
    """Add the commands of this module to a group."""
    for command in (backfill, gaps):
        group.add_command(command)


def _lanes(function: Decorated) -> Decorated:
    """The options that say whose history is meant."""
    for option in (
        click.option("--symbol", "symbols", multiple=True, help="A contract; may be repeated."),
        click.option(
            "--interval",
            "intervals",
            multiple=True,
            type=click.Choice(["1m", "15m", "1h"]),
            help="A timeframe; may be repeated.",
        ),
        click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text."),
    ):
        function = option(function)
    return config_option(function)


@click.command()
@_lanes
@click.option("--days", type=click.IntRange(1), help="How far back, instead of the configured.")
@click.pass_context
def backfill(
    context: click.Context,
    config: str | None,
    symbols: tuple[str, ...],
    intervals: tuple[str, ...],
    as_json: bool,
    days: int | None,
) -> None:
    """Fetch the history that is missing, newest bars first.

    It may be interrupted at any moment: the same command goes on where it was. Without
    options it is for the configured pairs, as far back as data.lookback_days.
    """
    filled = _filled(_job(config), _wanted(symbols, intervals, days))
    if as_json:
        from rusy_tui.cli import show

        click.echo(show.as_json(filled))
    else:
        click.echo(_summary(filled))
    if not filled.whole:
        context.exit(1)


@click.command()
@_lanes
@click.option("--days", type=click.IntRange(1), help="How far back, instead of the configured.")
@click.option(
    "--venue",
    type=click.Choice(["demo", "paper", "testnet", "live"]),
    help="Of another venue than the configured, as far as it is stored.",
)
@click.option("--findings", is_flag=True, help="What was wrong or odd, and its cure.")
@click.option("--repair", is_flag=True, help="Fetch what is missing.")
@click.pass_context
def gaps(
    context: click.Context,
    config: str | None,
    symbols: tuple[str, ...],
    intervals: tuple[str, ...],
    as_json: bool,
    days: int | None,
    venue: str | None,
    findings: bool,
    repair: bool,
) -> None:
    """List the bars that are missing, or mend them.

    Those that the exchange does not have either are marked.
    """
    from rusy_tui.domain.settings import Venue
    from rusy_tui.launching import history

    if repair and (venue or findings):
        raise click.UsageError("--repair goes with neither --venue nor --findings")
    job = _job(config)
    wanted = _wanted(symbols, intervals, days, Venue(venue) if venue else None)
    if findings:
        _show_findings(history.findings(job, wanted), as_json=as_json)
        return
    if repair:
        filled = _filled(job, wanted)
        found = history.Missing(venue=job.settings().exchange.venue, gaps=filled.gaps)
        _show_missing(found, as_json=as_json)
        if not filled.whole:
            context.exit(1)
    else:
        _show_missing(history.missing(job, wanted), as_json=as_json)


def _job(config: str | None) -> "Job":
    from rusy_tui.cli.run import _absolute
    from rusy_tui.launching.job import Job

    return Job(demo=False, config=_absolute(config))


def _wanted(
    symbols: tuple[str, ...], intervals: tuple[str, ...], days: int | None, venue: Any = None
) -> "Wanted":
    from rusy_tui.domain.candle import Interval
    from rusy_tui.launching.history import Wanted

    return Wanted(
        symbols=tuple(symbol.upper() for symbol in symbols),
        intervals=tuple(map(Interval, intervals)),
        days=days,
        venue=venue,
        tell_every_s=_DRAW_EVERY_S if sys.stderr.isatty() else _LINE_EVERY_S,
    )


# --- progress -------------------------------------------------------------------------


def _filled(job: "Job", wanted: "Wanted") -> "Filled":
    """Fill history, with a bar on a terminal's standard error and lines elsewhere.

    Raises:
        click.Abort: interrupted; said how it goes on.
    """
    from rusy_tui.launching import history

    last: list[BackfillProgress] = []

    def lines(progress: "BackfillProgress") -> None:
        if not last or last[-1].rows_done != progress.rows_done:
            click.echo(progress_line(progress), err=True)
        last.append(progress)

    def said(text: str) -> None:
        click.echo(text, err=True)

    try:
        if not sys.stderr.isatty():
            return history.fill(job, wanted, lines, said)
        return _drawn(job, wanted, last)
    except KeyboardInterrupt:
        done = last[-1].rows_done if last else 0
        said(f"{done:,} bars are stored; the same command goes on from there")
        raise click.Abort from None


def _drawn(job: "Job", wanted: "Wanted", last: "list[BackfillProgress]") -> "Filled":
    """The same with a bar that is drawn over."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    from rusy_tui.launching import history

    columns = (
        TextColumn("{task.fields[lane]:<14}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %  {task.fields[said]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as drawn:
        task = drawn.add_task("history", total=None, lane="history", said="")

        def tell(progress: "BackfillProgress") -> None:
            last.append(progress)
            del last[:-1]
            drawn.update(
                task,
                # Nothing missing is a whole bar, not an endless one.
                total=progress.rows_total or 1,
                completed=progress.rows_done if progress.rows_total else 1,
                lane=f"{progress.symbol} {progress.interval}".strip() or "history",
                said=progress_figures(progress),
            )

        return history.fill(job, wanted, tell, drawn.console.print)


def progress_line(progress: "BackfillProgress") -> str:
    """How far a backfill is, on one line."""
    rows = f"{progress.rows_done:,} of {progress.rows_total:,} bars"
    return f"{progress.share:4.0%}  {rows}  {progress_figures(progress)}"


def progress_figures(progress: "BackfillProgress") -> str:
    """Rows a second, weight and time left."""
    left = "" if progress.seconds_left is None else f"  {_span(progress.seconds_left)} left"
    weight = f"weight {progress.weight_used:,} of {progress.weight_limit:,}"
    return f"{progress.rows_per_s:,.0f} rows/s  {weight}{left}"


def _span(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


# --- results --------------------------------------------------------------------------


def _summary(filled: "Filled") -> str:
    lacking = [gap for gap in filled.gaps if not gap.settled]
    accepted = sum(gap.bars for gap in filled.gaps if gap.settled)
    said = [f"{filled.rows:,} bars in {filled.seconds:.1f} s"]
    if accepted:
        said.append(f"{accepted:,} that the exchange does not have, or has broken, left out")
    if lacking:
        bars = sum(gap.bars for gap in lacking)
        said.append(f"{bars:,} still missing: `rusy gaps` lists them")
    return "; ".join(said)


def _show_missing(found: "Missing", *, as_json: bool) -> None:
    from rusy_tui.cli import show

    if as_json:
        click.echo(show.as_json({**_fields(found), "gaps": list(map(_gap_fields, found.gaps))}))
        return
    if found.unasked:
        click.echo(
            f"the exchange was not asked where its candles begin ({found.unasked}): counted "
            "from the first stored bar",
            err=True,
        )
    rows = [
        (
            gap.symbol,
            gap.interval.value,
            show.moment(gap.from_ms),
            show.moment(gap.until_ms),
            str(gap.bars),
            f"accepted: {gap.settled}" if gap.settled else "missing",
        )
        for gap in found.gaps
    ]
    head = ("pair", "bars of", "from", "until", "bars", "")
    click.echo(show.table("nothing is missing", head, rows))


def _fields(found: "Missing") -> dict[str, Any]:
    return {"venue": found.venue, "unasked": found.unasked}


def _gap_fields(gap: "Gap") -> dict[str, Any]:
    return {
        "symbol": gap.symbol,
        "interval": gap.interval,
        "from_ms": gap.from_ms,
        "until_ms": gap.until_ms,
        "bars": gap.bars,
        "settled": gap.settled,
    }


def _show_findings(found: "list[Finding]", *, as_json: bool) -> None:
    from rusy_tui.cli import show

    if as_json:
        click.echo(show.as_json(found))
        return
    rows = [
        (
            each.symbol,
            each.interval.value if each.interval else "",
            show.moment(each.open_time_ms),
            str(each.kind),
            str(each.cure),
            each.detail,
        )
        for each in found
    ]
    head = ("pair", "bars of", "from", "what", "cure", "")
    click.echo(show.table("no findings", head, rows))
