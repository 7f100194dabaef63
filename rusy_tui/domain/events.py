"""What a watcher is told, and how each event changes its copy of the state.

Market data may be conflated on the way to a slow watcher (the latest wins, by
:func:`conflation_key`); everything else is delivered in order or the watcher is given a
fresh snapshot.
"""

import msgspec

from rusy_tui.domain.clock import Pace
from rusy_tui.domain.history import BackfillProgress
from rusy_tui.domain.modes import Gate, Mode
from rusy_tui.domain.proposal import Proposal, ProposalState
from rusy_tui.domain.signal import Prediction
from rusy_tui.domain.state import (
    Account,
    Chart,
    ChartBar,
    Connection,
    Indicators,
    LogLine,
    MemberScore,
    OrderView,
    PositionView,
    Quote,
    State,
)
from rusy_tui.domain.trade import Trade

CHART_BARS = 400
LOG_LINES = 200
CLOSED_TRADES = 50


class Snapshot(msgspec.Struct, frozen=True, tag=True):
    """The whole state: the first event of every watcher."""

    state: State


class PhaseChanged(msgspec.Struct, frozen=True, tag=True):
    """The engine starts, runs or stops; ``progress`` says what it is doing."""

    phase: str
    progress: str


class QuoteMoved(msgspec.Struct, frozen=True, tag=True):
    """Prices of a symbol moved."""

    quote: Quote
    market_ms: int


class CandleMoved(msgspec.Struct, frozen=True, tag=True):
    """The forming bar of a chart moved."""

    symbol: str
    interval: str
    bar: ChartBar


class BarClosed(msgspec.Struct, frozen=True, tag=True):
    """A bar ended and is stored; indicators are those after it."""

    symbol: str
    interval: str
    bar: ChartBar
    indicators: Indicators


class ChartLoaded(msgspec.Struct, frozen=True, tag=True):
    """A chart was filled, or filled again after a gap."""

    chart: Chart


class Predicted(msgspec.Struct, frozen=True, tag=True):
    """The ensemble scored a closed bar."""

    prediction: Prediction
    scores: tuple[MemberScore, ...]


class ProposalChanged(msgspec.Struct, frozen=True, tag=True):
    """A proposal was made or decided."""

    proposal: Proposal


class TradeChanged(msgspec.Struct, frozen=True, tag=True):
    """A trade moved in its life."""

    trade: Trade


class HoldingsChanged(msgspec.Struct, frozen=True, tag=True):
    """Positions, open orders and money, after any of them moved."""

    positions: tuple[PositionView, ...]
    orders: tuple[OrderView, ...]
    account: Account


class GatesChanged(msgspec.Struct, frozen=True, tag=True):
    """Mode or gates changed."""

    mode: Mode
    gates: tuple[Gate, ...]


class ConnectionChanged(msgspec.Struct, frozen=True, tag=True):
    """The quality of a connection changed."""

    connection: Connection
    symbols: tuple[str, ...]
    model_version: str


class HistoryMoved(msgspec.Struct, frozen=True, tag=True):
    """History is being fetched, and is so far; None: no more."""

    history: BackfillProgress | None


class PaceChanged(msgspec.Struct, frozen=True, tag=True):
    """The demo's market runs at another pace from the pace's anchor on."""

    pace: Pace
    deciding: bool


class Logged(msgspec.Struct, frozen=True, tag=True):
    """A line for the log."""

    line: LogLine


Event = (
    Snapshot
    | PhaseChanged
    | QuoteMoved
    | CandleMoved
    | BarClosed
    | ChartLoaded
    | Predicted
    | ProposalChanged
    | TradeChanged
    | HoldingsChanged
    | GatesChanged
    | ConnectionChanged
    | HistoryMoved
    | PaceChanged
    | Logged
)


def chart_key(symbol: str, interval: str) -> str:
    """The key of a chart within :attr:`State.charts`."""
    return f"{symbol} {interval}"


