"""Filters: what is fitted passes, never to the worse side; fitting again changes nothing."""

import math
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rusy_tui.domain.instrument import Broken, Fit, Instrument, Rule
from rusy_tui.domain.money import ceil_to, exact, floor_to, to_ledger
from rusy_tui.domain.order import OrderKind, Side
from rusy_tui.simulator.feeds import contracts
from tests.execution.stage import INSTRUMENT

GRIDS = ("1", "10", "5", "0.1", "0.5", "0.25", "0.05", "0.0100", "0.001", "0.00001", "1E-7")
grids = st.sampled_from([Decimal(text) for text in GRIDS])
values = st.decimals(Decimal("0.00000001"), Decimal(10) ** 9, places=8)
# Sizes are quotients: all 28 digits of them may count.
quotients = st.builds(lambda a, b: a / b, values, values.filter(lambda v: v > 1))
# Where real prices and sizes lie, so that most contracts have an order for them.
marks = st.decimals(Decimal(1), Decimal(1_000_000), places=2)
lots = st.one_of(
    st.decimals(Decimal("0.5"), Decimal(10_000), places=6),
    st.decimals(Decimal(10_000), Decimal(10) ** 8, places=3),
    quotients,
)
# All that a position may be and more, from less than the least on.
sizes = st.one_of(
    st.decimals(Decimal("0.00000001"), Decimal(1_000), places=8), values, quotients
)
sides = st.sampled_from(list(Side))
real = st.sampled_from([contracts.known(symbol) for symbol in contracts.known_symbols()])
conditional = st.sampled_from([OrderKind.STOP_MARKET, OrderKind.TAKE_PROFIT_MARKET])


@st.composite
def invented(draw: st.DrawFn) -> Instrument:
    """A contract with odd grids, limits off them, and rules switched off by a zero."""
    tick, step, market_step = draw(grids), draw(grids), draw(grids)
    least = step * draw(st.integers(1, 5))
    market_least = market_step * draw(st.integers(1, 5))
    return msgspec.structs.replace(
        INSTRUMENT,
        tick_size=tick,
        min_price=draw(st.one_of(st.just(Decimal(0)), values.map(lambda v: v / 1000))),
        max_price=draw(st.one_of(st.just(Decimal(0)), values.map(lambda v: v + 1000))),
        step_size=step,
        min_quantity=least,
        max_quantity=least + draw(values),
        market_step_size=market_step,
        market_min_quantity=market_least,
        market_max_quantity=market_least + draw(values),
        min_notional=draw(st.sampled_from([Decimal(0), Decimal(5), Decimal(100)])),
        price_factor_up=draw(st.sampled_from([Decimal(0), Decimal("1.0500"), Decimal(2)])),
        price_factor_down=draw(st.sampled_from([Decimal(0), Decimal("0.9500")])),
    )


instruments = st.one_of(real, invented())


@given(st.one_of(values, quotients), grids)
def test_rounding_lands_on_a_step_on_the_asked_side(value: Decimal, step: Decimal) -> None:
    down, up = floor_to(value, step), ceil_to(value, step)
    assert down % step == 0
    assert up % step == 0
    assert down <= value <= up
    assert up - down in (0, step)
    assert floor_to(down, step) == down
    assert ceil_to(up, step) == up


def test_rounding_down_does_not_round_the_quotient() -> None:
    # Twenty times this has 29 digits; rounded to 28 they are 20.
    assert floor_to(Decimal("0.9999999999999999999999999999"), Decimal("0.05")) == Decimal(
        "0.95"
    )
    assert floor_to(Decimal("-0.07"), Decimal("0.05")) == Decimal("-0.10")
    assert ceil_to(Decimal("-0.07"), Decimal("0.05")) == Decimal("-0.05")


