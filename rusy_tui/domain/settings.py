"""The configuration as plain frozen types: one section a part, a docstring a field.

These types only say what can be set. :mod:`rusy_tui.config` fills them from
``configuration.yaml`` and the environment and holds the constraints written here as
``annotated_types``; ``docs/configuration.md`` is generated from the docstrings.

Amounts and percentages that decide the size of an order are ``Decimal``. A percentage is
written as the operator says it: ``0.25`` is a quarter of one percent.
"""

import dataclasses
import datetime
import enum
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated

from annotated_types import Ge, Gt, Le, Lt, MinLen

from rusy_tui.domain.candle import Interval

Count = Annotated[int, Ge(1)]
Seconds = Annotated[float, Gt(0)]
Multiple = Annotated[float, Gt(0)]
Percent = Annotated[Decimal, Gt(0), Le(100)]
EquityPercent = Annotated[Decimal, Gt(0), Le(2500)]
Amount = Annotated[Decimal, Gt(0)]
Port = Annotated[int, Ge(1024), Le(65535)]
Text = Annotated[str, MinLen(1)]


class Venue(enum.StrEnum):
    """Where orders go and where the market comes from."""

    DEMO = "demo"
    PAPER = "paper"
    TESTNET = "testnet"
    LIVE = "live"

    @property
    def simulated(self) -> bool:
        """True where the account is simulated and no real order can be sent."""
        return self in (Venue.DEMO, Venue.PAPER)


class Mode(enum.StrEnum):
    """Who turns a proposal into a trade."""

    MANUAL = "manual"
    APPROVE = "approve"
    AUTO = "auto"


class LogLevel(enum.StrEnum):
    """The least severe entry that is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeframe:
    """One timeframe of a pair."""

    interval: Interval
    """The span of its candles: `15m` carries the decisions, `1h` is their context."""


def _both_timeframes() -> tuple[Timeframe, ...]:
    return (Timeframe(interval=Interval.M15), Timeframe(interval=Interval.H1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One contract that is watched and traded."""

    symbol: Text
    """The contract's name on the exchange, in capitals: `BTCUSDT`."""

    contract_type: str = "PERPETUAL"
    """The kind of contract. Only `PERPETUAL` is traded."""

    timeframes: Annotated[tuple[Timeframe, ...], MinLen(1)] = dataclasses.field(
        default_factory=_both_timeframes
    )
    """The timeframes kept for this pair; the ensemble needs `15m` and `1h`."""

    @property
    def intervals(self) -> tuple[Interval, ...]:
        """The intervals of the timeframes, in the order written."""
        return tuple(timeframe.interval for timeframe in self.timeframes)


def _default_pairs() -> tuple[Pair, ...]:
    return (Pair(symbol="BTCUSDT"),)