def conflation_key(event: Event) -> str | None:
    """What a later event of the same key replaces; None for events that must all arrive."""
    match event:
        case QuoteMoved(quote=quote):
            return f"quote {quote.symbol}"
        case CandleMoved(symbol=symbol, interval=interval):
            return f"candle {symbol} {interval}"
        case HoldingsChanged():
            return "holdings"
        case HistoryMoved():
            return "history"
        case _:
            return None


def apply(state: State, event: Event) -> State:
    """The state after an event; both the engine and its watchers use this."""
    replace = msgspec.structs.replace
    match event:
        case Snapshot(state=whole):
            return whole
        case PhaseChanged(phase=phase, progress=progress):
            return replace(state, phase=phase, progress=progress)
        case QuoteMoved(quote=quote, market_ms=market_ms):
            quotes = {**state.quotes, quote.symbol: quote}
            return replace(state, quotes=quotes, market_ms=market_ms)
        case CandleMoved() | BarClosed() | ChartLoaded():
            return replace(state, charts=_charts_after(state.charts, event))
        case Predicted(prediction=prediction, scores=scores):
            predictions = {**state.predictions, prediction.symbol: prediction}
            return replace(state, predictions=predictions, scores=scores)
        case ProposalChanged(proposal=proposal):
            return replace(state, proposals=_proposals_after(state.proposals, proposal))
        case TradeChanged(trade=trade):
            return replace(state, trades=_trades_after(state.trades, trade))
        case HoldingsChanged(positions=positions, orders=orders, account=account):
            return replace(state, positions=positions, orders=orders, account=account)
        case GatesChanged(mode=mode, gates=gates):
            return replace(state, mode=mode, gates=gates)
        case ConnectionChanged(connection=connection, symbols=symbols, model_version=model):
            return replace(state, connection=connection, symbols=symbols, model_version=model)
        case HistoryMoved(history=history):
            return replace(state, history=history)
        case PaceChanged(pace=pace, deciding=deciding):
            return replace(state, pace=pace, deciding=deciding)
        case Logged(line=line):
            return replace(state, log=(*state.log, line)[-LOG_LINES:])


def _charts_after(
    charts: dict[str, Chart], event: CandleMoved | BarClosed | ChartLoaded
) -> dict[str, Chart]:
    if isinstance(event, ChartLoaded):
        return {**charts, chart_key(event.chart.symbol, event.chart.interval): event.chart}
    key = chart_key(event.symbol, event.interval)
    chart = charts.get(key) or Chart(symbol=event.symbol, interval=event.interval)
    if isinstance(event, CandleMoved):
        if chart.bars and event.bar.open_time_ms <= chart.bars[-1].open_time_ms:
            return charts  # a late or repeated event of a bar that has closed
        return {**charts, key: msgspec.structs.replace(chart, forming=event.bar)}
    bars = tuple(bar for bar in chart.bars if bar.open_time_ms < event.bar.open_time_ms)
    forming = chart.forming
    if forming is not None and forming.open_time_ms <= event.bar.open_time_ms:
        forming = None
    changed = msgspec.structs.replace(
        chart,
        bars=(*bars, event.bar)[-CHART_BARS:],
        forming=forming,
        indicators=event.indicators,
    )
    return {**charts, key: changed}


def _proposals_after(
    proposals: tuple[Proposal, ...], changed: Proposal
) -> tuple[Proposal, ...]:
    others = tuple(p for p in proposals if p.proposal_id != changed.proposal_id)
    if changed.state is not ProposalState.PENDING:
        return others
    return tuple(sorted((*others, changed), key=lambda p: p.proposal_id))


def _trades_after(trades: tuple[Trade, ...], changed: Trade) -> tuple[Trade, ...]:
    others = tuple(trade for trade in trades if trade.trade_id != changed.trade_id)
    return (*others, changed)[-CLOSED_TRADES:]
