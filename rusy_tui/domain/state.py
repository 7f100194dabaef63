"""The read model: all that a watcher may see. The engine owns it; nothing else writes it.

A watcher receives a whole :class:`State` and then events, and keeps its own copy whole by
:func:`rusy_tui.domain.events.apply`, the same function the engine uses.
"""

from decimal import Decimal

import msgspec

from rusy_tui.domain.clock import Pace
from rusy_tui.domain.history import BackfillProgress
from rusy_tui.domain.modes import Gate, Mode
from rusy_tui.domain.order import OrderBook, OrderReport
from rusy_tui.domain.proposal import Proposal
from rusy_tui.domain.signal import Prediction
from rusy_tui.domain.trade import Trade


class ChartBar(msgspec.Struct, frozen=True, array_like=True):
    """A bar as a chart needs it; floats, quote asset; volume in the base asset."""

    open_time_ms: int
    open: float
    high: float
    low: float
    close: float
    volume: float


class Indicators(msgspec.Struct, frozen=True, kw_only=True):
    """Indicator columns aligned with the tail of a chart's closed bars, oldest first.

    ``atr14`` in the quote asset, ``bollinger_z`` in standard deviations.
    """

    rsi14: tuple[float, ...] = ()
    macd_histogram: tuple[float, ...] = ()
    atr14: tuple[float, ...] = ()
    bollinger_z: tuple[float, ...] = ()
    ema20: tuple[float, ...] = ()
    ema200: tuple[float, ...] = ()


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """One symbol and timeframe: closed bars, the forming one, indicators.

    ``interval`` is spelt as the operator writes it: 15m or 1h.
    """

    symbol: str
    interval: str
    bars: tuple[ChartBar, ...] = ()
    forming: ChartBar | None = None
    indicators: Indicators = Indicators()


class Quote(msgspec.Struct, frozen=True, kw_only=True):
    """The latest prices of a symbol. ``day_change`` is a fraction over 24 h of market time.

    ``event_ms`` is the exchange time of the newest message behind it and ``age_s`` its age in
    wall seconds when this was made.
    """

    symbol: str
    tick_size: Decimal
    last: Decimal
    bid: Decimal
    ask: Decimal
    mark: Decimal
    funding_rate: Decimal
    next_funding_ms: int
    day_change: float
    event_ms: int
    age_s: float


class PositionView(msgspec.Struct, frozen=True, kw_only=True):
    """An open position with the trade behind it; amounts in USDT.

    ``trade_id`` is "" for a foreign one. ``r_multiple`` is the open result over the risk.
    ``protected_by`` is the short form of the resting stop's client order id, "" when none.
    """

    symbol: str
    trade_id: str
    quantity: Decimal
    entry_price: Decimal
    mark_price: Decimal
    unrealised_pnl: Decimal
    r_multiple: float
    stop_price: Decimal
    liquidation_price: Decimal
    protected_by: str
    opened_ms: int | None


class OrderView(msgspec.Struct, frozen=True, kw_only=True):
    """An open order, with what it is for."""

    report: OrderReport
    purpose: str
    book: OrderBook


class MemberScore(msgspec.Struct, frozen=True, kw_only=True):
    """A member's running record: share of right signs, Brier score, how many were scored."""

    member: str
    hits: float
    brier: float
    scored: int


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """Money, in USDT. ``day_*`` count from 00:00 UTC of market time."""

    equity: Decimal = Decimal(0)
    wallet: Decimal = Decimal(0)
    available: Decimal = Decimal(0)
    day_pnl: Decimal = Decimal(0)
    day_loss_left: Decimal = Decimal(0)
    day_loss_limit: Decimal = Decimal(0)
    exposure: Decimal = Decimal(0)
    exposure_limit: Decimal = Decimal(0)


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    """What the engine is connected to, and how well.

    ``weight_used`` of ``weight_limit`` in the running minute, ``requests_waiting`` for the
    budget; for ``closed_for_s`` wall seconds the exchange lets us send nothing. Its time is
    ``offset_ms`` ahead of ours, known to ``offset_error_ms`` either way.
    """

    market_stream: bool = False
    user_stream: bool = False
    database: bool = False
    weight_used: int = 0
    weight_limit: int = 0
    requests_waiting: int = 0
    closed_for_s: float = 0.0
    offset_ms: int = 0
    offset_error_ms: int = 0


class LogLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the log; ``topic`` is bar, desk, exec, feed, risk, mode, data or engine.

    ``tone`` is one of text, up, down, ask, info: what it means, not how it looks.
    """

    at_ms: int
    topic: str
    text: str
    tone: str = "text"


class State(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a watcher may see, at one moment.

    ``phase`` is starting, running or stopping; ``progress`` says in words what a start is
    doing. ``pace`` is None where market time is wall time. ``deciding`` says that the demo
    has slowed down for the operator. Charts are keyed "SYMBOL interval". ``history``
    is None once no history is being fetched.
    """

    venue: str
    version: str
    model_version: str
    mode: Mode
    phase: str = "starting"
    progress: str = ""
    pace: Pace | None = None
    deciding: bool = False
    market_ms: int = 0
    symbols: tuple[str, ...] = ()
    gates: tuple[Gate, ...] = ()
    account: Account = Account()
    connection: Connection = Connection()
    history: BackfillProgress | None = None
    charts: dict[str, Chart] = {}
    quotes: dict[str, Quote] = {}
    predictions: dict[str, Prediction] = {}
    scores: tuple[MemberScore, ...] = ()
    proposals: tuple[Proposal, ...] = ()
    positions: tuple[PositionView, ...] = ()
    orders: tuple[OrderView, ...] = ()
    trades: tuple[Trade, ...] = ()
    log: tuple[LogLine, ...] = ()