def breaks_no_filter(
    one: Instrument,
    side: Side,
    quantity: Decimal,
    price: Decimal | None,
    mark: Decimal,
    reduce_only: bool,
) -> bool:
    """The exchange's rules once more, in fractions and in other words."""

    def on(value: Decimal, grid: Decimal) -> bool:
        return grid == 0 or (Fraction(value) / Fraction(grid)).denominator == 1

    limits = (one.step_size, one.min_quantity, one.max_quantity)
    if price is None:
        limits = (one.market_step_size, one.market_min_quantity, one.market_max_quantity)
    good = on(quantity, limits[0]) and limits[1] <= quantity <= limits[2] and quantity > 0
    if price is not None:
        good = good and on(price, one.tick_size) and price > 0 and price >= one.min_price
        good = good and (one.max_price == 0 or price <= one.max_price)
        up, down = one.price_factor_up, one.price_factor_down
        if side is Side.BUY and up:
            good = good and Fraction(price) <= Fraction(mark) * Fraction(up)
        if side is Side.SELL and down:
            good = good and Fraction(price) >= Fraction(mark) * Fraction(down)
    worth = Fraction(quantity) * Fraction(mark if price is None else price)
    return good and (reduce_only or worth >= one.min_notional)


def greatest(quantity: Decimal, lots: Sequence[tuple[Decimal, Decimal, Decimal]]) -> Fraction:
    """The greatest quantity at or below one that passes all of some limits, 0 where none does.

    Limits are steps, least and greatest quantities; any two steps have a common one.
    """
    steps = [Fraction(step) for step, _, _ in lots if step]
    whole = math.lcm(*(step.denominator for step in steps))
    step = Fraction(math.lcm(*(int(step * whole) for step in steps)), whole)
    bound = min([Fraction(quantity), *(Fraction(most) for _, _, most in lots if most)])
    found = bound // step * step
    return found if found > 0 and all(found >= least for _, least, _ in lots) else Fraction(0)


def lot(one: Instrument, *, market: bool) -> tuple[Decimal, Decimal, Decimal]:
    if market:
        return one.market_step_size, one.market_min_quantity, one.market_max_quantity
    return one.step_size, one.min_quantity, one.max_quantity


@settings(max_examples=300)
@given(instruments, sizes, st.booleans())
def test_a_quantity_is_the_greatest_that_passes(
    instrument: Instrument, quantity: Decimal, market: bool
) -> None:
    found = instrument.quantity_down(quantity, market=market)
    assert found == greatest(quantity, [lot(instrument, market=market)])
    least = lot(instrument, market=market)[1]
    assert instrument.quantity_down(least * Decimal("0.999"), market=market) == 0


@settings(max_examples=300)
@given(instruments, sizes)
def test_what_is_closable_is_the_greatest_that_passes_both_as_limit_and_as_market_order(
    instrument: Instrument, quantity: Decimal
) -> None:
    lots = [lot(instrument, market=False), lot(instrument, market=True)]
    assert instrument.closable_quantity_down(quantity) == greatest(quantity, lots)
    # Just below either least there is nothing.
    below = max(least for _, least, _ in lots) * Decimal("0.999")
    assert instrument.closable_quantity_down(below) == 0


def nearest(
    one: Instrument, side: Side, quantity: Decimal, price: Decimal | None, mark: Decimal
) -> tuple[Decimal, Decimal | None]:
    """The order nearest to an intended one among those that are no worse, in fractions."""

    def on(value: Fraction, grid: Decimal, up: bool = False) -> Decimal:
        if not grid:
            return Decimal(value.numerator) / Decimal(value.denominator)
        steps = value / Fraction(grid)
        return Decimal(math.ceil(steps) if up else math.floor(steps)) * grid

    step, most = one.step_size, one.max_quantity
    if price is None:
        step, most = one.market_step_size, one.market_max_quantity
    quantity = on(Fraction(min(quantity, most)), step)
    if price is None:
        return quantity, None
    if side is Side.SELL:
        edge = Fraction(mark) * Fraction(one.price_factor_down)
        return quantity, on(
            max(Fraction(price), edge, Fraction(one.min_price)), one.tick_size, True
        )
    bounds = [Fraction(price), Fraction(one.max_price)]
    bounds.append(Fraction(mark) * Fraction(one.price_factor_up))
    return quantity, on(min(bound for bound in bounds if bound), one.tick_size)


