"""From a prediction to a plan: side, entry, stop, target, size, and all that it risks."""

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from rusy_tui.decide.costs import bracket_of, liquidation_price, round_trip_cost_usd
from rusy_tui.decide.holdings import Holdings
from rusy_tui.decide.risk import (
    exposure_limit_usd,
    first_denial,
    judge,
    symbol_limit_usd,
)
from rusy_tui.decide.sizing import HUNDRED, loss_per_unit, size_for_risk
from rusy_tui.domain.account import FeeRates
from rusy_tui.domain.candle import Interval
from rusy_tui.domain.instrument import Bracket, Instrument
from rusy_tui.domain.market import BookTop
from rusy_tui.domain.money import ZERO
from rusy_tui.domain.order import OrderKind, Side, TimeInForce
from rusy_tui.domain.proposal import (
    Plan,
    PlannedEntry,
    PlannedTarget,
    RiskVerdict,
    Verdict,
)
from rusy_tui.domain.settings import RiskSettings, StrategySettings
from rusy_tui.domain.signal import Prediction

_BPS = Decimal(10_000)
# A card is judged again when it is approved, against the equity of that moment. Sized to the
# very limit, the fee of another trade's fill would be enough to refuse it.
HEADROOM = Decimal("0.98")


class Thresholds(msgspec.Struct, frozen=True, kw_only=True):
    """How sure the vote must be: P(up) at or above ``long``, at or below ``short``."""

    long: float
    short: float


class NoPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Why no plan came of a vote that passed its threshold; ``rule`` is the one that denied."""

    rule: str
    figures: str
    verdicts: tuple[RiskVerdict, ...] = ()


def side_of(prediction: Prediction, thresholds: Thresholds) -> Side | None:
    """Which way the vote wants to trade; None when it is not sure enough."""
    if prediction.probability >= thresholds.long:
        return Side.BUY
    if prediction.probability <= thresholds.short:
        return Side.SELL
    return None


def work_out(
    side: Side,
    prediction: Prediction,
    *,
    instrument: Instrument,
    brackets: Sequence[Bracket],
    book: BookTop,
    atr: Decimal,
    holdings: Holdings,
    fees: FeeRates,
    strategy: StrategySettings,
    limits: RiskSettings,
) -> Plan | NoPlan:
    """A whole plan for a side, or the rule that stands against it.

    The entry rests at the near side of the book; later tries may follow the price by
    ``strategy.entry_chase_bps``, and size and risk are worked out from that worst price.

    Args:
        side: to trade.
        prediction: the vote behind it; its bar says when the premise began.
        instrument: filters that every price and quantity is fitted to.
        brackets: of the contract, ascending: leverage allowed and margin to keep by size.
        book: best bid and ask now.
        atr: ATR(14) of the 15m bars, in the quote asset.
        holdings: what is open and pends, without this one.
        fees: fractions of notional.
        strategy: distances in ATR, bars to hold, least reward over risk.
        limits: of risk.
    """
    if atr <= ZERO or book.bid <= ZERO:
        return NoPlan(rule="data", figures=f"ATR {atr}, bid {book.bid}")
    # Right after a tick has changed the book still has prices of the former one.
    near = _toward(instrument, book.bid if side is Side.BUY else book.ask, side.opposite)
    chase = near * strategy.entry_chase_bps / _BPS * side.sign
    worst = _toward(instrument, near + chase, side.opposite)
    stop = _toward(instrument, near - _times(atr, strategy.stop_atr) * side.sign, side.opposite)
    target = _toward(instrument, near + _times(atr, strategy.target_atr) * side.sign, side)
    total_limit = exposure_limit_usd(holdings.equity_usd, limits)
    symbol_limit = symbol_limit_usd(holdings.equity_usd, limits)
    # The worst price risks most; a short's first price is the one that weighs most.
    dearest = max(near, worst)
    size = size_for_risk(
        equity_usd=holdings.equity_usd,
        risk_percent=limits.risk_per_trade_percent * HEADROOM,
        entry=worst,
        dearest=dearest,
        stop=stop,
        fees=fees,
        notional_caps_usd={
            "exposure": total_limit * HEADROOM - holdings.notional_usd(),
            "exposure in symbol": symbol_limit * HEADROOM
            - holdings.notional_usd(prediction.symbol),
        },
        instrument=instrument,
    )
    if not size.quantity:
        figures = f"size {size.wanted:.6f} is less than the exchange takes"
        return NoPlan(rule="exchange filters", figures=figures)
    # The cheapest price weighs least. The band is the exchange's to judge, at each try: prices
    # at the near side of the book are inside it.
    broken = instrument.violation(
        side, size.quantity, min(near, worst), mark_price=None, reduce_only=False
    )
    if broken is not None:
        return NoPlan(rule="exchange filters", figures=broken.figures)
    quantity = size.quantity
    risk_usd = quantity * loss_per_unit(worst, stop, fees)
    cost_usd = round_trip_cost_usd(quantity * near, quantity * stop, fees)
    reward_usd = quantity * (abs(target - near) - (near + target) * fees.maker)
    liquidation = liquidation_price(side, quantity, worst, limits.leverage, brackets)
    liquidation = _toward(instrument, liquidation, side)
    verdicts = judge(
        symbol=prediction.symbol,
        side=side,
        quantity=quantity,
        entry=dearest,
        stop=stop,
        liquidation=liquidation,
        risk_usd=risk_usd,
        holdings=holdings,
        limits=limits,
    )
    reward_risk = reward_usd / risk_usd
    verdicts = (
        *verdicts,
        _bracket_verdict(quantity * dearest, limits.leverage, brackets),
        _reward_verdict(reward_risk, strategy),
        *_reductions(size.wanted, quantity, size.reduced_by),
    )
    denial = first_denial(verdicts)
    if denial is not None:
        return NoPlan(rule=denial.rule, figures=denial.figures, verdicts=verdicts)
    bar_ms = Interval.M15.ms
    decided_ms = prediction.bar_open_ms + bar_ms
    return Plan(
        symbol=prediction.symbol,
        side=side,
        entries=(
            PlannedEntry(
                quantity=quantity,
                price=near,
                worst_price=worst,
                kind=OrderKind.LIMIT,
                time_in_force=TimeInForce.POST_ONLY,
            ),
        ),
        stop_price=stop,
        targets=(PlannedTarget(quantity=quantity, price=target),),
        quantity=quantity,
        notional_usd=quantity * dearest,
        leverage=limits.leverage,
        risk_usd=risk_usd,
        risk_percent=risk_usd / holdings.equity_usd * HUNDRED,
        reward_risk=reward_risk,
        expected_cost_usd=cost_usd,
        expected_cost_bps=cost_usd / (quantity * near) * _BPS,
        liquidation_price=liquidation,
        atr=atr,
        exposure_after_usd=holdings.notional_usd() + quantity * dearest,
        exposure_limit_usd=total_limit,
        premise_ends_ms=decided_ms + bar_ms,
        time_exit_ms=decided_ms + strategy.hold_bars * bar_ms,
        prediction=prediction,
        verdicts=verdicts,
    )


def _times(atr: Decimal, factor: float) -> Decimal:
    return atr * Decimal(repr(factor))


def _toward(instrument: Instrument, price: Decimal, side: Side) -> Decimal:
    """The price on a tick: rounded up for a buy's sake, down for a sell's."""
    up = side is Side.BUY
    return instrument.price_up(price) if up else instrument.price_down(price)


def _bracket_verdict(
    notional: Decimal, leverage: int, brackets: Sequence[Bracket]
) -> RiskVerdict:
    most = bracket_of(notional, brackets).max_leverage
    return RiskVerdict(
        rule="leverage at this size",
        verdict=Verdict.ALLOW if leverage <= most else Verdict.DENY,
        figures=f"{leverage}×, the exchange allows {most}× at {notional:.2f} USDT",
    )


def _reward_verdict(reward_risk: Decimal, strategy: StrategySettings) -> RiskVerdict:
    enough = reward_risk >= Decimal(repr(strategy.min_reward_risk))
    return RiskVerdict(
        rule="reward over risk",
        verdict=Verdict.ALLOW if enough else Verdict.DENY,
        figures=f"{reward_risk:.2f} R after costs, at least {strategy.min_reward_risk} R",
    )


def _reductions(wanted: Decimal, quantity: Decimal, rule: str) -> tuple[RiskVerdict, ...]:
    if not rule:
        return ()
    figures = f"size {wanted:.6f} → {quantity}: {rule}"
    return (RiskVerdict(rule=rule, verdict=Verdict.REDUCE, figures=figures),)
