"""What one console knows and looks at: its copy of the state, and the operator's choices.

Nothing here draws or waits: the screen hands events, keys and moments in, and takes a
:class:`~rusy_tui.console.view.View` out.
"""

from dataclasses import replace
from datetime import tzinfo

from rusy_tui.console.arming import Arming, Refusal
from rusy_tui.console.moment import Moment
from rusy_tui.console.view import TOPICS, LogFilter, Notice, View
from rusy_tui.domain.candle import Interval
from rusy_tui.domain.clock import Pace
from rusy_tui.domain.events import Event, PaceChanged, QuoteMoved, Snapshot, apply
from rusy_tui.domain.modes import Mode
from rusy_tui.domain.proposal import Proposal
from rusy_tui.domain.state import State

NOTICE_S = 8.0
# Market times further apart than this were told by two machines' clocks.
OTHER_CLOCK_MS = 120_000
INTERVALS = (Interval.M15.value, Interval.H1.value)


class Watch:
    """The console's memory."""

    def __init__(self, title: str, zone: tzinfo | None) -> None:
        self.title = title
        self.zone = zone
        self.state: State | None = None
        self.symbol = ""
        self.interval = INTERVALS[0]
        self.card_open = True
        self.sending: int | None = None
        self.arming = Arming()
        self.log_filter = LogFilter()
        self.notice: Notice | None = None
        self.progress = ""
        self.lost = ""
        self._selected: int | None = None
        self._former_pace: Pace | None = None
        self._market_received: float | None = None
        self._quote_received: dict[str, float] = {}
        self._proposal_received: dict[int, float] = {}

    # --- events -------------------------------------------------------------------------

    def take(self, event: Event, now_s: float) -> None:
        """Apply an event that was received now."""
        if isinstance(event, Snapshot):
            self.state = event.state
            self._former_pace = None
            self._market_received = now_s if event.state.market_ms else None
            self._quote_received = dict.fromkeys(event.state.quotes, now_s)
        elif self.state is None:
            return  # the link promises a snapshot first; without one there is no state
        else:
            if isinstance(event, PaceChanged):
                self._former_pace = self.state.pace
            self.state = apply(self.state, event)
            if isinstance(event, QuoteMoved):
                self._market_received = now_s
                self._quote_received[event.quote.symbol] = now_s
        if not self.symbol and self.state.symbols:
            self.symbol = self.state.symbols[0]
        self._follow_proposals(self.state, now_s)

    def _follow_proposals(self, state: State, now_s: float) -> None:
        pending = {p.proposal_id: p for p in state.proposals}
        known = self._proposal_received
        if pending.keys() == known.keys() and self._selected in (pending or {None}):
            self._check_arming(now_s)
            return
        waited_before = bool(known)
        self._proposal_received = {key: known.get(key, now_s) for key in pending}
        if self._selected not in pending:
            self._selected = min(pending, default=None)
            if self._selected is not None:
                # In auto the card would come and go by itself, so there it waits for p.
                if not waited_before:
                    self.card_open = state.mode is not Mode.AUTO
                self._follow_card()
        if self.sending is not None and self.sending not in pending:
            self.sending = None
        self._check_arming(now_s)

    def _check_arming(self, now_s: float) -> None:
        refusal = self.arming.check(self.card if self.card_open else None, now_s)
        if refusal is not None:
            self.refuse(refusal, now_s)

    def _follow_card(self) -> None:
        # The chart beside a card is the chart of its pair: that is what is decided on.
        card = self.card
        if card is not None and self.card_open:
            self.symbol = card.plan.symbol

    # --- the operator -------------------------------------------------------------------

    @property
    def card(self) -> Proposal | None:
        """The proposal that the card shows, or would show."""
        if self.state is None:
            return None
        return next((p for p in self.state.proposals if p.proposal_id == self._selected), None)

    @property
    def attending(self) -> bool:
        """Whether a card is open in front of the operator."""
        return self.card_open and self.card is not None

    def toggle_card(self) -> None:
        """Open or close the card."""
        self.arming.disarm()
        self.card_open = not self.card_open
        self._follow_card()

    def select_card(self, step: int) -> None:
        """Show the next (+1) or previous (-1) waiting proposal."""
        self.arming.disarm()
        pending = [p.proposal_id for p in self.state.proposals] if self.state else []
        if not pending:
            return
        place = pending.index(self._selected) if self._selected in pending else -step
        self._selected = pending[(place + step) % len(pending)]
        self.card_open = True
        self._follow_card()

    def next_symbol(self) -> None:
        """Show the next pair."""
        symbols = self.state.symbols if self.state else ()
        if symbols:
            place = symbols.index(self.symbol) if self.symbol in symbols else -1
            self.symbol = symbols[(place + 1) % len(symbols)]

    def next_timeframe(self) -> None:
        """Show the other timeframe."""
        place = INTERVALS.index(self.interval)
        self.interval = INTERVALS[(place + 1) % len(INTERVALS)]

    def next_topic(self) -> None:
        """Show the log of the next topic."""
        place = TOPICS.index(self.log_filter.topic)
        self.log_filter = replace(self.log_filter, topic=TOPICS[(place + 1) % len(TOPICS)])

    def filter_words(self, words: str) -> None:
        """Show only log lines with these words."""
        self.log_filter = replace(self.log_filter, words=words.strip())

    def say(self, text: str, tone: str, now_s: float) -> None:
        """Put a short word in front of the operator."""
        self.notice = Notice(text, tone, now_s + NOTICE_S)

    def refuse(self, refusal: Refusal, now_s: float) -> None:
        """Say why nothing was sent."""
        self.say(refusal.text, "ask", now_s)

    # --- what panels see ----------------------------------------------------------------

    def market_ms(self, moment: Moment) -> int:
        """Market time now: by the pace where there is one, else the wall's.

        A new pace holds from its anchor on, which lies a little ahead; until then the former
        one does. A console on another machine has another monotonic clock, which the pace
        says nothing about: there the newest price's market time is counted on from.
        """
        state = self.state
        if state is None or state.pace is None:
            return moment.wall_ms
        pace, former = state.pace, self._former_pace
        if former is not None and moment.monotonic_s < pace.monotonic_anchor_s:
            pace = former
        by_pace = pace.market_ms(moment.monotonic_s)
        if self._market_received is None:
            return by_pace
        elapsed_s = moment.monotonic_s - self._market_received
        by_price = state.market_ms + round(elapsed_s * state.pace.speed * 1000)
        return by_pace if abs(by_pace - by_price) <= OTHER_CLOCK_MS else by_price

    def seconds_left(self, proposal: Proposal, moment: Moment) -> float:
        """Wall seconds the operator has: by the span since receipt, and by the premise.

        An engine on this machine shares our monotonic clock, so its own start of the span
        counts as well: it matters when a console attaches to a proposal that already waits.
        An engine elsewhere has another clock, whose reading lies outside the span.
        """
        received = self._proposal_received.get(proposal.proposal_id, moment.monotonic_s)
        waited = received - proposal.created_monotonic_s
        began = received - waited if 0 <= waited <= proposal.wall_seconds else received
        left = began + proposal.wall_seconds - moment.monotonic_s
        pace = self.state.pace if self.state else None
        speed = pace.speed if pace else 1.0
        premise_s = (proposal.expires_ms - self.market_ms(moment)) / 1000 / max(speed, 1e-9)
        return max(0.0, min(left, premise_s))

    def feed_age_s(self, moment: Moment) -> float:
        """How old the shown pair's newest message is: its age then, and the time since."""
        quote = self.state.quotes.get(self.symbol) if self.state else None
        if quote is None:
            return 0.0
        received = self._quote_received.get(self.symbol, moment.monotonic_s)
        return quote.age_s + max(0.0, moment.monotonic_s - received)

    def view(self, moment: Moment) -> View:
        """The moment, whole."""
        self._check_arming(moment.monotonic_s)
        if self.notice is not None and moment.monotonic_s >= self.notice.until_s:
            self.notice = None
        proposals = self.state.proposals if self.state else ()
        return View(
            title=self.title,
            moment=moment,
            state=self.state,
            zone=self.zone,
            market_ms=self.market_ms(moment),
            symbol=self.symbol,
            interval=self.interval,
            feed_age_s=self.feed_age_s(moment),
            card=self.card,
            card_open=self.card_open,
            seconds_left={p.proposal_id: self.seconds_left(p, moment) for p in proposals},
            armed=self.arming.armed,
            sending=self.sending,
            notice=self.notice,
            log_filter=self.log_filter,
            progress=self.progress,
            lost=self.lost,
        )
