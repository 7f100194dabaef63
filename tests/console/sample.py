"""A market, an account and proposals made up once and for all, for pictures and tests."""

import itertools
import math
import random
from datetime import UTC, datetime
from decimal import Decimal

from msgspec.structs import replace

from rusy_tui.console.moment import Moment
from rusy_tui.domain.candle import Interval
from rusy_tui.domain.clock import Pace
from rusy_tui.domain.events import chart_key
from rusy_tui.domain.modes import Gate, Mode
from rusy_tui.domain.order import (
    OrderBook,
    OrderKind,
    OrderReport,
    OrderState,
    Side,
    TimeInForce,
)
from rusy_tui.domain.proposal import (
    Plan,
    PlannedEntry,
    PlannedTarget,
    Proposal,
    ProposalState,
    RiskVerdict,
    Verdict,
)
from rusy_tui.domain.signal import MemberVote, Prediction
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
from rusy_tui.domain.trade import ExitReason, Trade, TradeState

D = Decimal
MARKET_MS = round(datetime(2024, 5, 8, 14, 32, 7, tzinfo=UTC).timestamp() * 1000)
WALL_MS = round(datetime(2026, 1, 15, 9, 41, 20, tzinfo=UTC).timestamp() * 1000)
NOW = Moment(1000.0, WALL_MS)
MINUTE_MS = 60_000


def bars(seed: int, start: float, count: int, interval: Interval) -> tuple[ChartBar, ...]:
    """A walk with quiet and lively spells, ending at the bar before the forming one."""
    chance = random.Random(seed)
    first_ms = interval.floor(MARKET_MS) - count * interval.ms
    price, calm = start, 1.0
    made = []
    for place in range(count):
        calm = 0.9 * calm + 0.1 * math.exp(chance.gauss(0, 0.8))
        step = start * 0.0016 * calm * math.sqrt(interval.ms / Interval.M15.ms)
        close = price + chance.gauss(0.06, 1) * step
        high = max(price, close) + abs(chance.gauss(0, 0.5)) * step
        low = min(price, close) - abs(chance.gauss(0, 0.5)) * step
        volume = (abs(close - price) / step + chance.random()) * 130
        made.append(ChartBar(first_ms + place * interval.ms, price, high, low, close, volume))
        price = close
    return tuple(made)


def ema(values: list[float], span: int) -> tuple[float, ...]:
    """An exponential mean."""
    share, mean, means = 2 / (span + 1), values[0], []
    for value in values:
        mean += share * (value - mean)
        means.append(mean)
    return tuple(means)


def chart(symbol: str, seed: int, start: float, interval: Interval) -> Chart:
    """Closed bars, a forming one, and curves over them."""
    closed = bars(seed, start, 240, interval)
    closes = [bar.close for bar in closed]
    last = closed[-1]
    forming = ChartBar(
        last.open_time_ms + interval.ms,
        last.close,
        last.close * 1.0011,
        last.close * 0.9996,
        last.close * 1.0007,
        40.0,
    )
    moves = [later - earlier for earlier, later in itertools.pairwise(closes)]
    return Chart(
        symbol=symbol,
        interval=interval,
        bars=closed,
        forming=forming,
        indicators=Indicators(
            rsi14=tuple(50 + 18 * math.sin(place / 5) for place in range(60)),
            macd_histogram=tuple(moves[-60:]),
            atr14=tuple(bar.high - bar.low for bar in closed[-60:]),
            bollinger_z=tuple(2.3 * math.sin(place / 7) for place in range(60)),
            ema20=ema(closes, 20),
            ema200=ema(closes, 200),
        ),
    )


SYMBOLS = {
    "BTCUSDT": (11, 63_000.0, D("0.1")),
    "ETHUSDT": (5, 3_020.0, D("0.01")),
    "SOLUSDT": (9, 146.0, D("0.010")),
}
CHARTS = {
    chart_key(symbol, interval): chart(symbol, seed, start, interval)
    for symbol, (seed, start, _) in SYMBOLS.items()
    for interval in (Interval.M15, Interval.H1)
}


