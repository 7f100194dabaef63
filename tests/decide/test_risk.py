"""Each rule denies beyond its limit, allows up to it, and counts what is open and pends."""

import dataclasses
from decimal import Decimal

import pytest

from rusy_tui.decide.holdings import Holdings
from rusy_tui.decide.risk import (
    day_loss_left_usd,
    exposure_limit_usd,
    first_denial,
    judge,
    judge_plan,
)
from rusy_tui.domain.order import Side
from rusy_tui.domain.settings import RiskSettings
from tests.decide.market import LIMITS, holding, holdings, planned

BASE = {
    "symbol": "BTCUSDT",
    "side": Side.BUY,
    "quantity": Decimal(10),
    "entry": Decimal(100),
    "stop": Decimal(98),
    "liquidation": Decimal(68),
    "risk_usd": Decimal(20),
    "holdings": holdings(),
    "limits": LIMITS,
}


def denial(**changed: object) -> str | None:
    found = first_denial(judge(**{**BASE, **changed}))  # type: ignore[arg-type]
    return found.rule if found is not None else None


def limits(**changed: object) -> RiskSettings:
    return dataclasses.replace(LIMITS, **changed)  # type: ignore[arg-type]


def test_an_ordinary_entry_is_allowed() -> None:
    assert denial() is None


@pytest.mark.parametrize(
    ("rule", "at", "beyond"),
    [
        ("risk per trade", {"risk_usd": Decimal(25)}, {"risk_usd": Decimal("25.01")}),
        ("exposure in symbol", {"quantity": Decimal(60)}, {"quantity": Decimal("60.001")}),
        (
            "exposure",
            {"holdings": holdings(holding(notional="14000"))},
            {"holdings": holdings(holding(notional="14000.1"))},
        ),
        (
            "exposure",
            {"limits": limits(max_exposure_usd=Decimal(1000))},
            {"limits": limits(max_exposure_usd=Decimal("999.9"))},
        ),
        (
            "leverage",
            {"limits": limits(leverage=1), "holdings": holdings(holding(notional="9000"))},
            {"limits": limits(leverage=1), "holdings": holdings(holding(notional="9001"))},
        ),
        (
            "loss of the day",
            {"holdings": holdings(day_pnl="-180")},
            {"holdings": holdings(day_pnl="-180.01")},
        ),
        (
            "loss of the day",
            {"holdings": holdings(holding(risk="180"))},
            {"holdings": holdings(holding(risk="180.01"))},
        ),
        (
            "open trades",
            {"holdings": holdings(holding("A"), holding("B"))},
            {"holdings": holdings(holding("A"), holding("B"), holding("C"))},
        ),
        (
            "one trade a symbol",
            {"holdings": holdings(holding("ETHUSDT"))},
            {"holdings": holdings(holding("BTCUSDT"))},
        ),
        (
            "liquidation beyond stop",
            {"liquidation": Decimal(93)},
            {"liquidation": Decimal("93.01")},
        ),
        (
            "nothing foreign",
            {"holdings": holdings(foreign=("ETHUSDT",))},
            {"holdings": holdings(foreign=("BTCUSDT",))},
        ),
        (
            "contract open",
            {"holdings": holdings(closed=("ETHUSDT",))},
            {"holdings": holdings(closed=("BTCUSDT",))},
        ),
        ("size", {"quantity": Decimal("0.001")}, {"quantity": Decimal(0)}),
    ],
)
def test_a_rule_allows_at_its_limit_and_denies_beyond(
    rule: str, at: dict[str, object], beyond: dict[str, object]
) -> None:
    assert denial(**at) is None
    assert denial(**beyond) == rule


def test_a_short_is_measured_to_its_own_liquidation() -> None:
    short = {"side": Side.SELL, "stop": Decimal(102), "liquidation": Decimal(130)}
    assert denial(**short) is None
    assert denial(**{**short, "liquidation": Decimal(106)}) == "liquidation beyond stop"


def test_a_profit_of_the_day_does_not_raise_what_may_be_lost() -> None:
    assert day_loss_left_usd(holdings(day_pnl="500"), LIMITS) == 200
    assert day_loss_left_usd(holdings(day_pnl="-50"), LIMITS) == 150


def test_the_smaller_exposure_limit_holds() -> None:
    assert exposure_limit_usd(Decimal(10000), LIMITS) == 15000
    assert exposure_limit_usd(Decimal(10000), limits(max_exposure_usd=Decimal(20000))) == 15000
    assert exposure_limit_usd(Decimal(10000), limits(max_exposure_usd=Decimal(400))) == 400


@pytest.mark.parametrize("side", list(Side))
def test_a_plan_that_was_allowed_is_allowed_again_while_nothing_has_changed(side: Side) -> None:
    assert first_denial(judge_plan(planned(side), holdings(), LIMITS)) is None


@pytest.mark.parametrize(
    "changed",
    [
        holdings(holding(notional="14500")),
        holdings(day_pnl="-190"),
        holdings(equity="5000"),
        holdings(holding("BTCUSDT")),
        holdings(closed=("BTCUSDT",)),
    ],
)
def test_a_plan_that_was_allowed_is_judged_anew(changed: Holdings) -> None:
    assert first_denial(judge_plan(planned(), changed, LIMITS)) is not None
