"""Tells watchers what happens: the one place that publishes events."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

import msgspec
import structlog

from rusy_tui import readmodel
from rusy_tui.decide.holdings import Holdings
from rusy_tui.domain.account import ExchangeStatus
from rusy_tui.domain.bars import Bars
from rusy_tui.domain.candle import Candle, Interval
from rusy_tui.domain.clock import Clock, Pace
from rusy_tui.domain.events import (
    BarClosed,
    CandleMoved,
    ChartLoaded,
    ConnectionChanged,
    Event,
    GatesChanged,
    HistoryMoved,
    HoldingsChanged,
    Logged,
    PaceChanged,
    PhaseChanged,
    Predicted,
    ProposalChanged,
    QuoteMoved,
    TradeChanged,
    chart_key,
)
from rusy_tui.domain.history import BackfillProgress
from rusy_tui.domain.instrument import Bracket, Instrument
from rusy_tui.domain.modes import Gate, Mode
from rusy_tui.domain.order import OrderReport
from rusy_tui.domain.proposal import Proposal
from rusy_tui.domain.settings import RiskSettings
from rusy_tui.domain.signal import Prediction
from rusy_tui.domain.state import Connection, LogLine, Quote
from rusy_tui.domain.trade import Trade
from rusy_tui.ensemble.scoreboard import Scoreboard
from rusy_tui.execution.book import AccountBook
from rusy_tui.execution.life import Life
from rusy_tui.link.hub import Publisher

log = structlog.get_logger("engine")

_BARS_A_DAY = 96


class Teller:
    """Makes events of what the engine's parts know, and publishes them.

    Args:
        publisher: holds the state and the watchers.
        clock: stamps log lines with market time.
        symbols: traded.
        model_version: that votes.
        limits: of risk, shown beside the money.
    """

    def __init__(
        self,
        publisher: Publisher,
        clock: Clock,
        symbols: tuple[str, ...],
        model_version: str,
        limits: RiskSettings,
    ) -> None:
        self._publisher = publisher
        self._clock = clock
        self._symbols = symbols
        self._model_version = model_version
        self._limits = limits
        self._connection = Connection(database=True)
        self._last_trades: dict[str, Decimal] = {}

    def phase(self, phase: str, progress: str = "") -> None:
        """The engine starts, runs or stops."""
        self._publish(PhaseChanged(phase, progress))

    def say(self, topic: str, text: str, tone: str = "text") -> None:
        """A line for the log, on screen and in the file."""
        line = LogLine(at_ms=self._clock.market_ms(), topic=topic, text=text, tone=tone)
        self._publish(Logged(line))
        log.info(text, topic=topic)

    def gates(self, mode: Mode, closed: tuple[Gate, ...]) -> None:
        """Mode and closed gates."""
        self._publish(GatesChanged(mode, closed))

    def proposal(self, proposal: Proposal) -> None:
        """A proposal was made or decided."""
        self._publish(ProposalChanged(proposal))
        plan = proposal.plan
        name = f"proposal {proposal.proposal_id} {plan.side.direction.upper()} {plan.symbol}"
        if proposal.decided_ms is None:
            self.say("desk", f"{name}, {proposal.wall_seconds:.0f} s to decide", "ask")
        else:
            by = f" by {proposal.decided_by}" if proposal.decided_by else ""
            why = f": {proposal.reason}" if proposal.reason else ""
            self.say("desk", f"{name} {proposal.state}{by}{why}")

    def trade(self, trade: Trade) -> None:
        """A trade moved in its life."""
        self._publish(TradeChanged(trade))

    def holdings(
        self,
        book: AccountBook,
        lives: Mapping[str, Life],
        brackets: Mapping[str, Sequence[Bracket]],
        open_orders: Iterable[OrderReport],
        holdings: Holdings,
    ) -> None:
        """Positions, orders and money."""
        self._publish(
            HoldingsChanged(
                readmodel.positions(book, lives, brackets),
                readmodel.orders(open_orders),
                readmodel.account(book, holdings, self._limits),
            )
        )

    def connected(self, **changed: bool) -> None:
        """A connection came or went: ``market_stream``, ``user_stream``, ``database``."""
        self._connection = msgspec.structs.replace(self._connection, **changed)
        self._publish(ConnectionChanged(self._connection, self._symbols, self._model_version))

    def exchange(self, status: ExchangeStatus) -> None:
        """How much of the request budget is used, and how well exchange time is known."""
        changed = msgspec.structs.replace(
            self._connection,
            weight_used=status.weight_used,
            weight_limit=status.weight_limit,
            requests_waiting=status.waiting,
            closed_for_s=round(status.closed_for_s, 1),
            offset_ms=status.offset_ms,
            offset_error_ms=status.offset_error_ms,
        )
        if changed != self._connection:
            self._connection = changed
            self._publish(ConnectionChanged(changed, self._symbols, self._model_version))

    def history(self, progress: BackfillProgress | None) -> None:
        """How far history is; None, or a whole one: none is being fetched."""
        now = progress if progress is not None and not progress.whole else None
        if now != self._publisher.state.history:
            self._publish(HistoryMoved(now))

    def pace(self, pace: Pace, deciding: bool) -> None:
        """The demo runs at another pace."""
        self._publish(PaceChanged(pace, deciding))

    def chart(self, symbol: str, bars: Bars) -> None:
        """A chart was filled."""
        self._publish(ChartLoaded(readmodel.chart(symbol, bars)))

    def candle(self, candle: Candle) -> None:
        """The forming bar moved."""
        bar = readmodel.chart_bar(candle)
        self._publish(CandleMoved(candle.symbol, str(candle.interval), bar))

    def bar(self, candle: Candle, window: Bars) -> None:
        """A bar closed; ``window`` ends with it, and fills a chart that lacks some before."""
        known = self._publisher.state.charts.get(chart_key(candle.symbol, candle.interval))
        follows_ms = candle.open_time_ms - candle.interval.ms
        if known is None or not known.bars or known.bars[-1].open_time_ms < follows_ms:
            self.chart(candle.symbol, window)
        bar, curves = readmodel.chart_bar(candle), readmodel.indicators(window)
        self._publish(BarClosed(candle.symbol, str(candle.interval), bar, curves))

    def prediction(self, prediction: Prediction, scoreboard: Scoreboard) -> None:
        """The ensemble voted."""
        self._publish(Predicted(prediction, readmodel.member_scores(scoreboard)))

    def traded(self, symbol: str, price: Decimal) -> None:
        """Remember the last price of a symbol."""
        self._last_trades[symbol] = price

    def quote(
        self, instrument: Instrument, book: AccountBook, event_ms: int, age_s: float
    ) -> None:
        """Prices of a symbol moved; nothing is told before all of them are known."""
        symbol = instrument.symbol
        top, mark = book.tops.get(symbol), book.marks.get(symbol)
        if top is None or mark is None:
            return
        last = self._last_trades.get(symbol, top.mid)
        quote = Quote(
            symbol=symbol,
            tick_size=instrument.tick_size,
            last=last,
            bid=top.bid,
            ask=top.ask,
            mark=mark.price,
            funding_rate=mark.funding_rate,
            next_funding_ms=mark.next_funding_ms,
            day_change=self._day_change(symbol, last),
            event_ms=event_ms,
            age_s=age_s,
        )
        self._publish(QuoteMoved(quote, self._clock.market_ms()))

    def _day_change(self, symbol: str, last: Decimal) -> float:
        """The change over the last day of closed 15m bars, a fraction; 0 without a day."""
        chart = self._publisher.state.charts.get(chart_key(symbol, Interval.M15))
        if chart is None or len(chart.bars) < _BARS_A_DAY:
            return 0.0
        return float(last) / chart.bars[-_BARS_A_DAY].open - 1

    def _publish(self, event: Event) -> None:
        self._publisher.publish(event)
