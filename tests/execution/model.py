"""A tiny exchange that loses, delays, reorders and repeats, driven by one seed."""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from random import Random

import msgspec

from rusy_tui.domain.order import (
    Cause,
    Confirmed,
    Fill,
    OrderIntent,
    OrderReport,
    OrderState,
    Purpose,
    Rejected,
    Unresolved,
)
from rusy_tui.execution.messages import (
    Absent,
    Answered,
    CancelAnswered,
    Filled,
    Message,
    Reported,
)
from tests.execution.stage import UNKNOWN, Stage, report

_CHUNK = Decimal("0.25")
_REFUSALS = {
    Purpose.ENTRY: (Cause.WOULD_TAKE, Cause.FUNDS, Cause.OVERLOADED),
    Purpose.STOP: (Cause.OVERLOADED, Cause.WOULD_TRIGGER, Cause.DEFECT, Cause.TOO_MANY),
    Purpose.TARGET: (Cause.PRICE_BAND, Cause.OVERLOADED),
    Purpose.EXIT: (Cause.OVERLOADED, Cause.PRICE_BAND),
    Purpose.FLATTEN: (Cause.OVERLOADED, Cause.PRICE_BAND),
}


@dataclass
class Held:
    """An order as the exchange holds it."""

    intent: OrderIntent
    state: OrderState = OrderState.NEW
    filled: Decimal = Decimal(0)
    triggered: str = ""

    @property
    def rests(self) -> bool:
        return self.state.is_resting