def quote(symbol: str) -> Quote:
    """Prices that agree with the chart."""
    tick = SYMBOLS[symbol][2]
    forming = CHARTS[chart_key(symbol, Interval.M15)].forming
    assert forming is not None
    last = D(str(forming.close)).quantize(tick.normalize())
    return Quote(
        symbol=symbol,
        tick_size=tick,
        last=last,
        bid=last - tick,
        ask=last,
        mark=last - 3 * tick,
        funding_rate=D("0.0001"),
        next_funding_ms=MARKET_MS + 87 * MINUTE_MS,
        day_change=0.0031 if symbol != "SOLUSDT" else -0.0122,
        event_ms=MARKET_MS,
        age_s=0.2,
    )


def prediction(symbol: str, probability: float) -> Prediction:
    """A vote of three."""
    lean = probability - 0.5
    return Prediction(
        symbol=symbol,
        interval=Interval.M15,
        bar_open_ms=Interval.M15.floor(MARKET_MS) - Interval.M15.ms,
        model_version="v1",
        members=(
            MemberVote(member="lstm", probability=0.5 + lean * 0.98, weight=0.38),
            MemberVote(member="cnn", probability=0.5 + lean * 0.45, weight=0.22),
            MemberVote(member="dnn", probability=0.5 + lean * 1.18, weight=0.40),
        ),
        score=2 * lean,
        probability=probability,
        large_move=0.31,
        flow_present=True,
    )


def proposal(
    number: int = 17, symbol: str = "BTCUSDT", side: Side = Side.BUY, vote: float = 0.562
) -> Proposal:
    """A plan at the last price, with a stop 1.5 and a target 2.5 ATR away."""
    tick = SYMBOLS[symbol][2].normalize()
    entry = quote(symbol).last
    atr = (entry * D("0.0041")).quantize(tick)
    stop, target = entry - side.sign * atr * D("1.5"), entry + side.sign * atr * D("2.5")
    stop, target = stop.quantize(tick), target.quantize(tick)
    quantity = (D(2580) / entry).quantize(D("0.001"))
    plan = Plan(
        symbol=symbol,
        side=side,
        entries=(
            PlannedEntry(
                quantity=quantity,
                price=entry,
                worst_price=(entry * (1 + side.sign * D("0.0005"))).quantize(tick),
                kind=OrderKind.LIMIT,
                time_in_force=TimeInForce.POST_ONLY,
            ),
        ),
        stop_price=stop,
        targets=(PlannedTarget(quantity=quantity, price=target),),
        quantity=quantity,
        notional_usd=(quantity * entry).quantize(D("0.01")),
        leverage=3,
        risk_usd=D("25.04"),
        risk_percent=D("0.25"),
        reward_risk=D("1.51"),
        expected_cost_usd=D("2.31"),
        expected_cost_bps=D("9.0"),
        liquidation_price=(entry * (1 - side.sign * D("0.328"))).quantize(tick),
        atr=atr,
        exposure_after_usd=D("6202.4"),
        exposure_limit_usd=D("15063.27"),
        premise_ends_ms=MARKET_MS + 13 * MINUTE_MS,
        time_exit_ms=MARKET_MS + 120 * MINUTE_MS,
        prediction=prediction(symbol, vote),
        verdicts=(
            RiskVerdict(rule="day loss", verdict=Verdict.ALLOW, figures="158.8 of 201.3 left"),
            RiskVerdict(rule="exposure", verdict=Verdict.ALLOW, figures="6,202 of 15,063 USDT"),
            RiskVerdict(
                rule="symbol exposure",
                verdict=Verdict.REDUCE,
                figures="size 0.048 → 0.041: 2,580 of 6,025 USDT with ETHUSDT",
            ),
            RiskVerdict(rule="open trades", verdict=Verdict.ALLOW, figures="2 of 3"),
            RiskVerdict(rule="leverage", verdict=Verdict.ALLOW, figures="3× of 3×"),
            RiskVerdict(
                rule="liquidation distance",
                verdict=Verdict.ALLOW,
                figures="32.2 %, least 5 %",
            ),
        ),
    )
    return Proposal(
        proposal_id=number,
        revision=plan.revision,
        plan=plan,
        state=ProposalState.PENDING,
        created_ms=MARKET_MS - 7000,
        expires_ms=MARKET_MS + 13 * MINUTE_MS,
        created_monotonic_s=NOW.monotonic_s - 19,
        wall_seconds=90.0,
    )


