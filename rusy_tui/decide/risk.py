"""The risk rules (promise P7): each looks at a plan's figures and says its word.

The same rules judge a plan when it is made and again when it is approved: what was allowed
then may not be allowed now.
"""

from decimal import Decimal

from rusy_tui.decide.holdings import Holdings
from rusy_tui.domain.order import Side
from rusy_tui.domain.proposal import Plan, RiskVerdict, Verdict
from rusy_tui.domain.settings import RiskSettings

HUNDRED = Decimal(100)


def exposure_limit_usd(equity_usd: Decimal, limits: RiskSettings) -> Decimal:
    """The notional that all positions and pending entries may have together, USDT."""
    limit = equity_usd * limits.max_exposure_percent / HUNDRED
    if limits.max_exposure_usd is not None:
        limit = min(limit, limits.max_exposure_usd)
    return limit


def symbol_limit_usd(equity_usd: Decimal, limits: RiskSettings) -> Decimal:
    """The notional that one symbol may have, USDT."""
    return equity_usd * limits.max_exposure_per_symbol_percent / HUNDRED


def day_loss_limit_usd(day_start_equity_usd: Decimal, limits: RiskSettings) -> Decimal:
    """What a UTC day may lose, USDT."""
    return day_start_equity_usd * limits.max_daily_loss_percent / HUNDRED


def day_loss_left_usd(holdings: Holdings, limits: RiskSettings) -> Decimal:
    """What may still be lost today: the limit, less today's loss, less what is at risk."""
    limit = day_loss_limit_usd(holdings.day_start_equity_usd, limits)
    return limit + min(holdings.day_pnl_usd, Decimal(0)) - holdings.risk_usd()


def judge(
    *,
    symbol: str,
    side: Side,
    quantity: Decimal,
    entry: Decimal,
    stop: Decimal,
    liquidation: Decimal,
    risk_usd: Decimal,
    holdings: Holdings,
    limits: RiskSettings,
) -> tuple[RiskVerdict, ...]:
    """Every rule's verdict on an entry of these figures, given everything else that is held.

    ``holdings`` must not contain the entry that is judged.
    """
    notional = quantity * entry
    total = holdings.notional_usd() + notional
    in_symbol = holdings.notional_usd(symbol) + notional
    total_limit = exposure_limit_usd(holdings.equity_usd, limits)
    symbol_limit = symbol_limit_usd(holdings.equity_usd, limits)
    risk_limit = holdings.equity_usd * limits.risk_per_trade_percent / HUNDRED
    day_left = day_loss_left_usd(holdings, limits)
    trades = len(holdings.holdings) + 1
    beyond_stop = (stop - liquidation) * side.sign
    distance_percent = beyond_stop / entry * HUNDRED
    least_percent = limits.min_liquidation_distance_percent
    same = [h for h in holdings.holdings if h.symbol == symbol]
    return (
        _verdict("size", quantity > 0, f"{quantity} {symbol}"),
        _verdict("risk per trade", risk_usd <= risk_limit, _of(risk_usd, risk_limit)),
        _verdict("exposure", total <= total_limit, _of(total, total_limit)),
        _verdict("exposure in symbol", in_symbol <= symbol_limit, _of(in_symbol, symbol_limit)),
        _verdict(
            "leverage",
            total <= holdings.equity_usd * limits.leverage,
            f"{total / holdings.equity_usd:.2f}× of {limits.leverage}×",
        ),
        _verdict("loss of the day", risk_usd <= day_left, _of(risk_usd, day_left)),
        _verdict(
            "open trades",
            trades <= limits.max_open_trades,
            f"{trades} of {limits.max_open_trades}",
        ),
        _verdict("one trade a symbol", not same, f"{len(same)} open or pending in {symbol}"),
        _verdict(
            "liquidation beyond stop",
            distance_percent >= least_percent,
            f"{distance_percent:.1f} % away, at least {least_percent} %",
        ),
        _verdict("nothing foreign", symbol not in holdings.foreign, f"in {symbol}"),
        _verdict(
            "contract open",
            symbol not in holdings.closed,
            holdings.closed.get(symbol, f"{symbol} takes entries"),
        ),
    )


def judge_plan(plan: Plan, holdings: Holdings, limits: RiskSettings) -> tuple[RiskVerdict, ...]:
    """All rules anew on a whole plan, as at its approval."""
    return judge(
        symbol=plan.symbol,
        side=plan.side,
        quantity=plan.quantity,
        entry=plan.notional_usd / plan.quantity,
        stop=plan.stop_price,
        liquidation=plan.liquidation_price,
        risk_usd=plan.risk_usd,
        holdings=holdings,
        limits=limits,
    )


def first_denial(verdicts: tuple[RiskVerdict, ...]) -> RiskVerdict | None:
    """The first rule that denies, None when all allow."""
    return next((v for v in verdicts if v.verdict is Verdict.DENY), None)


def _verdict(rule: str, allowed: bool, figures: str) -> RiskVerdict:
    verdict = Verdict.ALLOW if allowed else Verdict.DENY
    return RiskVerdict(rule=rule, verdict=verdict, figures=figures)


def _of(value: Decimal, limit: Decimal) -> str:
    return f"{value:.2f} of {limit:.2f} USDT"