@dataclass
class Model:
    """Requests travel to it, news travels back; :meth:`step` lets one thing happen."""

    stage: Stage
    random: Random
    held: dict[str, Held] = field(default_factory=dict)
    position: Decimal = Decimal(0)
    requests: list[Callable[[], None]] = field(default_factory=list)
    travelling: set[str] = field(default_factory=set)
    news: list[Message] = field(default_factory=list)
    fills: list[Fill] = field(default_factory=list)
    told: set[int] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    lost: int = 0
    seen: tuple[int, int, int] = (0, 0, 0)

    # What the life wants ----------------------------------------------------------------

    def collect(self) -> None:
        """Take up what the life sent, cancelled and asked since the last time."""
        sent, cancelled, asked = self.seen
        stage = self.stage
        for intent in stage.sent[sent:]:
            self.travelling.add(intent.client_order_id)
            self.requests.append(partial(self._arrive, intent))
        for name in stage.cancelled[cancelled:]:
            self.requests.append(partial(self._cancel, name))
        self.asked += stage.asked[asked:]
        self.seen = (len(stage.sent), len(stage.cancelled), len(stage.asked))

    def _arrive(self, intent: OrderIntent) -> None:
        """A request reaches the exchange, or is lost on the way there or back."""
        name, chance = intent.client_order_id, self.random.random()
        self.travelling.discard(name)
        if chance < 0.1:
            self.news.append(Answered(intent, Unresolved("lost on the way there")))
            return
        refusal = self._refusal(intent)
        if refusal is not None:
            self.news.append(Answered(intent, Rejected(refusal, -1, str(refusal))))
            return
        assert name not in self.held, f"{name} was sent twice"
        held = self.held[name] = Held(intent)
        if intent.purpose in (Purpose.EXIT, Purpose.FLATTEN):
            assert intent.quantity is not None
            self._fill(held, self._portion(min(intent.quantity, self.position)))
            if held.rests:
                held.state = OrderState.EXPIRED
        if chance < 0.25:
            self.news.append(Answered(intent, Unresolved("lost on the way back")))
        else:
            self.news.append(Answered(intent, Confirmed(self._report(held))))
        self.news.append(Reported(self._report(held)))

    def _refusal(self, intent: OrderIntent) -> Cause | None:
        if intent.reduce_only and intent.purpose is not Purpose.STOP and self.position == 0:
            return Cause.NOTHING_TO_REDUCE
        if intent.close_position and any(
            held.rests and held.intent.close_position for held in self.held.values()
        ):
            return Cause.OTHER
        if self.random.random() < 0.1:
            return self.random.choice(_REFUSALS[intent.purpose])
        return None

    def _cancel(self, name: str) -> None:
        held = self.held.get(name)
        if self.random.random() < 0.1:
            self.news.append(CancelAnswered(name, Unresolved("lost")))
        elif held is None or not held.rests:
            self.news.append(CancelAnswered(name, UNKNOWN))
        else:
            held.state = OrderState.CANCELED
            self.news.append(CancelAnswered(name, Confirmed(self._report(held))))
            self.news.append(Reported(self._report(held)))

    # What the market does ----------------------------------------------------------------

    def fill_entry(self) -> None:
        for held in self._resting(Purpose.ENTRY):
            self._fill(held, self._portion(self._left(held)))
            self.news.append(Reported(self._report(held)))

    def fill_target(self) -> None:
        for held in self._resting(Purpose.TARGET):
            self._fill(held, min(self._portion(self._left(held)), self.position))
            self.news.append(Reported(self._report(held)))

    def hit_stop(self) -> None:
        for held in self._resting(Purpose.STOP):
            held.triggered = f"t-{held.intent.client_order_id}"
            held.state = OrderState.TRIGGERING
            self.news.append(Reported(self._report(held)))
            if self.position == 0 or self.random.random() < 0.15:
                held.state = OrderState.REJECTED
            else:
                held.state = OrderState.TRIGGERED
                self.news.append(Reported(self._report(held)))
                asked = held.intent.quantity or self.position
                self._fill(held, min(asked, self.position))
                held.state = OrderState.FINISHED
            self.news.append(Reported(self._report(held)))

    def drop_stop(self) -> None:
        for held in self._resting(Purpose.STOP):
            held.state = self.random.choice([OrderState.CANCELED, OrderState.EXPIRED])
            self.news.append(Reported(self._report(held)))

    def _fill(self, held: Held, quantity: Decimal) -> None:
        if quantity <= 0:
            return
        intent = held.intent
        held.filled += quantity
        entering = intent.purpose is Purpose.ENTRY
        self.position += quantity if entering else -quantity
        if intent.purpose is not Purpose.STOP:
            whole = held.filled == intent.quantity
            held.state = OrderState.FILLED if whole else OrderState.PARTIALLY_FILLED
        stop_name = self.random.choice([intent.client_order_id, "another"])
        self.fills.append(
            Fill(
                symbol=intent.symbol,
                exchange_trade_id=len(self.fills) + 1,
                exchange_order_id=held.triggered or f"n-{intent.client_order_id}",
                client_order_id=stop_name if held.triggered else intent.client_order_id,
                side=intent.side,
                price=Decimal(100 + self.random.randrange(-3, 4)),
                quantity=quantity,
                fee=Decimal("0.01"),
                fee_asset="USDT",
                realised_pnl=Decimal(0),
                is_maker=entering,
                time_ms=self.stage.market_ms,
            )
        )

    def _left(self, held: Held) -> Decimal:
        assert held.intent.quantity is not None
        return held.intent.quantity - held.filled

    def _portion(self, left: Decimal) -> Decimal:
        return min(left, _CHUNK * self.random.randint(1, 8))

    def _resting(self, purpose: Purpose) -> list[Held]:
        return [h for h in self.held.values() if h.rests and h.intent.purpose is purpose]

    def _report(self, held: Held) -> OrderReport:
        return report(held.intent, held.state, str(held.filled), held.triggered)

    # What the life is told ---------------------------------------------------------------

    def deliver(self) -> None:
        """Some news arrives, in any order; now and then twice, or only when asked for."""
        if self.news:
            message = self.news.pop(self.random.randrange(len(self.news)))
            if isinstance(message, Reported) and self.random.random() < 0.1:
                self.lost += 1
            else:
                self.tell(message)
            if isinstance(message, Reported) and self.random.random() < 0.1:
                self.news.append(message)

    def deliver_fill(self) -> None:
        """The oldest fill that the life has not seen arrives by the stream."""
        self._tell_fills(1, rest=False)

    def answer(self) -> None:
        """An order that was asked about is found, or proven absent."""
        for name in list(self.asked):
            if name in self.travelling:
                continue
            self.asked.remove(name)
            held = self.held.get(name)
            if held is not None:
                self.tell(Reported(self._report(held)))
            self._tell_fills(len(self.fills), rest=True)
            if held is None:
                self.tell(Absent(name))

    def _tell_fills(self, count: int, *, rest: bool) -> None:
        for fill in self.fills:
            if fill.exchange_trade_id in self.told or not count:
                continue
            count -= 1
            self.told.add(fill.exchange_trade_id)
            self.tell(Filled(_as_rest_tells(fill) if rest else fill))

    def tell(self, message: Message) -> None:
        self.stage.tell(message)
        self.collect()

    def arrive(self) -> None:
        """A request reaches the exchange."""
        if self.requests:
            self.requests.pop(self.random.randrange(len(self.requests)))()

    def wait(self, wall_s: float) -> None:
        self.stage.advance(wall_s)
        self.collect()

    def quiet(self) -> bool:
        """Whether nothing is on its way any more."""
        untold = any(fill.exchange_trade_id not in self.told for fill in self.fills)
        return not (self.requests or self.news or self.asked or untold)

    def settle(self) -> None:
        """Let everything arrive that is on its way."""
        while not self.quiet():
            self.arrive()
            self.deliver()
            self.deliver_fill()
            self.answer()


def _as_rest_tells(fill: Fill) -> Fill:
    """A fill as a read of the account's trades gives it: by the exchange's number alone."""
    return msgspec.structs.replace(fill, client_order_id="")


def covered(model: Model) -> bool:
    """Whether, as far as the life was told, what is open is closed without its doing.

    A stop rests, a way out is being sent, or the life presses for an exit.
    """
    life = model.stage.life
    if not life.open or life.protected or life.exit_reason is not None:
        return True
    slots = life.slots.values()
    return any(not s.answered and s.intent.purpose is not Purpose.ENTRY for s in slots)


def rests_for_all(model: Model) -> bool:
    """Whether the exchange holds a stop for all that is open."""
    return any(
        held.rests and (held.intent.quantity or model.position) >= model.position
        for held in model.held.values()
        if held.intent.purpose is Purpose.STOP
    )
