"""The console's app: what each key of the table does."""

from collections.abc import Callable
from datetime import tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.binding import BindingType

from rusy_tui.console import format as fmt
from rusy_tui.console.arming import Refusal, Send
from rusy_tui.console.engine_link import Connect
from rusy_tui.console.keys import bindings
from rusy_tui.console.linked import Exit, LinkedApp, new_command_id
from rusy_tui.console.moment import Moments, system_moment
from rusy_tui.console.theme import DARK, LIGHT, textual_theme
from rusy_tui.console.view import View
from rusy_tui.domain.commands import (
    Approve,
    CloseTrade,
    Flatten,
    Halt,
    Reject,
    Resume,
    SetMode,
    StopEngine,
)
from rusy_tui.domain.errors import RusyError
from rusy_tui.domain.modes import Mode

if TYPE_CHECKING:
    from rusy_tui.console.screens.stopping import StoppingScreen

TWICE_WITHIN_S = 2.0

__all__ = ["Console", "Exit"]


class Console(LinkedApp, inherit_bindings=False):
    """The operator's screen.

    It ends with what the operator chose: ``detach`` (the engine goes on), ``stop`` (it was
    stopped, positions keep their stops) or ``flatten_stop`` (it closed everything first).

    Args:
        connect: starts or finds an engine and connects; awaited after the first paint. It
            may tell how far it is through :meth:`report_progress`.
        title: what stands in the header until the engine has said its venue.
        restart: starts the engine again after it was lost; None where that is not ours.
        light: begin with the light colours.
        zone: of the wall clock; None for the machine's own.
        moments: reads the clocks.
    """

    # Absolute, so that a subclass in another folder finds it as well.
    CSS_PATH = Path(__file__).with_name("rusy.tcss")
    BINDINGS: ClassVar[list[BindingType]] = bindings(above_dialogs=True)

    def __init__(
        self,
        connect: Connect,
        title: str = "rusy",
        *,
        restart: Connect | None = None,
        light: bool = False,
        zone: tzinfo | None = None,
        moments: Moments = system_moment,
    ) -> None:
        super().__init__(connect, title, restart=restart, moments=moments, zone=zone)
        for name in (DARK, LIGHT):
            self.register_theme(textual_theme(name))
        self.theme = LIGHT if light else DARK
        self._interrupted_s: float | None = None
        self._asking_quit = False
        self._key_s = 0.0
        self._stopping_screen: StoppingScreen | None = None

    # --- deciding -----------------------------------------------------------------------

    def key_time(self, event: events.Key) -> float:
        """When a key was read from the terminal: not when its turn came, which may be late."""
        return event.time

    def on_key(self, event: events.Key) -> None:
        """While a card is armed, every key is an answer to it."""
        if self.screen is not self.main:
            return
        watch = self.watch_state
        self._key_s = self.key_time(event)
        if event.key == "a" and watch.arming.armed is not None:
            return  # armed again, from now on
        outcome = watch.arming.press(event.key, self._key_s)
        if isinstance(outcome, Send):
            event.prevent_default()
            watch.sending = outcome.proposal_id
            watch.notice = None
            command = Approve(new_command_id(), outcome.proposal_id, outcome.revision)
            self.give(command)
        elif isinstance(outcome, Refusal):
            watch.refuse(outcome, self.now_s())
        elif event.key.isdecimal() and watch.attending:
            self.say("not armed: press a first, then the digit", "ask")
        if outcome is not None:
            self.paint()

    def action_arm(self) -> None:
        """Arm the card that is shown."""
        watch = self.watch_state
        card = watch.card
        if watch.lost:
            self.say("there is no engine", "down")
        elif card is None:
            self.say("nothing to arm: no proposal waits", "ask")
        elif not watch.card_open:
            self.say("open the card with p and read it first", "ask")
        elif watch.sending == card.proposal_id:
            self.say("it was sent already", "ask")
        elif watch.seconds_left(card, self._moments()) <= 0:
            self.say(f"proposal {card.proposal_id} has expired", "ask")
        else:
            watch.notice = None
            watch.arming.arm(card, self._key_s)
        self.paint()

    def action_reject(self) -> None:
        """Reject the shown proposal; without an engine: start it again."""
        watch = self.watch_state
        card = watch.card
        if watch.lost:
            self.start_again()
        elif card is None:
            self.say("nothing to reject: no proposal waits", "ask")
        elif not watch.card_open:
            self.say("open the card with p and read it first", "ask")
        else:
            self.give(Reject(new_command_id(), card.proposal_id))

    def action_toggle_card(self) -> None:
        """Open or close the card."""
        if self.watch_state.card is None:
            self.say("no proposal waits; the card opens by itself when one comes", "ask")
        else:
            self.watch_state.toggle_card()
        self.paint()

    def action_select_card(self, step: int) -> None:
        """Show the next or previous waiting proposal."""
        self.watch_state.select_card(step)
        self.paint()

    # --- trading and protecting -----------------------------------------------------------

    def action_halt_or_resume(self) -> None:
        """Halt; where a gate is halted already: resume."""
        state = self.watch_state.state
        halted = state is not None and any(gate.halted for gate in state.gates)
        self.give(Resume(new_command_id()) if halted else Halt(new_command_id()))

    async def action_choose_mode(self) -> None:
        """Choose who turns a proposal into a trade; auto wants its name typed."""
        from rusy_tui.console.screens.dialogs import Choice, ChoiceScreen, TypedScreen

        state = self.watch_state.state
        if state is None:
            return
        choices = (
            Choice("m", "manual", "a proposal is advice", Mode.MANUAL),
            Choice(
                "a", "approve", "a proposal becomes a trade when you approve it", Mode.APPROVE
            ),
            Choice("u", "auto", "policy approves within the limits", Mode.AUTO, danger=True),
        )
        now = f"Now: {state.mode.value}. What already pends is not touched."

        def chosen(answer: str | None) -> None:
            if answer == Mode.AUTO:
                text = (
                    f"Venue: {state.venue}. Each proposal that passes the risk rules",
                    "becomes a trade without asking you.",
                )
                question = TypedScreen("Switch to auto?", text, word=Mode.AUTO.value)
                self.push_screen(question, typed)
            elif answer is not None:
                self.give(SetMode(new_command_id(), Mode(answer)))

        def typed(answer: str | None) -> None:
            if answer is not None:
                self.give(SetMode(new_command_id(), Mode.AUTO))

        self.push_screen(ChoiceScreen("Mode", (now,), choices), chosen)

    def action_flatten(self) -> None:
        """Close everything, after the word was typed."""

        def typed(answer: str | None) -> None:
            if answer is not None:
                self.say("flattening: closing everything, verifying", "ask")
                self.give(Flatten(new_command_id()))

        self._ask_flatten("Flatten everything?", typed)

    def _ask_flatten(self, title: str, then: Callable[[str | None], None]) -> None:
        from rusy_tui.console.screens.dialogs import TypedScreen

        state = self.watch_state.state
        count = len(state.positions) if state else 0
        text = (
            "No new entries; open entries and targets are cancelled; all positions are",
            "closed at the market while their stops rest; then it is verified.",
            f"Open now: {count} position{'' if count == 1 else 's'}."
            + (" Entries stay halted afterwards." if count else ""),
        )
        self.push_screen(TypedScreen(title, text, word="flatten"), then)

    def action_close_position(self) -> None:
        """Close the shown pair's position, after asking."""
        from rusy_tui.console.screens.dialogs import Choice, ChoiceScreen

        watch = self.watch_state
        position = watch.view(self._moments()).position
        if position is None:
            self.say(f"no open position in {watch.symbol or 'any pair'}", "ask")
            return
        symbol = position.symbol
        side = "long" if position.quantity > 0 else "short"
        pnl = fmt.number(position.unrealised_pnl, 2, sign=True)
        text = (
            f"{side} {fmt.quantity(abs(position.quantity))}, now {pnl} USDT, at the market.",
        )
        yes = Choice("y", "close it", "the stop rests until it is closed", "yes", danger=True)

        def chosen(answer: str | None) -> None:
            if answer is not None:
                self.give(CloseTrade(new_command_id(), symbol))

        self.push_screen(ChoiceScreen(f"Close {symbol}?", text, (yes,)), chosen)

    # --- looking ----------------------------------------------------------------------------

    def action_next_symbol(self) -> None:
        """Show the next pair."""
        self.watch_state.next_symbol()
        self.paint()

    def action_next_timeframe(self) -> None:
        """Show the other timeframe."""
        self.watch_state.next_timeframe()
        self.paint()

    def action_next_topic(self) -> None:
        """Show the log of the next topic."""
        self.watch_state.next_topic()
        self.paint()

    def action_filter_log(self) -> None:
        """Show only log lines with the words typed."""
        from rusy_tui.console.screens.dialogs import TypedScreen

        def typed(answer: str | None) -> None:
            if answer is not None:
                self.watch_state.filter_words(answer)
                self.paint()

        text = ("Only lines with all of these words; empty shows all again.",)
        before = self.watch_state.log_filter.words
        self.push_screen(TypedScreen("Filter the log", text, word=None, value=before), typed)

    def action_switch_theme(self) -> None:
        """Dark or light."""
        self.theme = LIGHT if self.theme == DARK else DARK

    def action_help(self) -> None:
        """Show the table of keys."""
        from rusy_tui.console.screens.help import HelpScreen

        self.push_screen(HelpScreen())

    # --- leaving ----------------------------------------------------------------------------

    def action_interrupt(self) -> None:
        """Ask what leaving means; the second time within two seconds: detach at once."""
        now_s = self.now_s()
        before, self._interrupted_s = self._interrupted_s, now_s
        if before is not None and now_s - before <= TWICE_WITHIN_S:
            self.exit("detach")
        elif not self._asking_quit and self._stopping is None:
            self.action_ask_quit()

    def action_ask_quit(self) -> None:
        """Ask whether the engine goes on, stops, or flattens first."""
        from rusy_tui.console.screens.dialogs import Choice, ChoiceScreen

        if self.watch_state.lost:
            self.exit("detach")
            return
        state = self.watch_state.state
        count = len(state.positions) if state else 0
        stays = "positions keep their stops" if count else "nothing is open"
        choices = (
            Choice("d", "detach", "the engine goes on without a screen", "detach"),
            Choice("s", "stop", f"the engine stops; {stays}", "stop", danger=True),
            Choice(
                "f", "flatten, then stop", "everything is closed first", "flatten", danger=True
            ),
        )
        self._asking_quit = True
        self.push_screen(ChoiceScreen("Leave", (), choices), self._leave)

    def _leave(self, answer: str | None) -> None:
        self._asking_quit = False
        if answer == "detach":
            self.exit("detach")
        elif answer == "stop":
            self._stop("stop")
        elif answer == "flatten":
            self._ask_flatten(
                "Flatten everything, then stop the engine?",
                lambda typed: self._stop("flatten_stop") if typed is not None else None,
            )

    def _stop(self, how: Exit) -> None:
        from rusy_tui.console.screens.stopping import StoppingScreen

        self._stopping = how
        self._stopping_screen = StoppingScreen(flatten=how == "flatten_stop")
        self.push_screen(self._stopping_screen, lambda _: self.exit("detach"))
        self.run_worker(self._stop_engine(how), group="stop")
        self.paint()

    async def _stop_engine(self, how: Exit) -> None:
        await self._linked.wait()  # an engine that still starts is stopped once it listens
        link = self._link
        flatten = how == "flatten_stop"
        problem = ""
        if link is not None:
            try:
                reply = await link.send(StopEngine(new_command_id(), flatten))
                problem = "" if reply.ok else reply.message
            except RusyError as error:
                # A stopped engine may be gone before its answer is out. Flat, however, is
                # only what was said to be flat.
                problem = f"no answer whether all is flat: {error}" if flatten else ""
        if not problem:
            self.exit(how)
            return
        self._stopping, self._stopping_screen = None, None
        self.pop_screen()
        self.say(problem, "down")

    def draw(self, view: View) -> None:
        super().draw(view)
        if self._stopping_screen is not None:
            self._stopping_screen.paint(view)