class DataSource(enum.StrEnum):
    """Where an engine's closed bars come from."""

    EXCHANGE = "exchange"
    DATABASE = "database"


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSettings:
    """Which candles are kept, how far back, and who collects them."""

    source: DataSource = DataSource.EXCHANGE
    """`exchange`: the engine collects its bars itself. `database`: `rusy collect` does, here
    or on another machine, and the engine takes closed bars from the database it writes to."""

    lookback_days: Count = 3000
    """Days of history that a full backfill asks for. The earliest useful start is 2019-09,
    when the exchange's perpetual futures opened; asking for more costs nothing. `rusy demo`
    has 30 unless a file says otherwise."""

    keep_days: Annotated[int, Ge(16)] | None = None
    """Market data older than this is removed, once a day; unset: kept for ever. Models need
    352 hours of it to begin with, so 16 days at least."""

    pairs: Annotated[tuple[Pair, ...], MinLen(1)] = dataclasses.field(
        default_factory=_default_pairs
    )
    """The contracts that are watched and traded, the first one shown first."""

    @property
    def history_days(self) -> int:
        """Days of history that are asked for: none that would be removed again."""
        return min(self.lookback_days, self.keep_days or self.lookback_days)

    @property
    def symbols(self) -> tuple[str, ...]:
        """The pairs' symbols, in the order written."""
        return tuple(pair.symbol for pair in self.pairs)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeSettings:
    """Which exchange is talked to, and how patiently."""

    venue: Venue = Venue.DEMO
    """`demo`: simulated market and account. `paper`: live public market data, simulated
    account. `testnet`: the exchange's test network. `live`: real money."""

    rest_url: Text | None = None
    """Base address of the REST interface; unset: the venue's own. In paper: of the exchange
    whose market is mirrored."""

    ws_url: Text | None = None
    """Base address of the streams; unset: the venue's own. In paper: of the exchange whose
    market is mirrored."""

    sapi_url: Text | None = None
    """Base address of the interface that tells what the API key may do
    (`https://api.binance.com`); unset: the venue's own. The test network has none, so there it
    is not known whether the key may withdraw."""

    recv_window_ms: Annotated[int, Ge(100), Le(60_000)] = 5000
    """How long after its timestamp a signed request stays valid, milliseconds of exchange
    time. Protective stops always use 1000."""

    request_timeout_s: Seconds = 10.0
    """How long a reply is waited for, seconds of wall time. An order whose reply did not come
    is *unresolved* and asked about, never sent again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseSettings:
    """Where candles, predictions, orders and the journal are kept."""

    # An address from the environment may hold a password.
    url: Text | None = dataclasses.field(default=None, repr=False)
    """A PostgreSQL address, `postgresql://user@host:5432/rusy`; unset: an embedded server
    that Rusy starts and stops. A password belongs in the environment
    (`RUSY_DATABASE__URL`) or in `~/.pgpass`."""

    directory: Text | None = None
    """Where the embedded server keeps its files; unset: Rusy's own data directory. Without
    effect when `database.url` is set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnsembleSettings:
    """Which networks vote, and how sure they must be."""

    model: Text | None = None
    """A model version, or a path to a folder with a manifest; unset: the shipped version."""

    long_probability: Annotated[float, Ge(0.5), Lt(1)] | None = None
    """A proposal to buy needs at least this probability of a rise; unset: the threshold in
    the model's manifest, learned on validation data."""

    short_probability: Annotated[float, Gt(0), Le(0.5)] | None = None
    """A proposal to sell needs at most this probability of a rise; unset: the threshold in
    the model's manifest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategySettings:
    """How a score becomes a plan: entry, stop, target, time."""

    stop_atr: Multiple = 1.5
    """Distance of the protective stop from the entry, in ATR(14) of the 15m bars."""

    target_atr: Multiple = 3.0
    """Distance of the target from the entry, in ATR(14) of the 15m bars."""

    hold_bars: Count = 8
    """A position is closed after this many 15m bars if neither stop nor target was hit."""

    min_reward_risk: Annotated[float, Ge(0)] = 1.0
    """No proposal when expected reward over risk, both after costs, is below this."""

    entry_tries: Annotated[int, Ge(1), Le(20)] = 3
    """How often a post-only entry is placed at the edge of the book before it is given up."""

    entry_chase_bps: Annotated[Decimal, Ge(0), Le(100)] = Decimal("5")
    """How far later tries may follow the price from the card's entry, in basis points. Size
    and risk are worked out from that worst price."""

    entry_timeout_s: Seconds = 180.0
    """How long one such try rests before it is re-quoted, seconds of market time."""

    opposite_signal_exit: bool = True
    """Close a position when the ensemble proposes the other side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskSettings:
    """Limits that hold over what is open and what pends, in every mode."""

    risk_per_trade_percent: Percent = Decimal("0.25")
    """What a trade may lose at its stop, costs included, in percent of equity."""

    max_exposure_percent: EquityPercent = Decimal("150")
    """Notional of all positions and pending entries together, in percent of equity."""

    max_exposure_per_symbol_percent: EquityPercent = Decimal("60")
    """Notional in one symbol, in percent of equity."""

    max_exposure_usd: Amount | None = None
    """Notional of all positions and pending entries together, in USDT; unset: only the
    percentage holds. Where both are set, the smaller one holds."""

    leverage: Annotated[int, Ge(1), Le(25)] = 3
    """Leverage set on the exchange for each pair, with isolated margin."""

    max_daily_loss_percent: Percent = Decimal("2")
    """Loss of a UTC day, realised and open, in percent of the equity it began with. When it
    is reached, entries are *halted* until someone resumes."""

    max_open_trades: Count = 3
    """Trades that may be open or entering at the same time."""

    min_liquidation_distance_percent: Percent = Decimal("5")
    """The stop must lie at least this far from the liquidation price, in percent of the
    entry price."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalSettings:
    """How long and how far a card stays good."""

    seconds: Seconds = 90.0
    """How long a proposal can be approved, seconds of wall time."""

    max_drift_bps: Annotated[Decimal, Gt(0), Le(1000)] = Decimal("15")
    """How far price may have moved from the card's entry when it is approved, in basis
    points (hundredths of a percent)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskSettings:
    """What becomes of proposals at start."""

    mode: Mode = Mode.APPROVE
    """`manual`: a proposal is advice. `approve`: it becomes a trade when the operator
    approves it in time. `auto`: policy approves it within the limits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkSettings:
    """How consoles and commands reach a running engine."""

    socket: Text | None = None
    """Path of the engine's Unix socket; unset: in the user's runtime directory. Its folder
    must be private to the user, and the path at most 100 bytes long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitoringSettings:
    """What the engine tells about itself."""

    log_level: LogLevel = LogLevel.INFO
    """The least severe entry that is logged."""

    metrics: bool = False
    """Serve Prometheus metrics over HTTP."""

    metrics_address: Text = "127.0.0.1"
    """The one address metrics are served on. All addresses at once is refused."""

    metrics_port: Port = 9109
    """The TCP port metrics are served on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoSettings:
    """The simulated market and account of `rusy demo`."""

    seed: Annotated[int, Ge(0)] = 105
    """Which of the endless simulated markets is shown; equal seeds give equal markets."""

    start: datetime.datetime = datetime.datetime(2024, 3, 4, 8, tzinfo=datetime.UTC)
    """The moment of market time the demo begins at; UTC where no offset is written."""

    speed: Annotated[float, Gt(0), Le(3600)] = 60.0
    """Seconds of market time a second of wall time."""

    balance: Amount = Decimal("10000")
    """USDT in the simulated account at its start."""

    symbols: Annotated[tuple[Text, ...], MinLen(1)] = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
    """The simulated contracts, the first one shown first."""

    def __post_init__(self) -> None:
        # A moment without an offset would mean another one on every machine.
        if self.start.tzinfo is None:
            object.__setattr__(self, "start", self.start.replace(tzinfo=datetime.UTC))

    @property
    def start_ms(self) -> int:
        """The start in milliseconds since the epoch."""
        return round(self.start.timestamp() * 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The whole configuration, apart from secrets."""

    data: DataSettings = dataclasses.field(default_factory=DataSettings)
    """Which candles are kept, and how far back."""

    exchange: ExchangeSettings = dataclasses.field(default_factory=ExchangeSettings)
    """Which exchange is talked to."""

    database: DatabaseSettings = dataclasses.field(default_factory=DatabaseSettings)
    """Where everything is kept."""

    ensemble: EnsembleSettings = dataclasses.field(default_factory=EnsembleSettings)
    """Which networks vote."""

    strategy: StrategySettings = dataclasses.field(default_factory=StrategySettings)
    """How a score becomes a plan."""

    risk: RiskSettings = dataclasses.field(default_factory=RiskSettings)
    """Limits that hold in every mode."""

    approval: ApprovalSettings = dataclasses.field(default_factory=ApprovalSettings)
    """How long and how far a card stays good."""

    desk: DeskSettings = dataclasses.field(default_factory=DeskSettings)
    """What becomes of proposals at start."""

    link: LinkSettings = dataclasses.field(default_factory=LinkSettings)
    """How consoles and commands reach the engine."""

    monitoring: MonitoringSettings = dataclasses.field(default_factory=MonitoringSettings)
    """What the engine tells about itself."""

    demo: DemoSettings = dataclasses.field(default_factory=DemoSettings)
    """The simulated market of `rusy demo`."""
