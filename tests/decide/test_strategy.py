"""From a vote to a plan: both sides alike, and a revision of what decides alone."""

import dataclasses
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rusy_tui.decide.costs import bracket_of, liquidation_price
from rusy_tui.decide.sizing import loss_per_unit
from rusy_tui.decide.strategy import Thresholds, side_of
from rusy_tui.domain.candle import Interval
from rusy_tui.domain.order import OrderKind, Side, TimeInForce
from rusy_tui.domain.proposal import Plan, Verdict
from rusy_tui.domain.settings import RiskSettings, StrategySettings
from tests.decide.market import (
    BAR_MS,
    FEES,
    LIMITS,
    attempt,
    denied,
    holding,
    holdings,
    planned,
    prediction,
)
from tests.execution.stage import BRACKETS, INSTRUMENT, book

# Far enough to be seen on ticks of a tenth.
CHASING = dataclasses.replace(StrategySettings(), entry_chase_bps=Decimal(30))


@pytest.mark.parametrize(
    ("probability", "side"),
    [(0.55, Side.BUY), (0.549, None), (0.5, None), (0.451, None), (0.45, Side.SELL)],
)
def test_a_side_needs_a_vote_at_its_threshold(probability: float, side: Side | None) -> None:
    thresholds = Thresholds(long=0.55, short=0.45)
    assert side_of(prediction(probability), thresholds) is side


def test_a_long_plan_has_its_stop_below_and_its_target_above() -> None:
    plan = planned(Side.BUY, strategy=CHASING)
    (entry,) = plan.entries
    assert entry.price == Decimal("100.0")
    assert plan.stop_price < entry.price < entry.worst_price
    assert plan.targets[0].price > entry.worst_price
    assert plan.liquidation_price < plan.stop_price
    assert entry.kind is OrderKind.LIMIT
    assert entry.time_in_force is TimeInForce.POST_ONLY


def test_a_short_plan_is_its_mirror() -> None:
    plan = planned(Side.SELL, strategy=CHASING)
    (entry,) = plan.entries
    assert entry.price == Decimal("100.1")
    assert plan.stop_price > entry.price > entry.worst_price
    assert plan.targets[0].price < entry.worst_price
    assert plan.liquidation_price > plan.stop_price


def test_both_sides_keep_the_same_distances() -> None:
    strategy = dataclasses.replace(StrategySettings(), entry_chase_bps=Decimal(0))
    long = planned(Side.BUY, strategy=strategy, top=book("100.0", "100.1"))
    short = planned(Side.SELL, strategy=strategy, top=book("99.9", "100.0"))
    assert 100 - long.stop_price == short.stop_price - 100
    assert long.targets[0].price - 100 == 100 - short.targets[0].price
    assert abs(long.quantity - short.quantity) < Decimal("0.2")


def test_times_count_from_the_bar_that_was_voted_on() -> None:
    plan = planned()
    step = Interval.M15.ms
    assert plan.premise_ends_ms == BAR_MS + 2 * step
    assert plan.time_exit_ms == BAR_MS + (1 + StrategySettings().hold_bars) * step


@given(
    side=st.sampled_from(list(Side)),
    price=st.decimals(Decimal(1), Decimal(100_000), places=1),
    atr_percent=st.decimals(Decimal("0.05"), Decimal(3), places=2),
    equity=st.decimals(Decimal(50), Decimal(1_000_000), places=2),
    others=st.lists(st.decimals(Decimal(1), Decimal(20_000), places=2), max_size=2),
)
def test_no_plan_ever_exceeds_a_limit(
    side: Side, price: Decimal, atr_percent: Decimal, equity: Decimal, others: list[Decimal]
) -> None:
    held = holdings(
        *(holding(f"X{n}", str(amount), "0") for n, amount in enumerate(others)),
        equity=str(equity),
    )
    top = book(str(price), str(price + Decimal("0.1")))
    atr = price * atr_percent / 100
    plan = attempt(side, top=top, atr=str(atr), held=held, strategy=CHASING)
    if not isinstance(plan, Plan):
        return
    (entry,) = plan.entries
    for paid in (entry.price, entry.worst_price):
        loss = plan.quantity * loss_per_unit(paid, plan.stop_price, FEES)
        assert loss <= equity * LIMITS.risk_per_trade_percent / 100
        notional = plan.quantity * paid
        assert notional <= plan.notional_usd
        assert notional <= equity * LIMITS.max_exposure_per_symbol_percent / 100
        assert notional + sum(others) <= equity * LIMITS.max_exposure_percent / 100
        assert (
            INSTRUMENT.violation(side, plan.quantity, paid, mark_price=None, reduce_only=False)
            is None
        )
    assert plan.quantity == INSTRUMENT.quantity_down(plan.quantity, market=True)
    for level in (plan.stop_price, plan.targets[0].price, plan.liquidation_price):
        assert level % INSTRUMENT.tick_size == 0
    assert (plan.stop_price - plan.liquidation_price) * side.sign > 0
    assert plan.reward_risk >= 1


