"""One-shot commands to a running engine: ask it something, tell it something."""

import asyncio
import secrets
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from rusy_tui.domain.commands import Command
    from rusy_tui.domain.state import State
    from rusy_tui.link.client import LinkClient

T = TypeVar("T")
Decorated = Callable[..., Any]

_SNAPSHOT_WITHIN_S = 10.0
# A flatten waits for the exchange to say flat; the engine itself bounds it.
_REPLY_WITHIN_S = 180.0


def register(group: click.Group) -> None:
    """Add the commands of this module to a group."""
    for command in (
        status,
        positions,
        orders,
        proposals,
        trades,
        approve,
        reject,
        mode,
        halt,
        resume,
        close,
        flatten,
        stop,
    ):
        group.add_command(command)


def _on_engine(function: Decorated) -> Decorated:
    function = click.option(
        "--json", "as_json", is_flag=True, help="Print JSON instead of text."
    )(function)
    return click.option(
        "--socket",
        type=click.Path(path_type=Path),
        help="The engine's Unix socket, when several engines run.",
    )(function)


def _acting(function: Decorated) -> Decorated:
    yes = click.option("--yes", is_flag=True, help="Do not ask whether this is meant.")
    return _on_engine(yes(function))


@click.command()
@_on_engine
def status(socket: Path | None, as_json: bool) -> None:
    """What the running engine does: mode, gates, equity, connections."""
    from rusy_tui.cli import show

    state, pid = _with_client(socket, _look, watch=True)
    click.echo(
        show.as_json(show.status_fields(state, pid)) if as_json else show.status(state, pid)
    )


@click.command()
@_on_engine
def positions(socket: Path | None, as_json: bool) -> None:
    """Open positions, and the stop that guards each."""
    from rusy_tui.cli import show

    rows = _state(socket).positions
    click.echo(show.as_json(rows) if as_json else show.positions(rows))


@click.command()
@_on_engine
def orders(socket: Path | None, as_json: bool) -> None:
    """Open orders of both books of the exchange."""
    from rusy_tui.cli import show

    rows = _state(socket).orders
    click.echo(show.as_json(rows) if as_json else show.orders(rows))


@click.command()
@_on_engine
def proposals(socket: Path | None, as_json: bool) -> None:
    """Proposals that wait for a decision, with what `rusy approve` needs."""
    from rusy_tui.cli import show

    rows = _state(socket).proposals
    click.echo(show.as_json(rows) if as_json else show.proposals(rows))


@click.command()
@_on_engine
def trades(socket: Path | None, as_json: bool) -> None:
    """The latest trades, open and closed."""
    from rusy_tui.cli import show

    rows = _state(socket).trades
    click.echo(show.as_json(rows) if as_json else show.trades(rows))


@click.command()
@click.argument("proposal", type=int, metavar="ID")
@click.argument("revision", metavar="REV")
@_acting
def approve(
    proposal: int, revision: str, socket: Path | None, as_json: bool, yes: bool
) -> None:
    """Turn proposal ID into a trade, if its figures are still those of revision REV."""
    del yes  # naming the revision is the confirmation
    from rusy_tui.domain.commands import Approve

    _tell(socket, as_json, Approve(_new_id(), proposal, revision))


@click.command()
@click.argument("proposal", type=int, metavar="ID")
@_acting
def reject(proposal: int, socket: Path | None, as_json: bool, yes: bool) -> None:
    """Decline proposal ID."""
    del yes  # nothing is lost by it
    from rusy_tui.domain.commands import Reject

    _tell(socket, as_json, Reject(_new_id(), proposal))


@click.command()
@click.argument("mode", type=click.Choice(["manual", "approve", "auto"]))
@_acting
def mode(mode: str, socket: Path | None, as_json: bool, yes: bool) -> None:
    """Change who turns a proposal into a trade. Proposals that pend are not touched."""
    del yes
    from rusy_tui.domain.commands import SetMode
    from rusy_tui.domain.modes import Mode

    _tell(socket, as_json, SetMode(_new_id(), Mode(mode)))


@click.command()
@_acting
def halt(socket: Path | None, as_json: bool, yes: bool) -> None:
    """No entries until somebody resumes; exits and protection go on."""
    del yes  # to stop entering must never wait for a question
    from rusy_tui.domain.commands import Halt

    _tell(socket, as_json, Halt(_new_id()))


