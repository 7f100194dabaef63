"""Figures that a plan is worked out from."""

from collections.abc import Sequence
from decimal import Decimal

from rusy_tui.decide.holdings import Holding, Holdings
from rusy_tui.decide.strategy import NoPlan, work_out
from rusy_tui.domain.account import FeeRates
from rusy_tui.domain.candle import Interval
from rusy_tui.domain.instrument import Bracket, Instrument
from rusy_tui.domain.market import BookTop
from rusy_tui.domain.order import Side
from rusy_tui.domain.proposal import Plan
from rusy_tui.domain.settings import RiskSettings, StrategySettings
from rusy_tui.domain.signal import Prediction
from tests.execution.stage import BRACKETS, INSTRUMENT, book

FEES = FeeRates(maker=Decimal("0.0002"), taker=Decimal("0.0005"))
LIMITS = RiskSettings()
STRATEGY = StrategySettings()
BAR_MS = 1_749_999_600_000


def prediction(probability: float = 0.6, score: float = 0.2) -> Prediction:
    return Prediction(
        symbol="BTCUSDT",
        interval=Interval.M15,
        bar_open_ms=BAR_MS,
        model_version="test",
        members=(),
        score=score,
        probability=probability,
        large_move=0.3,
        flow_present=True,
    )


def holding(symbol: str = "ETHUSDT", notional: str = "1000", risk: str = "10") -> Holding:
    return Holding(
        symbol=symbol,
        side=Side.BUY,
        notional_usd=Decimal(notional),
        risk_usd=Decimal(risk),
    )


def holdings(
    *held: Holding,
    equity: str = "10000",
    day_pnl: str = "0",
    foreign: tuple[str, ...] = (),
    closed: tuple[str, ...] = (),
) -> Holdings:
    return Holdings(
        equity_usd=Decimal(equity),
        day_start_equity_usd=Decimal(10000),
        day_pnl_usd=Decimal(day_pnl),
        holdings=held,
        foreign=foreign,
        closed=dict.fromkeys(closed, "it is not trading"),
    )


def attempt(
    side: Side = Side.BUY,
    *,
    instrument: Instrument = INSTRUMENT,
    brackets: Sequence[Bracket] = BRACKETS,
    top: BookTop | None = None,
    atr: str = "1.3",
    held: Holdings | None = None,
    strategy: StrategySettings = STRATEGY,
    limits: RiskSettings = LIMITS,
    vote: Prediction | None = None,
) -> Plan | NoPlan:
    """Work a plan out with what is given, and ordinary figures for the rest."""
    return work_out(
        side,
        vote or prediction(),
        instrument=instrument,
        brackets=brackets,
        book=top or book(),
        atr=Decimal(atr),
        holdings=held or holdings(),
        fees=FEES,
        strategy=strategy,
        limits=limits,
    )


def planned(side: Side = Side.BUY, **given: object) -> Plan:
    """A plan, where one is expected."""
    made = attempt(side, **given)  # type: ignore[arg-type]
    assert isinstance(made, Plan), made
    return made


def denied(side: Side = Side.BUY, **given: object) -> NoPlan:
    """A refusal, where one is expected."""
    made = attempt(side, **given)  # type: ignore[arg-type]
    assert isinstance(made, NoPlan), made
    return made
