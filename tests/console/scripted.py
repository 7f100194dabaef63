"""A link whose engine is a script: tests push events in and read commands out."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC

from textual import events as textual_events
from textual.pilot import Pilot

from rusy_tui.console.app import Console
from rusy_tui.console.linked import Exit
from rusy_tui.console.moment import Moment
from rusy_tui.console.panels.line_panel import LinePanel
from rusy_tui.console.text import plain
from rusy_tui.domain.commands import Attend, Command, Reply
from rusy_tui.domain.errors import UnreachableError
from rusy_tui.domain.events import Event, Snapshot
from rusy_tui.domain.state import State
from tests.console.sample import NOW

Answer = Callable[[Command], Reply]


def agreed(command: Command) -> Reply:
    """Yes to everything."""
    return Reply(command.command_id, True, "done", "done")


class ScriptedLink:
    """Begins with a snapshot of a state; ``push`` adds events, ``cut`` ends the engine."""

    def __init__(
        self, state: State | None, answer: Callable[[Command], Reply] = agreed
    ) -> None:
        self.commands: list[Command] = []
        self.closed = False
        self._answer = answer
        self._queue: asyncio.Queue[Event | UnreachableError] = asyncio.Queue()
        if state is not None:
            self.push(Snapshot(state))

    def push(self, event: Event) -> None:
        """The engine tells something."""
        self._queue.put_nowait(event)

    def cut(self, why: str) -> None:
        """The engine dies."""
        self._queue.put_nowait(UnreachableError(why))

    async def events(self) -> AsyncIterator[Event]:
        while True:
            event = await self._queue.get()
            if isinstance(event, UnreachableError):
                self._queue.task_done()
                raise event
            yield event
            self._queue.task_done()

    async def send(self, command: Command) -> Reply:
        self.commands.append(command)
        return self._answer(command)

    async def close(self) -> None:
        self.closed = True

    async def delivered(self) -> None:
        """Wait until the console has taken all events."""
        await self._queue.join()

    def sent(self) -> list[Command]:
        """The commands without those that only report an open card."""
        return [command for command in self.commands if not isinstance(command, Attend)]


class HeldConsole(Console):
    """A console whose clocks stand still until a test moves them."""

    def __init__(
        self, state: State | None, answer: Answer = agreed, *, light: bool = False
    ) -> None:
        self.link = ScriptedLink(state, answer)
        self.moment = NOW
        self.starts = 0
        super().__init__(
            self._connected,
            restart=self._restarted,
            zone=UTC,
            moments=lambda: self.moment,
            light=light,
        )

    async def _connected(self) -> ScriptedLink:
        return self.link

    async def _restarted(self) -> ScriptedLink:
        self.starts += 1
        return self.link

    def key_time(self, event: textual_events.Key) -> float:
        return self.moment.monotonic_s

    def pass_time(self, seconds: float) -> None:
        """Move both clocks on."""
        self.moment = Moment(
            self.moment.monotonic_s + seconds, self.moment.wall_ms + round(seconds * 1000)
        )

    def text(self) -> str:
        """All that the panels of the main screen say."""
        panels = self.main.query(LinePanel)
        return "\n".join(
            plain(line) for panel in panels if panel.display for line in panel.lines
        )


async def settled(pilot: Pilot[Exit]) -> HeldConsole:
    """The console after it has taken and painted all that was pushed."""
    app = pilot.app
    assert isinstance(app, HeldConsole)
    await pilot.pause()
    await app.link.delivered()
    app.paint()
    await pilot.pause()
    return app
