"""Draw docs/console.svg: the console itself, on a state that a running engine once had.

    python -m tools.console_picture docs/console.state.json docs/console.svg
    python -m tools.console_picture --record SOCKET docs/console.state.json

The second form records the state of the engine behind a socket, at this moment.
"""

import argparse
import asyncio
from collections.abc import AsyncIterator
from datetime import UTC
from pathlib import Path

import msgspec
from textual import events

from rusy_tui.console.app import Console
from rusy_tui.console.moment import Moment, system_moment
from rusy_tui.domain.commands import Command, Reply
from rusy_tui.domain.events import Event, Snapshot
from rusy_tui.domain.state import Chart, Indicators, State

# As many as a chart of the default size shows.
KEPT_BARS = 70


class Recording(msgspec.Struct, frozen=True):
    """A state and the moment at which it was so."""

    moment: Moment
    state: State


class StillLink:
    """Tells one state, and then nothing any more."""

    def __init__(self, state: State) -> None:
        self._state = state
        self.taken = asyncio.Event()

    async def events(self) -> AsyncIterator[Event]:
        yield Snapshot(self._state)
        # Asked for the next one: this one has been taken in.
        self.taken.set()
        await asyncio.Future()

    async def send(self, command: Command) -> Reply:
        return Reply(command.command_id, False, "denied", "a picture does nothing")

    async def close(self) -> None:
        pass


async def draw(recording: Recording, size: tuple[int, int], keys: list[str]) -> str:
    """The console on a recorded state, as SVG."""

    link = StillLink(recording.state)

    async def connect() -> StillLink:
        return link

    class StillConsole(Console):
        """Its keys are pressed at the recorded moment: this machine's clock is another one."""

        def key_time(self, event: events.Key) -> float:
            return recording.moment.monotonic_s

    app = StillConsole(connect, zone=UTC, moments=lambda: recording.moment)
    async with app.run_test(size=size) as pilot:
        await link.taken.wait()
        await pilot.pause()
        await pilot.press(*keys)
        await pilot.pause()
        return app.export_screenshot(title="rusy")


async def record(socket: Path) -> Recording:
    """The state of a running engine."""
    from rusy_tui.link.client import LinkClient

    link = await LinkClient.connect_unix(socket)
    async for event in link.events():
        if isinstance(event, Snapshot):
            await link.close()
            return Recording(system_moment(), shortened(event.state))
    raise SystemExit("the engine sent no state")


def shortened(state: State) -> State:
    """The state with no more bars and values than a picture shows."""
    replace = msgspec.structs.replace

    def tail(chart: Chart) -> Chart:
        curves = msgspec.structs.asdict(chart.indicators)
        kept = {name: values[-KEPT_BARS:] for name, values in curves.items()}
        return replace(chart, bars=chart.bars[-KEPT_BARS:], indicators=Indicators(**kept))

    return replace(state, charts={key: tail(chart) for key, chart in state.charts.items()})


def main() -> None:
    """Draw, or record."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--record", type=Path, metavar="SOCKET")
    options.add_argument("--size", default="120x40", help="columns x rows")
    options.add_argument("--keys", nargs="*", default=[], help="keys to press first")
    options.add_argument("files", type=Path, nargs="+")
    chosen = options.parse_args()
    if chosen.record is not None:
        recording = asyncio.run(record(chosen.record))
        chosen.files[0].write_bytes(msgspec.json.encode(recording) + b"\n")
        return
    source, target = chosen.files
    recording = msgspec.json.decode(source.read_bytes(), type=Recording)
    columns, _, rows = chosen.size.partition("x")
    svg = asyncio.run(draw(recording, (int(columns), int(rows)), chosen.keys))
    target.write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