def trade(symbol: str = "ETHUSDT", state: TradeState = TradeState.OPEN) -> Trade:
    """A long trade that is open at a small gain."""
    last = quote(symbol).last
    entry = (last * D("0.9952")).quantize(D("0.01"))
    return Trade(
        trade_id="01HX3ZQ5",
        proposal_id=16,
        symbol=symbol,
        side=Side.BUY,
        state=state,
        planned_quantity=D("1.20"),
        planned_entry=entry,
        stop_price=(last * D("0.985")).quantize(D("0.01")),
        target_price=(last * D("1.018")).quantize(D("0.01")),
        risk_usd=D("25.10"),
        leverage=3,
        time_exit_ms=MARKET_MS + 60 * MINUTE_MS,
        created_ms=MARKET_MS - 14 * MINUTE_MS,
        entry_reason="vote 0.561",
        quantity=D("1.20"),
        entered_quantity=D("1.20"),
        entered_notional=entry * D("1.20"),
        fees=D("0.72"),
        opened_ms=MARKET_MS - 13 * MINUTE_MS,
        stop_order_id="rusy-s-01HX3ZQ5W8N5M2K7Q4V9D0JA81",
        target_order_id="rusy-t-01HX3ZQ5W8N5M2K7Q4V9D0JA82",
        seconds_to_stop=0.31,
    )


def closed_trade(symbol: str, pnl: str, reason: ExitReason) -> Trade:
    """A trade that ended."""
    open_trade = trade(symbol, TradeState.CLOSED)
    return replace(
        open_trade,
        trade_id=f"closed {symbol}",
        realised_pnl=D(pnl),
        quantity=D(0),
        exited_quantity=open_trade.entered_quantity,
        exit_reason=reason,
        closed_ms=MARKET_MS - 40 * MINUTE_MS,
    )


def position(of: Trade) -> PositionView:
    """The open position of a trade."""
    last = quote(of.symbol).last
    pnl = (last - of.entry_average) * of.quantity
    return PositionView(
        symbol=of.symbol,
        trade_id=of.trade_id,
        quantity=of.quantity,
        entry_price=of.entry_average,
        mark_price=last,
        unrealised_pnl=pnl,
        r_multiple=float(pnl / of.risk_usd),
        stop_price=of.stop_price,
        liquidation_price=D(0),
        protected_by="ja81",
        opened_ms=of.opened_ms,
    )


def orders(of: Trade) -> tuple[OrderView, ...]:
    """The resting stop and target of a trade."""
    made = []
    for purpose, order_id, price in (
        ("stop", of.stop_order_id, of.stop_price),
        ("target", of.target_order_id, of.target_price),
    ):
        report = OrderReport(
            client_order_id=order_id,
            exchange_order_id="8",
            symbol=of.symbol,
            book=OrderBook.CONDITIONAL,
            side=of.side.opposite,
            kind="stop_market",
            state=OrderState.NEW,
            quantity=of.quantity,
            filled_quantity=D(0),
            average_price=D(0),
            price=D(0),
            trigger_price=price,
            reduce_only=True,
            close_position=False,
            update_ms=MARKET_MS,
        )
        made.append(OrderView(report=report, purpose=purpose, book=OrderBook.CONDITIONAL))
    return tuple(made)