@settings(max_examples=300)
@given(
    instruments, sides, lots, marks, st.one_of(st.none(), st.decimals("0.5", 2, places=6)),
    st.booleans(),
)  # fmt: skip
def test_a_fitted_order_passes_is_no_worse_and_is_a_fixed_point(
    instrument: Instrument,
    side: Side,
    lots: Decimal,
    mark: Decimal,
    times_mark: Decimal | None,
    reduce_only: bool,
) -> None:
    quantity = instrument.min_quantity * lots
    price = None if times_mark is None else mark * times_mark

    def fitted(quantity: Decimal, price: Decimal | None) -> Fit | Broken:
        return instrument.fit(side, quantity, price, mark_price=mark, reduce_only=reduce_only)

    fit = fitted(quantity, price)
    if isinstance(fit, Broken):
        # There is none: neither as intended nor anything near that would be as good.
        close = nearest(instrument, side, quantity, price, mark)
        assert not breaks_no_filter(instrument, side, quantity, price, mark, reduce_only)
        assert not breaks_no_filter(instrument, side, *close, mark, reduce_only)
        assert fit.figures
        return
    assert breaks_no_filter(instrument, side, fit.quantity, fit.price, mark, reduce_only)
    assert fit.quantity <= quantity
    assert (fit.price is None) == (price is None)
    if fit.price is not None and price is not None:
        assert (price - fit.price) * side.sign >= 0
    assert fitted(fit.quantity, fit.price) == fit
    # As intended already: nothing is moved.
    if breaks_no_filter(instrument, side, quantity, price, mark, reduce_only):
        assert (fit.quantity, fit.price) == (quantity, price)


@given(
    instruments, sides, st.one_of(st.none(), values), values,
    st.decimals(Decimal("0.2"), Decimal(5), places=4), st.booleans(),
)  # fmt: skip
def test_a_verdict_is_that_of_the_rules(
    instrument: Instrument,
    side: Side,
    price: Decimal | None,
    mark: Decimal,
    lots: Decimal,
    reduce_only: bool,
) -> None:
    quantity = instrument.min_quantity * lots
    broken = instrument.violation(
        side, quantity, price, mark_price=mark, reduce_only=reduce_only
    )
    passes = breaks_no_filter(instrument, side, quantity, price, mark, reduce_only)
    assert (broken is None) == passes, broken