@click.command()
@_acting
def resume(socket: Path | None, as_json: bool, yes: bool) -> None:
    """Open the gates that wait for a person. The mode stays as it is."""
    del yes
    from rusy_tui.domain.commands import Resume

    _tell(socket, as_json, Resume(_new_id()))


@click.command()
@click.argument("symbol")
@_acting
def close(symbol: str, socket: Path | None, as_json: bool, yes: bool) -> None:
    """Close the position in SYMBOL at the market."""
    from rusy_tui.domain.commands import CloseTrade

    _confirm(yes, f"close the position in {symbol.upper()} at the market")
    _tell(socket, as_json, CloseTrade(_new_id(), symbol.upper()))


@click.command()
@click.argument("symbol", required=False)
@_acting
def flatten(symbol: str | None, socket: Path | None, as_json: bool, yes: bool) -> None:
    """Close everything, or SYMBOL alone, cancel all orders, verify; then stay halted."""
    from rusy_tui.domain.commands import Flatten

    wanted = symbol.upper() if symbol else None
    _confirm(yes, f"close {wanted or 'ALL positions'} at the market and cancel all orders")
    _tell(socket, as_json, Flatten(_new_id(), wanted))


@click.command()
@click.option("--flatten", is_flag=True, help="Close all positions first.")
@_acting
def stop(flatten: bool, socket: Path | None, as_json: bool, yes: bool) -> None:
    """End the engine; what is open stays protected by stops on the exchange."""
    from rusy_tui import launch
    from rusy_tui.domain.commands import StopEngine

    if flatten:
        _confirm(yes, "close ALL positions at the market and end the engine")
    path = launch.engine_socket(socket)
    engine = launch.engine_at(path)
    _tell(path, as_json, StopEngine(_new_id(), flatten=flatten))
    if engine is not None:
        # Whoever starts one again at once must find the account free.
        launch.wait_for_end(engine)


def _new_id() -> str:
    return secrets.token_hex(8)


def _confirm(yes: bool, what: str) -> None:
    """Ask a person; a script has to say --yes."""
    if yes:
        return
    if not sys.stdin.isatty():
        from rusy_tui.domain.errors import UsageError

        raise UsageError(f"this would {what}; without a terminal to ask on, say --yes")
    click.confirm(f"This will {what}. Go on?", abort=True)


def _state(socket: Path | None) -> "State":
    state, _ = _with_client(socket, _look, watch=True)
    return state


def _tell(socket: Path | None, as_json: bool, command: "Command") -> None:
    """Give a command, print the reply, and exit 1 when the engine did not do it."""
    from rusy_tui.cli import show

    async def send(client: "LinkClient") -> Any:
        return await client.send(command)

    reply = _with_client(socket, send, watch=False, within_s=_REPLY_WITHIN_S)
    click.echo(show.as_json(reply) if as_json else f"{reply.answer}: {reply.message}")
    if not reply.ok:
        click.get_current_context().exit(1)


async def _look(client: "LinkClient") -> tuple["State", int]:
    from rusy_tui.domain.events import Snapshot
    from rusy_tui.link.client import LinkLost

    first = await anext(client.events())
    if not isinstance(first, Snapshot):
        raise LinkLost(f"the engine began with {type(first).__name__}, not with its state")
    return first.state, client.welcome.pid


def _with_client(
    socket: Path | None,
    talk: Callable[["LinkClient"], Awaitable[T]],
    *,
    watch: bool,
    within_s: float = _SNAPSHOT_WITHIN_S,
) -> T:
    from rusy_tui.launch import engine_socket
    from rusy_tui.link.client import LinkClient, LinkLost

    path = engine_socket(socket)

    async def run() -> T:
        client = await LinkClient.connect_unix(path, origin="command line", watch=watch)
        try:
            async with asyncio.timeout(within_s):
                return await talk(client)
        except TimeoutError:
            raise LinkLost(
                f"{path}: the engine did not answer within {within_s:g} s; what it was told "
                "may still be carried out: see its log, and `rusy status`"
            ) from None
        finally:
            await client.close()

    return asyncio.run(run())
