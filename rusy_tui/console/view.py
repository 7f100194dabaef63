"""What panels are given to draw: the state, the moment, and what the operator looks at."""

from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from decimal import Decimal

from rusy_tui.console.arming import Armed
from rusy_tui.console.format import tick_decimals
from rusy_tui.console.moment import Moment
from rusy_tui.domain.candle import Interval
from rusy_tui.domain.events import chart_key
from rusy_tui.domain.proposal import Proposal
from rusy_tui.domain.signal import Prediction
from rusy_tui.domain.state import Chart, LogLine, PositionView, Quote, State
from rusy_tui.domain.trade import Trade

TOPICS = ("", "desk", "exec", "risk", "bar", "feed", "mode", "data", "engine")


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which lines of the log are shown: those of a topic ("" for all) with some words."""

    topic: str = ""
    words: str = ""

    def lets_through(self, line: LogLine) -> bool:
        """Whether a line is shown."""
        if self.topic and line.topic != self.topic:
            return False
        text = f"{line.topic} {line.text}".lower()
        return all(word in text for word in self.words.lower().split())


@dataclass(frozen=True, slots=True)
class Notice:
    """A short word to the operator that goes by itself; ``tone`` is a colour token."""

    text: str
    tone: str
    until_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One moment of the console, whole: panels draw from this and from nothing else.

    ``state`` is None before the first snapshot. ``feed_age_s`` is how old the newest message
    of the shown pair is. ``seconds_left`` maps each pending proposal to the wall seconds the
    operator has for it. ``lost`` says why the engine is gone, "" while it is there.
    ``sending`` is the proposal whose approval is under way.
    """

    title: str
    moment: Moment
    state: State | None = None
    zone: tzinfo | None = UTC
    market_ms: int = 0
    symbol: str = ""
    interval: str = Interval.M15
    feed_age_s: float = 0.0
    card: Proposal | None = None
    card_open: bool = False
    seconds_left: dict[int, float] = field(default_factory=dict)
    armed: Armed | None = None
    sending: int | None = None
    notice: Notice | None = None
    log_filter: LogFilter = LogFilter()
    progress: str = ""
    lost: str = ""

    @property
    def shows_card(self) -> bool:
        """Whether the card's pane is on the screen."""
        return self.card_open and self.card is not None

    @property
    def quote(self) -> Quote | None:
        """The prices of the shown pair."""
        return self.state.quotes.get(self.symbol) if self.state else None

    @property
    def chart(self) -> Chart | None:
        """The shown chart."""
        return self.chart_of(self.interval)

    def chart_of(self, interval: str) -> Chart | None:
        """A chart of the shown pair."""
        if self.state is None:
            return None
        return self.state.charts.get(chart_key(self.symbol, interval))

    @property
    def prediction(self) -> Prediction | None:
        """The newest vote on the shown pair."""
        return self.state.predictions.get(self.symbol) if self.state else None

    @property
    def position(self) -> PositionView | None:
        """The open position in the shown pair."""
        if self.state is None:
            return None
        return next((p for p in self.state.positions if p.symbol == self.symbol), None)

    @property
    def trade(self) -> Trade | None:
        """The trade that lives in the shown pair."""
        return self.trade_in(self.symbol)

    def trade_in(self, symbol: str) -> Trade | None:
        """The trade that lives in a pair."""
        if self.state is None:
            return None
        trades = (t for t in self.state.trades if t.symbol == symbol and not t.state.is_final)
        return next(trades, None)

    def decimals(self, symbol: str, sample: Decimal | None = None) -> int:
        """How many decimals a price of a pair has: by its tick, else as the sample has."""
        quote = self.state.quotes.get(symbol) if self.state else None
        if quote is not None:
            return tick_decimals(quote.tick_size)
        return 2 if sample is None else min(8, tick_decimals(sample))

    def closes_in_s(self, interval: Interval) -> float:
        """Market seconds until the forming bar of an interval closes."""
        return (interval.floor(self.market_ms) + interval.ms - self.market_ms) / 1000