def log() -> tuple[LogLine, ...]:
    """Some lines, oldest first, one of each tone."""
    lines = (
        (45, "risk", "proposal 15 SHORT SOLUSDT refused: stop 2.4 % away, limit 2.0 %", "down"),
        (29, "feed", "market stream replaced before its 24 h; nothing missed", "info"),
        (14, "desk", "proposal 16 approved at console 1", "text"),
        (
            13,
            "exec",
            "ETHUSDT filled 1.20 of 1.20 as maker; stop #ja81 after 0.31 s",
            "up",
        ),
        (2, "bar", "BTCUSDT 15m closed, whole; vote 0.562 in 3.1 ms", "text"),
        (2, "desk", "proposal 17 LONG BTCUSDT, 90 s; size reduced 0.048 → 0.041", "ask"),
    )
    return tuple(
        LogLine(at_ms=MARKET_MS - ago * MINUTE_MS, topic=topic, text=text, tone=tone)
        for ago, topic, text, tone in lines
    )


def starting(venue: str = "demo") -> State:
    """An engine that has just begun."""
    return State(
        venue=venue,
        version="0.1",
        model_version="",
        mode=Mode.APPROVE,
        phase="starting",
        progress="the database opens",
        pace=Pace(MARKET_MS, NOW.monotonic_s, 60.0),
        market_ms=MARKET_MS,
    )


def watching(venue: str = "demo") -> State:
    """All is well and nothing waits."""
    return replace(
        starting(venue),
        phase="running",
        progress="",
        model_version="v1",
        pace=Pace(MARKET_MS, NOW.monotonic_s, 60.0) if venue == "demo" else None,
        symbols=tuple(SYMBOLS),
        account=Account(
            equity=D("10042.18"),
            wallet=D("10009.48"),
            available=D("9013.77"),
            day_pnl=D("42.18"),
            day_loss_left=D("158.82"),
            day_loss_limit=D("201"),
            exposure=D("3622.5"),
            exposure_limit=D("15063.27"),
        ),
        connection=Connection(market_stream=True, user_stream=True, database=True),
        charts=CHARTS,
        quotes={symbol: quote(symbol) for symbol in SYMBOLS},
        predictions={
            "BTCUSDT": prediction("BTCUSDT", 0.562),
            "ETHUSDT": prediction("ETHUSDT", 0.459),
            "SOLUSDT": prediction("SOLUSDT", 0.556),
        },
        scores=(
            MemberScore(member="lstm", hits=0.534, brier=0.248, scored=412),
            MemberScore(member="cnn", hits=0.521, brier=0.249, scored=412),
            MemberScore(member="dnn", hits=0.539, brier=0.247, scored=412),
            MemberScore(member="ensemble", hits=0.541, brier=0.247, scored=412),
        ),
        log=log()[:-1],
    )


def holding(venue: str = "demo") -> State:
    """One position is open and protected, two trades have ended."""
    running = trade()
    ended = (
        closed_trade("SOLUSDT", "38.20", ExitReason.TARGET),
        closed_trade("BTCUSDT", "-24.61", ExitReason.STOP),
    )
    return replace(
        watching(venue),
        positions=(position(running),),
        orders=orders(running),
        trades=(*ended, running),
    )


def deciding(venue: str = "demo") -> State:
    """A card waits beside an open position, and two more behind it."""
    state = holding(venue)
    pace = Pace(MARKET_MS, NOW.monotonic_s, 1.0) if venue == "demo" else None
    return replace(
        state,
        pace=pace,
        deciding=pace is not None,
        proposals=(
            proposal(),
            proposal(18, "ETHUSDT", Side.SELL, 0.459),
            proposal(19, "SOLUSDT", Side.BUY, 0.556),
        ),
        log=log(),
    )


def halted(venue: str = "demo") -> State:
    """The operator has halted."""
    gate = Gate(
        name="operator",
        why="halted at the console",
        opens="press H",
        halted=True,
        since_ms=MARKET_MS - MINUTE_MS,
    )
    return replace(holding(venue), gates=(gate,))