@pytest.mark.parametrize(
    "changed",
    [
        {"stop_price": Decimal("97.0")},
        {"quantity": Decimal("2.0")},
        {"leverage": 5},
        {"symbol": "ETHUSDT"},
        {"side": Side.SELL},
        {"time_exit_ms": 1},
        {"targets": ()},
        {"entries": ()},
    ],
)
def test_the_revision_changes_with_every_figure_that_decides(
    changed: dict[str, object],
) -> None:
    plan = planned()
    assert msgspec.structs.replace(plan, **changed).revision != plan.revision


@pytest.mark.parametrize("field", ["price", "worst_price", "quantity", "kind", "time_in_force"])
def test_the_revision_changes_with_every_figure_of_an_entry(field: str) -> None:
    plan = planned()
    other = {
        "price": Decimal(1),
        "worst_price": Decimal(1),
        "quantity": Decimal(9),
        "kind": OrderKind.MARKET,
        "time_in_force": TimeInForce.GTC,
    }[field]
    entries = (msgspec.structs.replace(plan.entries[0], **{field: other}),)
    assert msgspec.structs.replace(plan, entries=entries).revision != plan.revision


@pytest.mark.parametrize(
    "changed",
    [
        {"atr": Decimal(9)},
        {"prediction": prediction(0.9)},
        {"exposure_after_usd": Decimal(1)},
        {"verdicts": ()},
        {"risk_percent": Decimal(9)},
    ],
)
def test_the_revision_does_not_change_with_what_only_explains(
    changed: dict[str, object],
) -> None:
    plan = planned()
    assert msgspec.structs.replace(plan, **changed).revision == plan.revision
    assert planned().revision == plan.revision


def test_without_prices_there_is_no_plan() -> None:
    assert denied(atr="0").rule == "data"
    assert denied(top=book("0", "0.1")).rule == "data"


def test_too_small_an_account_breaks_the_filters() -> None:
    assert denied(held=holdings(equity="0.1")).rule == "exchange filters"
    assert denied(held=holdings(equity="0")).rule == "exchange filters"


def test_a_reward_that_costs_eat_is_refused() -> None:
    refusal = denied(atr="0.1", limits=dataclasses.replace(LIMITS, leverage=1))
    assert refusal.rule == "reward over risk"


def test_a_stop_near_liquidation_is_refused() -> None:
    assert denied(limits=dataclasses.replace(RiskSettings(), leverage=18)).rule == (
        "liquidation beyond stop"
    )


def test_a_second_trade_in_a_symbol_is_refused() -> None:
    assert denied(held=holdings(holding("BTCUSDT"))).rule == "one trade a symbol"


def test_a_cap_that_bit_is_told() -> None:
    small = dataclasses.replace(LIMITS, max_exposure_per_symbol_percent=Decimal(10))
    plan = planned(limits=small)
    assert plan.notional_usd <= 1000
    (told,) = [v for v in plan.verdicts if v.verdict is Verdict.REDUCE]
    assert told.rule == "exposure in symbol"


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize("quantity", [Decimal(1), Decimal(1000)])
def test_liquidation_is_where_the_margin_left_is_the_maintenance_margin(
    side: Side, quantity: Decimal
) -> None:
    """In the bracket of the position's size: notional × rate − cumulative amount."""
    entry, leverage = Decimal(100), 3
    price = liquidation_price(side, quantity, entry, leverage, BRACKETS)
    bracket = bracket_of(quantity * entry, BRACKETS)
    left = quantity * (entry / leverage + side.sign * (price - entry))
    kept = quantity * price * bracket.maintenance_rate - bracket.cumulative
    assert abs(left - kept) < Decimal("1e-18")


@pytest.mark.parametrize(
    ("notional", "leverage"), [("49999.99", 20), ("50000", 10), ("300000", 10)]
)
def test_the_bracket_is_that_of_the_notional(notional: str, leverage: int) -> None:
    assert bracket_of(Decimal(notional), BRACKETS).max_leverage == leverage


def test_leverage_beyond_what_the_size_allows_is_refused() -> None:
    """The exchange would refuse the entry: better said before than after."""
    four = dataclasses.replace(RiskSettings(), leverage=4)
    low = msgspec.structs.replace(BRACKETS[0], max_leverage=3)
    assert denied(limits=four, brackets=(low,)).rule == "leverage at this size"
    assert planned(limits=four, brackets=BRACKETS).leverage == 4
