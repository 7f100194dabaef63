"""A life on a stage: messages in, actions noted, time moved by the wakes that it asked for."""

from decimal import Decimal

from rusy_tui.domain.instrument import Bracket, Instrument
from rusy_tui.domain.market import BookTop
from rusy_tui.domain.order import (
    Cause,
    Confirmed,
    Fill,
    OrderBook,
    OrderIntent,
    OrderReport,
    OrderState,
    Outcome,
    Purpose,
    Rejected,
    Side,
    Unresolved,
)
from rusy_tui.domain.trade import Trade, TradeState
from rusy_tui.execution.life import EntryRules, Life
from rusy_tui.execution.messages import (
    Action,
    Answered,
    Ask,
    Begin,
    Cancel,
    CancelAnswered,
    Filled,
    Halt,
    Message,
    Now,
    Reported,
    Say,
    Send,
    Tick,
    WakeAt,
    WakeIn,
)

START_MS = 1_750_000_000_000
HOLD_MS = 7_200_000
ENTRY_TIMEOUT_MS = 180_000

INSTRUMENT = Instrument(
    symbol="BTCUSDT",
    contract_type="PERPETUAL",
    base_asset="BTC",
    quote_asset="USDT",
    trading=True,
    tick_size=Decimal("0.1"),
    min_price=Decimal("0.1"),
    max_price=Decimal(1000000),
    step_size=Decimal("0.001"),
    min_quantity=Decimal("0.001"),
    max_quantity=Decimal(1000),
    market_step_size=Decimal("0.001"),
    market_min_quantity=Decimal("0.001"),
    market_max_quantity=Decimal(100),
    min_notional=Decimal(5),
    price_factor_up=Decimal("1.05"),
    price_factor_down=Decimal("0.95"),
    onboard_ms=0,
)


BRACKETS = (
    Bracket(
        floor=Decimal(0),
        cap=Decimal(50_000),
        max_leverage=20,
        maintenance_rate=Decimal("0.01"),
        cumulative=Decimal(0),
    ),
    Bracket(
        floor=Decimal(50_000),
        cap=Decimal(250_000),
        max_leverage=10,
        maintenance_rate=Decimal("0.025"),
        cumulative=Decimal(750),
    ),
)


def book(bid: str = "100.0", ask: str = "100.1") -> BookTop:
    """A best bid and ask."""
    one = Decimal(1)
    return BookTop("BTCUSDT", Decimal(bid), one, Decimal(ask), one, START_MS)


def trade(side: Side = Side.BUY, quantity: str = "1.000") -> Trade:
    """A trade as planned: stop 2 away, target 4 away."""
    sign = side.sign
    return Trade(
        trade_id="01TRADE",
        proposal_id=1,
        symbol="BTCUSDT",
        side=side,
        state=TradeState.PLANNED,
        planned_quantity=Decimal(quantity),
        planned_entry=Decimal("100.0") if sign > 0 else Decimal("100.1"),
        stop_price=Decimal(100 - 2 * sign),
        target_price=Decimal(100 + 4 * sign),
        risk_usd=Decimal(2),
        leverage=3,
        time_exit_ms=START_MS + HOLD_MS,
        created_ms=START_MS,
        entry_reason="vote",
    )


