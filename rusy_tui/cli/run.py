"""Commands that run an engine, a console, or both."""

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from rusy_tui.domain.errors import UsageError


def register(group: click.Group) -> None:
    """Add the commands of this module to a group."""
    for command in (demo, headless, attach):
        group.add_command(command)


def config_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """The option that names a configuration file."""
    return click.option(
        "--config",
        type=click.Path(),
        metavar="FILE",
        help="Another file than configuration.yaml.",
    )(function)


def configured_console(config: str | None) -> None:
    """What `rusy` without a command does."""
    from rusy_tui import launch

    _exit(launch.console(launch.Job(demo=False, config=_absolute(config))))


def _moment(value: str) -> int:
    """A moment as a person writes it, in ms: UTC where no offset is written."""
    try:
        moment = datetime.datetime.fromisoformat(value)
    except ValueError:
        raise click.BadParameter(
            f"{value!r} is no moment: write 2025-05-01 or 2025-05-01T12:00"
        ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    return round(moment.timestamp() * 1000)


def _speed(value: str) -> float:
    """Market seconds a wall second; 0 for max."""
    if value == "max":
        return 0.0
    try:
        speed = float(value)
    except ValueError:
        speed = 0.0
    if not 0 < speed <= 3600:
        raise click.BadParameter(f"{value!r}: a number above 0 up to 3600, or max")
    return speed


@click.command()
@click.option("--headless", is_flag=True, help="No screen; one JSON line an event.")
@click.option("--mode", type=click.Choice(["manual", "approve", "auto"]), help="Who decides.")
@click.option(
    "--speed",
    type=_speed,
    metavar="N|max",
    help="Market seconds a second.",
)
@click.option("--seed", type=click.IntRange(0), help="Another simulated market.")
@click.option("--replay", type=click.Path(), metavar="FILE", help="A recorded market.")
@click.option("--from", "from_ms", type=_moment, metavar="TIME", help="Begin of the replay.")
@click.option(
    "--until",
    "until_ms",
    type=_moment,
    metavar="TIME",
    help="Its end, exclusive.",
)
@click.option("--funding", type=click.Path(), metavar="FILE", help="Recorded funding rates.")
@click.option("--symbol", "symbols", multiple=True, help="A contract; may be repeated.")
@click.option("--interval", type=click.Choice(["1m", "15m", "1h"]), help="Of the recording.")
@click.option("--summary", metavar="FILE|-", help="Where --speed max writes its result.")
@config_option
@click.option("--directory", type=click.Path(), help="Where the demo keeps its data.")
@click.option("--fresh", is_flag=True, help="Begin with a new account and an empty database.")
@click.option("--clean", is_flag=True, help="Remove all that demos have left, and end.")
def demo(**given: Any) -> None:
    """The console on a simulated exchange: no keys, no network, no configuration.

    \b
    rusy demo --seed 3
    rusy demo --replay BTCUSDT-15m.parquet --from 2025-05-01
    rusy demo --headless --mode auto --speed max --summary - \\
         --replay BTCUSDT-15m.parquet --from 2025-05-01 --until 2025-05-08
    """  # noqa: D301  # click's \b keeps the lines of an example apart
    from rusy_tui import launch

    if given["clean"]:
        directory = Path(given["directory"]) if given["directory"] else None
        click.echo(f"removed {launch.clean_demo(directory)}")
        return
    lockstep = given["speed"] == 0.0
    _judge(given, lockstep=lockstep)
    job = launch.Job(
        demo=True,
        directory=_absolute(given["directory"]),
        config=_absolute(given["config"]),
        mode=given["mode"],
        seed=given["seed"],
        speed=given["speed"],
        symbols=tuple(symbol.upper() for symbol in given["symbols"]),
        replay=_replay(given),
        fresh=given["fresh"],
    )
    if lockstep:
        _exit(launch.lockstep(job, given["summary"]))
    else:
        _exit(launch.headless(job) if given["headless"] else launch.console(job))


def _judge(given: dict[str, Any], *, lockstep: bool) -> None:
    """Refuse options that make no sense together.

    Raises:
        UsageError: naming the option and what it needs.
    """
    if lockstep and not given["headless"]:
        raise UsageError("--speed max leaves no time to look: it needs --headless")
    if lockstep and given["mode"] != "auto":
        raise UsageError("--speed max leaves nobody time to decide: it needs --mode auto")
    if lockstep and not given["replay"]:
        raise UsageError("--speed max plays a recording to its end: it needs --replay FILE")
    if given["summary"] and not lockstep:
        raise UsageError("--summary is the result of a run that ends: it needs --speed max")
    for option in ("from_ms", "until_ms", "funding", "interval"):
        if given[option] is not None and not given["replay"]:
            name = "--" + option.removesuffix("_ms")
            raise UsageError(f"{name} says how to play a recording: it needs --replay FILE")
    if given["replay"] and len(given["symbols"]) > 1:
        raise UsageError("a recording has one contract: say --symbol once")


def _replay(given: dict[str, Any]) -> Any:
    from rusy_tui import launch

    if not given["replay"]:
        return None
    return launch.Replay(
        file=str(Path(given["replay"]).absolute()),
        from_ms=given["from_ms"],
        until_ms=given["until_ms"],
        funding=_absolute(given["funding"]),
        interval=given["interval"],
    )


@click.command()
@config_option
def headless(config: str | None) -> None:
    """The engine alone, as configuration.yaml says, for a server.

    It logs one JSON line an event and is told what to do by `rusy status` and the like.
    SIGINT and SIGTERM stop it; what is open stays protected on the exchange.
    """
    from rusy_tui import launch

    _exit(launch.headless(launch.Job(demo=False, config=_absolute(config))))


@click.command()
@click.option("--socket", type=click.Path(), help="The engine's socket, when several run.")
@click.option("--host", metavar="USER@HOST", help="An engine elsewhere, through ssh.")
@click.option("--remote", default="rusy", show_default=True, help="The command over there.")
@click.option("--stdio", is_flag=True, hidden=True)
def attach(socket: str | None, host: str | None, remote: str, stdio: bool) -> None:
    """The console on a running engine; closing it never stops the engine."""
    from rusy_tui import launch

    path = Path(socket) if socket else None
    if stdio:
        _exit(launch.bridge_stdio(path))
    elif host:
        _exit(launch.attach_through_ssh(host, socket, remote))
    else:
        _exit(launch.attach(path))


def _absolute(path: str | None) -> str | None:
    """A path that means the same in another process."""
    return None if path is None else str(Path(path).expanduser().absolute())


def _exit(code: int) -> None:
    if code:
        click.get_current_context().exit(code)
