"""The half of the app that has to do with the engine: connect, follow, repaint, send."""

import asyncio
import math
import secrets
from datetime import tzinfo
from typing import Literal

from textual.app import App
from textual.screen import Screen

from rusy_tui.console.engine_link import Connect, EngineLink
from rusy_tui.console.moment import Moment, Moments
from rusy_tui.console.screens.main import MainScreen
from rusy_tui.console.view import View
from rusy_tui.console.watch import Watch
from rusy_tui.domain.commands import Attend, Command, Reply
from rusy_tui.domain.errors import RusyError

Exit = Literal["detach", "stop", "flatten_stop"]

# Events come by the hundred a second; an eye needs no more pictures than these.
PICTURES_A_SECOND = 15
# Clocks and ages alone move the picture this often.
CLOCK_STEPS_A_SECOND = 4


class LinkedApp(App[Exit], inherit_bindings=False):
    """Paints at once, connects afterwards, and stays when its engine goes."""

    ENABLE_COMMAND_PALETTE = False
    ALLOW_SELECT = False

    def __init__(
        self,
        connect: Connect,
        title: str,
        *,
        restart: Connect | None,
        moments: Moments,
        zone: tzinfo | None,
    ) -> None:
        super().__init__()
        self.title = title
        self.watch_state = Watch(title, zone)
        self.main = MainScreen()
        self._connect = connect
        self._restart = restart
        self._moments = moments
        self._link: EngineLink | None = None
        self._linked = asyncio.Event()
        self._attended = False
        self._named = ""
        self._stale = True
        self._painted_at: Moment | None = None
        self._stopping: Exit | None = None

    # --- pictures -----------------------------------------------------------------------

    def get_default_screen(self) -> Screen[None]:
        return self.main

    def on_mount(self) -> None:
        """Paint what is known, and begin to connect once that is on the terminal."""
        self.paint()
        self.set_interval(1 / PICTURES_A_SECOND, self._paint_if_stale)
        self.call_after_refresh(self._begin, self._connect)

    async def on_unmount(self) -> None:
        """Hang up; the engine notices a watcher less."""
        if self._link is not None:
            await self._link.close()

    def on_resize(self) -> None:
        """Arrange the panels anew; nothing of the state is lost."""
        self.paint()

    def now_s(self) -> float:
        """Monotonic seconds."""
        return self._moments().monotonic_s

    def touch(self) -> None:
        """Something changed that the next picture shows."""
        self._stale = True

    def paint(self) -> None:
        """Show this moment, and tell the engine when a card was opened or closed."""
        self._stale = False
        self._painted_at = _stepped(self._moments())
        self.draw(self.watch_state.view(self._painted_at))
        self._attend()

    def draw(self, view: View) -> None:
        """Put a view on the screen."""
        self.main.paint(view)

    def _paint_if_stale(self) -> None:
        if self._stale or self._painted_at != _stepped(self._moments()):
            self.paint()

    # --- the engine ---------------------------------------------------------------------

    def report_progress(self, text: str) -> None:
        """What starting or finding the engine is doing; shown until the engine speaks."""
        self.watch_state.progress = text
        self.touch()

    def _begin(self, connect: Connect) -> None:
        self.run_worker(self._follow(connect), group="engine", exclusive=True)

    async def _follow(self, connect: Connect) -> None:
        """Connect and take events until the engine is gone."""
        watch = self.watch_state
        watch.lost = ""
        self._attended = False
        try:
            link = await connect()
            self._link = link
            self._linked.set()
            async for event in link.events():
                watch.progress = ""
                watch.take(event, self.now_s())
                self.touch()
                self._name_terminal()
            self._gone("it has closed the connection")
        except RusyError as error:
            self._gone(str(error))

    def _gone(self, why: str) -> None:
        link, self._link = self._link, None
        self._linked.clear()
        if link is not None:
            self.run_worker(link.close(), group="closing")
        if self._stopping is not None:
            return  # it was told to go; who told it waits for its answer
        watch = self.watch_state
        watch.arming.disarm()
        watch.sending = None
        watch.notice = None
        watch.lost = why
        self.touch()

    def _name_terminal(self) -> None:
        """Put the venue into the terminal's title, so that a task bar tells it as well."""
        state = self.watch_state.state
        title = f"rusy {state.venue.upper()}" if state else self.title
        if title != self._named and self._driver is not None and not self.is_headless:
            # There is no call for it: OSC 2 goes out like any other picture.
            self._driver.write(f"\x1b]2;{title}\x07")
        self._named = title

    def start_again(self) -> None:
        """Start the engine again, or connect again where that is not ours to do."""
        if not self.watch_state.lost:
            return
        self.watch_state.lost = ""
        self.report_progress("starting the engine again" if self._restart else "connecting")
        self._begin(self._restart or self._connect)

    # --- commands -----------------------------------------------------------------------

    def give(self, command: Command) -> None:
        """Send a command; its answer is shown when it comes."""
        self.run_worker(self._give(command), group="commands")

    async def _give(self, command: Command) -> None:
        reply = await self.ask(command)
        self.watch_state.sending = None
        if reply is not None:
            self.say(reply.message or reply.answer, "up" if reply.ok else "ask")

    async def ask(self, command: Command) -> Reply | None:
        """The engine's answer; None, and a word to the operator, when there is none."""
        link = self._link
        if link is None:
            self.say("not sent: there is no engine to send it to", "down")
            return None
        try:
            return await link.send(command)
        except RusyError as error:
            self.say(f"no answer: {error}", "down")
            return None

    def say(self, text: str, tone: str) -> None:
        """Put a short word in front of the operator."""
        self.watch_state.say(text, tone, self.now_s())
        self.touch()

    def _attend(self) -> None:
        attending = self.watch_state.attending
        if attending == self._attended or self._link is None:
            return
        self._attended = attending
        self.run_worker(self.ask(Attend(new_command_id(), attending)), group="attend")


def new_command_id() -> str:
    """An id that no other command has."""
    return secrets.token_hex(12)


def _stepped(moment: Moment) -> Moment:
    """The moment, cut to the steps in which clocks move on the screen."""
    step_ms = 1000 // CLOCK_STEPS_A_SECOND
    return Moment(
        math.floor(moment.monotonic_s * CLOCK_STEPS_A_SECOND) / CLOCK_STEPS_A_SECOND,
        moment.wall_ms - moment.wall_ms % step_ms,
    )
