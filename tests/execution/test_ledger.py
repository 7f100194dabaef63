"""What fills make of a trade: exact, nothing left over, the same by another way of counting."""

from decimal import Decimal
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rusy_tui.domain.errors import Defect
from rusy_tui.domain.order import Fill, Side
from rusy_tui.domain.trade import Trade
from rusy_tui.execution.ledger import after_fill, after_funding, open_result
from tests.execution.stage import trade

EIGHTH = Decimal("0.00000001")


def fill(side: Side, price: Decimal, quantity: Decimal, number: int = 1) -> Fill:
    """An execution with a fee of one millionth of its notional."""
    return Fill(
        symbol="BTCUSDT",
        exchange_trade_id=number,
        exchange_order_id="1",
        client_order_id="x",
        side=side,
        price=price,
        quantity=quantity,
        fee=price * quantity / 1_000_000,
        fee_asset="USDT",
        realised_pnl=Decimal(0),
        is_maker=True,
        time_ms=number,
    )


@st.composite
def lives(draw: st.DrawFn) -> tuple[Side, list[Fill]]:
    """Fills of one trade from flat to flat, entries and exits in any order that can be."""
    side = draw(st.sampled_from(list(Side)))
    places = draw(st.integers(0, 6))
    tick, step = Decimal(1).scaleb(-places), Decimal("0.001")
    numbers = st.integers(1, 10**7)
    fills, held = list[Fill](), 0
    for number in range(draw(st.integers(1, 12))):
        price = draw(numbers) * tick
        if held > 1 and draw(st.booleans()):
            steps = draw(st.integers(1, held - 1))
            held -= steps
            fills.append(fill(side.opposite, price, steps * step, number))
        else:
            steps = draw(st.integers(1, 5000))
            held += steps
            fills.append(fill(side, price, steps * step, number))
    fills.append(fill(side.opposite, draw(numbers) * tick, held * step, 99))
    return side, fills


def play(side: Side, fills: list[Fill]) -> Trade:
    made = trade(side)
    for each in fills:
        made = after_fill(made, each)
    return made


@given(lives())
def test_the_sum_of_all_fills_is_exact_and_nothing_is_left_over(
    life: tuple[Side, list[Fill]],
) -> None:
    side, fills = life
    ended = play(side, fills)
    exact = sum(
        (Fraction(f.price) * Fraction(f.quantity) * -f.side.sign for f in fills), Fraction(0)
    )
    assert ended.quantity == 0
    assert ended.cost_basis == 0
    assert abs(Fraction(ended.realised_pnl) - exact) <= Fraction(EIGHTH) / 2
    assert ended.fees == sum((f.fee for f in fills), Decimal(0))
    assert ended.entered_quantity == ended.exited_quantity


@given(lives())
def test_with_prices_and_steps_of_a_real_contract_the_sum_is_equal_to_the_digit(
    life: tuple[Side, list[Fill]],
) -> None:
    """Up to eight digits of price × quantity, realised PnL is cash out less cash in."""
    side, fills = life
    if any(f.price * f.quantity % EIGHTH for f in fills):
        return
    cash = sum((f.price * f.quantity * -f.side.sign for f in fills), Decimal(0))
    assert play(side, fills).realised_pnl == cash


@given(lives())
def test_each_fill_realises_what_the_average_cost_says(life: tuple[Side, list[Fill]]) -> None:
    side, fills = life
    made, cost, held = trade(side), Fraction(0), Fraction(0)
    for each in fills:
        before = made.realised_pnl
        made = after_fill(made, each)
        price, quantity = Fraction(each.price), Fraction(each.quantity)
        if each.side is side:
            cost, held = cost + price * quantity, held + quantity
            assert made.realised_pnl == before
            continue
        expected = (price * quantity - cost * quantity / held) * side.sign
        assert abs(Fraction(made.realised_pnl - before) - expected) <= Fraction(EIGHTH)
        # The basis goes down by what was not realised, to the same digit.
        realised = Fraction(made.realised_pnl - before)
        cost, held = cost - (price * quantity - side.sign * realised), held - quantity
        assert Fraction(made.cost_basis) == (cost if held else 0)


@given(lives())
def test_realised_pnl_is_kept_in_eight_digits(life: tuple[Side, list[Fill]]) -> None:
    assert play(*life).realised_pnl % EIGHTH == 0


def test_an_odd_price_leaves_no_basis_behind() -> None:
    odd = Decimal("0.333333333")
    made = after_fill(trade(Side.BUY), fill(Side.BUY, odd, Decimal("0.7")))
    made = after_fill(made, fill(Side.SELL, odd, Decimal("0.3")))
    made = after_fill(made, fill(Side.SELL, odd * 2, Decimal("0.4")))
    assert made.cost_basis == 0


@pytest.mark.parametrize("side", list(Side))
def test_an_exit_larger_than_what_is_open_is_a_defect(side: Side) -> None:
    made = after_fill(trade(side), fill(side, Decimal(100), Decimal(1)))
    with pytest.raises(Defect, match="exits more"):
        after_fill(made, fill(side.opposite, Decimal(100), Decimal("1.001")))


def test_the_first_entry_says_when_it_was_opened() -> None:
    made = after_fill(trade(), fill(Side.BUY, Decimal(100), Decimal(1), 5))
    made = after_fill(made, fill(Side.BUY, Decimal(102), Decimal(1), 9))
    assert made.opened_ms == 5
    assert made.entry_average == 101


def test_the_open_result_is_marked_from_the_basis() -> None:
    long = after_fill(trade(), fill(Side.BUY, Decimal(100), Decimal(2)))
    short = after_fill(trade(Side.SELL), fill(Side.SELL, Decimal(100), Decimal(2)))
    assert open_result(long, Decimal(103)) == 6
    assert open_result(short, Decimal(103)) == -6
    assert open_result(trade(), Decimal(103)) == 0


def test_net_is_realised_less_fees_plus_funding() -> None:
    made = msgspec.structs.replace(
        after_funding(trade(), Decimal("-1.5")), realised_pnl=Decimal(10), fees=Decimal(2)
    )
    assert made.net_pnl == Decimal("6.5")