@given(instruments, sides, conditional, st.one_of(values, quotients))
def test_a_trigger_is_never_set_off_sooner_than_intended(
    instrument: Instrument, side: Side, kind: OrderKind, price: Decimal
) -> None:
    fitted = instrument.fit_trigger(side, kind, price)
    # A sell stop and a buy at profit wait for the price to fall, the other two for a rise.
    falling = (side is Side.SELL) == (kind is OrderKind.STOP_MARKET)
    tick, low, high = map(
        Fraction, (instrument.tick_size, instrument.min_price, instrument.max_price)
    )
    if falling:
        bound = min(Fraction(price), high or Fraction(price))
        nearest_tick = bound // tick * tick
    else:
        nearest_tick = -(-max(Fraction(price), low) // tick) * tick
    fits = nearest_tick > 0 and low <= nearest_tick and (not high or nearest_tick <= high)
    if isinstance(fitted, Broken):
        assert not fits, fitted
        return
    assert fits
    assert fitted == nearest_tick
    assert instrument.fit_trigger(side, kind, fitted) == fitted


@given(real, sides, marks)
def test_the_worst_price_passes_and_one_tick_beyond_it_does_not(
    instrument: Instrument, side: Side, mark: Decimal
) -> None:
    worst = instrument.worst_price(side, mark)
    assume(instrument.min_price < worst < instrument.max_price)
    quantity = instrument.min_quantity

    def broken(price: Decimal) -> Broken | None:
        return instrument.violation(side, quantity, price, mark_price=mark, reduce_only=True)

    assert broken(worst) is None
    beyond = broken(worst + instrument.tick_size * side.sign)
    assert beyond is not None
    assert beyond.rule is Rule.BAND


def test_only_orders_with_a_trigger_have_one() -> None:
    with pytest.raises(ValueError, match="no trigger"):
        INSTRUMENT.fit_trigger(Side.BUY, OrderKind.LIMIT, Decimal(100))


@given(instruments, sizes, st.booleans())
def test_parts_are_all_taken_and_leave_less_than_the_exchange_takes(
    instrument: Instrument, quantity: Decimal, market: bool
) -> None:
    step, least, most = lot(instrument, market=market)
    quantity = min(quantity, most * 50)
    parts = instrument.parts(quantity, market=market)
    for part in parts:
        assert greatest(part, [(step, least, most)]) == part > 0
    left = quantity - sum(parts)
    assert left >= 0
    usable = greatest(quantity, [(step, least, most)])
    assert bool(parts) == (usable > 0)
    if not parts:
        return
    # No more parts than need be, and nothing of them left that would be one.
    usable = greatest(most, [(step, least, most)])
    assert (len(parts) - 1) * usable < quantity
    # A contract whose greatest quantity is all but the least can't always be shared out.
    assert left < (step if usable >= 2 * least + step else max(least, step))


def test_a_remainder_too_small_is_shared_with_the_part_before() -> None:
    instrument = msgspec.structs.replace(INSTRUMENT, market_min_quantity=Decimal(1))
    assert instrument.parts(Decimal("200.5"), market=True) == (
        Decimal(100), Decimal("99.5"), Decimal(1),
    )  # fmt: skip
    assert instrument.parts(Decimal("0.5"), market=True) == ()
    assert instrument.parts(Decimal("0.5")) == (Decimal("0.5"),)


def test_steps_that_do_not_divide_each_other_have_a_common_one() -> None:
    instrument = msgspec.structs.replace(
        INSTRUMENT, step_size=Decimal("0.02"), market_step_size=Decimal("0.05")
    )
    assert instrument.closable_quantity_down(Decimal("1.19")) == Decimal("1.1")


@pytest.mark.parametrize(
    ("side", "quantity", "price", "rule"),
    [
        (Side.BUY, "0", "100", Rule.NUMBER),
        (Side.BUY, "-1", "100", Rule.NUMBER),
        (Side.BUY, "NaN", "100", Rule.NUMBER),
        (Side.BUY, "1", "Infinity", Rule.NUMBER),
        (Side.BUY, "0.0015", "100", Rule.STEP),
        (Side.BUY, "2000", "100", Rule.QUANTITY),
        (Side.BUY, "1", "100.05", Rule.TICK),
        (Side.BUY, "1", "2000000", Rule.PRICE),
        (Side.BUY, "1", "105.1", Rule.BAND),
        (Side.SELL, "1", "94.9", Rule.BAND),
        (Side.BUY, "0.001", "100", Rule.NOTIONAL),
        (Side.BUY, "500", None, Rule.QUANTITY),
    ],
)
def test_each_filter_names_itself(
    side: Side, quantity: str, price: str | None, rule: Rule
) -> None:
    broken = INSTRUMENT.violation(
        side,
        Decimal(quantity),
        None if price is None else Decimal(price),
        mark_price=Decimal(100),
        reduce_only=False,
    )
    assert broken is not None
    assert broken.rule is rule


def test_a_price_beyond_the_band_is_moved_into_it_on_the_better_side_only() -> None:
    def at(side: Side, price: str) -> Decimal | Rule | None:
        fit = INSTRUMENT.fit(
            side, Decimal(1), Decimal(price), mark_price=Decimal(100), reduce_only=True
        )
        return fit.price if isinstance(fit, Fit) else fit.rule

    assert at(Side.BUY, "120") == Decimal("105.0")
    assert at(Side.SELL, "80") == Decimal("95.0")
    # Far on the other side there is no band: such orders just rest.
    assert at(Side.BUY, "50.07") == Decimal("50.0")
    assert at(Side.SELL, "200.01") == Decimal("200.1")
    # Only worse prices would pass.
    assert at(Side.BUY, "0.04") is Rule.PRICE
    assert at(Side.SELL, "1000000.05") is Rule.PRICE


def test_reduce_only_orders_may_be_small_and_need_no_mark_price() -> None:
    def market(reduce_only: bool, mark: str | None = None) -> Fit | Broken:
        return INSTRUMENT.fit(
            Side.SELL,
            Decimal("0.0019"),
            None,
            mark_price=None if mark is None else Decimal(mark),
            reduce_only=reduce_only,
        )

    assert market(True) == Fit(Decimal("0.001"), None)
    small = market(False, "100")
    assert isinstance(small, Broken)
    assert small.rule is Rule.NOTIONAL
    assert "0.100" in small.figures
    unknown = market(False)
    assert isinstance(unknown, Broken)
    assert unknown.rule is Rule.NUMBER


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