class Stage:
    """Drives one life. Attributes tell what it wanted done, oldest first."""

    def __init__(
        self,
        side: Side = Side.BUY,
        *,
        quantity: str = "1.000",
        tries: int = 3,
        instrument: Instrument = INSTRUMENT,
        life: Life | None = None,
    ) -> None:
        worst = Decimal("100.3") if side is Side.BUY else Decimal("99.8")
        rules = EntryRules(worst_price=worst, tries=tries, timeout_ms=ENTRY_TIMEOUT_MS)
        self.life = life if life is not None else Life(trade(side, quantity), rules)
        self.side = side
        self.instrument = instrument
        self.book: BookTop | None = book()
        self.mark: Decimal | None = Decimal("100.05")
        self.gate = ""
        self.halted = False
        self.now_s = 1000.0
        self.sent: list[OrderIntent] = []
        self.cancelled: list[str] = []
        self.asked: list[str] = []
        self.halts: list[str] = []
        self.said: list[str] = []
        self._wakes: list[float] = []
        self._ids = 0
        self._executions = 0
        self._orders = 0

    # Time -----------------------------------------------------------------------------

    @property
    def market_ms(self) -> int:
        return START_MS + round((self.now_s - 1000) * 1000)

    def now(self) -> Now:
        return Now(
            market_ms=self.market_ms,
            monotonic_s=self.now_s,
            book=self.book,
            instrument=self.instrument,
            new_id=self._new_id,
            mark=self.mark,
            gate=self.gate,
            halted=self.halted,
        )

    def advance(self, wall_s: float) -> list[Action]:
        """Let time pass; the life gets a tick at each wake it asked for, and no other."""
        end_s, actions = self.now_s + wall_s, list[Action]()
        while due := [at for at in self._wakes if at <= end_s]:
            at = min(due)
            self._wakes.remove(at)
            self.now_s = max(self.now_s, at)
            actions += self.tell(Tick())
        self.now_s = end_s
        return actions

    # Messages -------------------------------------------------------------------------

    def tell(self, message: Message) -> list[Action]:
        """Give the life a message, and note what it wants."""
        actions = self.life.on(message, self.now())
        for action in actions:
            match action:
                case Send(intent=intent):
                    self.sent.append(intent)
                case Cancel(client_order_id=client_order_id):
                    self.cancelled.append(client_order_id)
                case Ask(client_order_id=client_order_id):
                    self.asked.append(client_order_id)
                case WakeIn(wall_s=wall_s):
                    self._wakes.append(self.now_s + wall_s)
                case WakeAt(market_ms=market_ms):
                    self._wakes.append(1000 + (market_ms - START_MS) / 1000)
                case Halt(gate=gate):
                    self.halts.append(gate)
                case Say(text=text):
                    self.said.append(text)
        return actions

    def begin(self) -> OrderIntent:
        """Start the trade; its first entry order."""
        self.tell(Begin())
        return self.last(Purpose.ENTRY)

    def confirm(self, intent: OrderIntent, state: OrderState = OrderState.NEW) -> list[Action]:
        """The exchange took an order, and may have filled it whole."""
        filled = str(intent.quantity) if state is OrderState.FILLED else "0"
        return self.tell(Answered(intent, Confirmed(report(intent, state, filled))))

    def refuse(self, intent: OrderIntent, cause: Cause) -> list[Action]:
        """The exchange refused an order."""
        return self.tell(Answered(intent, Rejected(cause, -1, str(cause))))

    def lose(self, intent: OrderIntent) -> list[Action]:
        """The reply to an order was lost."""
        return self.tell(Answered(intent, Unresolved("time-out")))

    def report(
        self, intent: OrderIntent, state: OrderState, filled: str = "0", triggered: str = ""
    ) -> list[Action]:
        """The exchange tells of an order."""
        return self.tell(Reported(report(intent, state, filled, triggered)))

    def cancel_answer(self, intent: OrderIntent, outcome: Outcome) -> list[Action]:
        """The exchange answers a cancel."""
        return self.tell(CancelAnswered(intent.client_order_id, outcome))

    def confirm_cancel(self, intent: OrderIntent, filled: str = "0") -> list[Action]:
        """The exchange cancelled an order."""
        gone = report(intent, OrderState.CANCELED, filled)
        return self.cancel_answer(intent, Confirmed(gone))

    def fill(
        self,
        intent: OrderIntent,
        quantity: str,
        price: str = "100.0",
        *,
        client_order_id: str | None = None,
        exchange_order_id: str | None = None,
    ) -> list[Action]:
        """An execution of an order."""
        self._executions += 1
        known = client_order_id if client_order_id is not None else intent.client_order_id
        number = f"n-{intent.client_order_id}"
        return self.tell(
            Filled(
                Fill(
                    symbol="BTCUSDT",
                    exchange_trade_id=self._executions,
                    exchange_order_id=(
                        exchange_order_id if exchange_order_id is not None else number
                    ),
                    client_order_id=known,
                    side=intent.side,
                    price=Decimal(price),
                    quantity=Decimal(quantity),
                    fee=Decimal("0.01"),
                    fee_asset="USDT",
                    realised_pnl=Decimal(0),
                    is_maker=intent.purpose is Purpose.ENTRY,
                    time_ms=self.market_ms,
                )
            )
        )

    # What was wanted ------------------------------------------------------------------

    def all(self, purpose: Purpose) -> list[OrderIntent]:
        """Every order sent for a purpose."""
        return [intent for intent in self.sent if intent.purpose is purpose]

    def last(self, purpose: Purpose) -> OrderIntent:
        """The newest order sent for a purpose."""
        return self.all(purpose)[-1]

    def protected(self) -> tuple[OrderIntent, OrderIntent, OrderIntent]:
        """Play to an open position whose stop and target rest: entry, stop, target."""
        entry = self.begin()
        self.confirm(entry)
        self.fill(entry, str(entry.quantity))
        self.report(entry, OrderState.FILLED, str(entry.quantity))
        stop = self.last(Purpose.STOP)
        self.advance(0.1)
        self.confirm(stop)
        target = self.last(Purpose.TARGET)
        self.confirm(target)
        return entry, stop, target

    def _new_id(self, purpose: Purpose) -> str:
        self._ids += 1
        return f"{purpose.value}-{self._ids}"


def report(
    intent: OrderIntent, state: OrderState, filled: str = "0", triggered: str = ""
) -> OrderReport:
    """What the exchange says of an order of ours."""
    return OrderReport(
        client_order_id=intent.client_order_id,
        exchange_order_id=f"n-{intent.client_order_id}",
        symbol=intent.symbol,
        book=intent.book,
        side=intent.side,
        kind=str(intent.kind),
        state=state,
        quantity=intent.quantity or Decimal(0),
        filled_quantity=Decimal(filled),
        average_price=Decimal(0),
        price=intent.price or Decimal(0),
        trigger_price=intent.trigger_price or Decimal(0),
        reduce_only=intent.reduce_only,
        close_position=intent.close_position,
        update_ms=0,
        triggered_order_id=triggered,
    )


PLAIN, CONDITIONAL = OrderBook.PLAIN, OrderBook.CONDITIONAL
UNKNOWN = Rejected(Cause.UNKNOWN_ORDER, -2011, "Unknown order sent.")
