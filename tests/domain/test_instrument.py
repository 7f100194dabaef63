"""Filters: what is fitted passes, never to the worse side; fitting again changes nothing."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rusy_tui.domain.instrument import Instrument
from rusy_tui.domain.money import ceil_to, exact, floor_to, to_ledger
from tests.execution.stage import INSTRUMENT

steps = st.sampled_from(
    [Decimal(s) for s in ("1", "10", "0.1", "0.5", "0.25", "0.05", "0.001", "0.0000001")]
)
values = st.decimals(Decimal("0.00000001"), Decimal(10) ** 9, places=8)


@st.composite
def instruments(draw: st.DrawFn) -> Instrument:
    step, market_step = draw(steps), draw(steps)
    return msgspec.structs.replace(
        INSTRUMENT,
        tick_size=draw(steps),
        min_price=Decimal(0),
        max_price=Decimal(10) ** 12,
        step_size=step,
        min_quantity=step * draw(st.integers(1, 5)),
        max_quantity=step * draw(st.integers(1000, 10**6)),
        market_step_size=market_step,
        market_min_quantity=market_step,
        market_max_quantity=market_step * draw(st.integers(10, 1000)),
        min_notional=Decimal(0),
    )


@given(values, steps)
def test_rounding_lands_on_a_step_on_the_asked_side(value: Decimal, step: Decimal) -> None:
    down, up = floor_to(value, step), ceil_to(value, step)
    assert down % step == 0
    assert up % step == 0
    assert down <= value <= up
    assert up - down in (0, step)
    assert floor_to(down, step) == down
    assert ceil_to(up, step) == up


@given(instruments(), values, values, st.booleans())
def test_what_is_fitted_passes_and_fitting_again_changes_nothing(
    instrument: Instrument, quantity: Decimal, price: Decimal, market: bool
) -> None:
    fitted = instrument.quantity_down(quantity, market=market)
    assert fitted <= quantity
    assert instrument.quantity_down(fitted, market=market) == fitted
    assume(fitted)
    tick = instrument.price_up(price)
    assert instrument.violation(fitted, tick, reduce_only=False, market=market) is None


@pytest.mark.parametrize(
    ("quantity", "price", "named"),
    [
        ("0", "100", "quantity"),
        ("-1", "100", "quantity"),
        ("0.0005", "100", "quantity"),
        ("0.0015", "100", "quantity"),
        ("2000", "100", "quantity"),
        ("1", "100.05", "tick"),
        ("1", "2000000", "outside"),
        ("0.001", "100", "notional"),
    ],
)
def test_each_filter_names_itself(quantity: str, price: str, named: str) -> None:
    broken = INSTRUMENT.violation(Decimal(quantity), Decimal(price), reduce_only=False)
    assert named in (broken or "")


def test_reduce_only_orders_may_be_small() -> None:
    assert INSTRUMENT.violation(Decimal("0.001"), Decimal(100), reduce_only=True) is None


def test_market_orders_have_limits_of_their_own() -> None:
    assert INSTRUMENT.quantity_down(Decimal(500)) == 500
    assert INSTRUMENT.quantity_down(Decimal(500), market=True) == 100


def test_a_ledger_amount_is_rounded_half_to_even() -> None:
    assert to_ledger(Decimal("0.000000005")) == 0
    assert to_ledger(Decimal("0.000000015")) == Decimal("0.00000002")


@given(st.floats(0.001, 1e9))
def test_a_float_becomes_the_decimal_that_a_person_reads(value: float) -> None:
    assert float(exact(value)) == value
    assert len(exact(value).as_tuple().digits) <= 17
