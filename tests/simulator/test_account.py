"""Money: nothing is lost between trades, the ledger and the wallet."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rusy_tui.domain.money import to_ledger
from rusy_tui.domain.order import OrderKind, Side, TimeInForce
from rusy_tui.simulator.account import Account, liquidation_price
from rusy_tui.simulator.happenings import FundsMoved
from rusy_tui.simulator.refusals import Refusal
from tests.simulator.support import START_MS, SYMBOL, Bench, D


def _account() -> Account:
    return Account(number=0, api_key="", api_secret="")


def test_realised_profit_is_price_difference_only() -> None:
    account = _account()
    assert account.fill(SYMBOL, Side.BUY, D("50000"), D("0.3"), 1) == 0
    assert account.fill(SYMBOL, Side.BUY, D("50300"), D("0.6"), 2) == 0
    assert account.position(SYMBOL).entry_price == D("50200")
    assert account.fill(SYMBOL, Side.SELL, D("50500"), D("0.3"), 3) == D("90")
    assert account.fill(SYMBOL, Side.SELL, D("50100"), D("0.6"), 4) == D("-60")
    position = account.position(SYMBOL)
    assert (position.quantity, position.basis) == (D(0), D(0))


def test_a_fill_beyond_the_position_closes_it_and_opens_the_rest_the_other_way() -> None:
    account = _account()
    account.fill(SYMBOL, Side.BUY, D("50000"), D("0.3"), 1)
    assert account.fill(SYMBOL, Side.SELL, D("50100"), D("0.5"), 2) == D("30")
    position = account.position(SYMBOL)
    assert (position.quantity, position.entry_price) == (D("-0.2"), D("50100"))


@given(
    st.lists(
        st.tuples(st.booleans(), st.integers(1, 10**7), st.integers(1, 10**5)),
        min_size=1,
        max_size=60,
    )
)
def test_profits_add_up_to_the_cash_that_flowed(fills: list[tuple[bool, int, int]]) -> None:
    account = _account()
    cash = profit = Decimal(0)
    held = Decimal(0)
    for buys, ticks, steps in fills:
        price, quantity = ticks * D("0.01"), steps * D("0.001")
        side = Side.BUY if buys else Side.SELL
        cash -= side.sign * price * quantity
        held += side.sign * quantity
        profit += account.fill(SYMBOL, side, price, quantity, 0)
    last = D("123.45")
    # Whatever was rounded off a profit stays in the basis: closing all shows every digit.
    if held:
        side = Side.SELL if held > 0 else Side.BUY
        profit += account.fill(SYMBOL, side, last, abs(held), 0)
        cash += held * last
    assert profit == cash
    assert account.position(SYMBOL).basis == 0


_COMMANDS = st.lists(
    st.tuples(
        st.sampled_from(["trade", "limit", "market", "post", "stop", "reduce", "cancel"]),
        st.booleans(),
        st.integers(-40, 40),
        st.integers(2, 60),
    ),
    max_size=60,
)


@settings(max_examples=60, deadline=None)
@given(_COMMANDS)
def test_the_wallet_is_the_sum_of_the_ledger_whatever_is_done(
    commands: list[tuple[str, bool, int, int]],
) -> None:
    bench = Bench(balance="2000")
    for command, buys, offset, size in commands:
        _carry_out(bench, command, Side.BUY if buys else Side.SELL, offset, size)
    account = bench.account
    assert account.wallet == sum((e.amount for e in account.ledger), Decimal(0))
    bought = sum((t.side.sign * t.quantity for t in account.trades), Decimal(0))
    assert bench.held == bought
    fees = sum((t.commission for t in account.trades), Decimal(0))
    profits = sum((t.realised_pnl for t in account.trades), Decimal(0))
    assert account.wallet == 2000 + profits - fees
    for order in bench.exchange.books.orders_of(account):
        assert 0 <= order.filled <= order.quantity
        met = [t for t in account.trades if t.order_id == order.order_id]
        assert order.filled == sum((t.quantity for t in met), Decimal(0))


def _carry_out(bench: Bench, command: str, side: Side, offset: int, size: int) -> None:
    last = bench.market.last or Decimal(0)
    price = format(last + offset * D("10.0"), "f")
    quantity = format(size * D("0.001"), "f")
    try:
        match command:
            case "trade":
                bench.trade(price, quantity=format(size * D("0.1"), "f"))
            case "limit":
                bench.limit(side, price, quantity)
            case "post":
                bench.limit(side, price, quantity, TimeInForce.POST_ONLY)
            case "market":
                bench.market_order(side, quantity)
            case "reduce":
                bench.limit(side, price, quantity, reduce_only=True)
            case "stop":
                kind = OrderKind.STOP_MARKET if size % 2 else OrderKind.TAKE_PROFIT_MARKET
                bench.stop(side, price, kind=kind, quantity=None if size % 3 else quantity)
            case "cancel":
                bench.exchange.trading.cancel_all(bench.account, SYMBOL, bench.clock.now_ms)
    except Refusal:
        return  # the flow is random: much of it is refused, and that changes nothing


def test_funding_is_paid_on_the_mark_price_by_who_holds() -> None:
    bench = Bench()
    bench.feed.rate = D("0.0003")
    bench.market_order(Side.BUY, "0.100")
    bench.trade("50500.0", after_s=600)
    before = bench.account.wallet
    funding_ms = START_MS + 8 * 3_600_000
    bench.clock.now_ms = funding_ms
    bench.exchange.close_bars(funding_ms)
    paid = to_ledger(D("0.100") * bench.market.mark * D("0.0003"))
    assert bench.account.wallet == before - paid
    entry = bench.account.ledger[-1]
    assert (entry.kind, entry.amount, entry.time_ms) == ("FUNDING_FEE", -paid, funding_ms)
    assert bench.told[-1] == FundsMoved("FUNDING_FEE", SYMBOL, -paid, funding_ms)


def test_funding_is_not_paid_by_an_empty_position_nor_at_other_hours() -> None:
    bench = Bench()
    bench.exchange.close_bars(START_MS + 8 * 3_600_000)
    bench.market_order(Side.SELL, "0.100")
    bench.exchange.close_bars(START_MS + 9 * 3_600_000)
    assert {entry.kind for entry in bench.account.ledger} == {"TRANSFER", "COMMISSION"}


@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
def test_a_position_beyond_its_liquidation_price_is_closed_by_force(side: Side) -> None:
    bench = Bench()
    bench.exchange.set_leverage(bench.account, SYMBOL, 50)
    bench.market_order(side, "0.100")
    stop_price = "52000.0" if side is Side.BUY else "48000.0"
    resting = bench.limit(side.opposite, stop_price, "0.010")
    position = bench.account.position(SYMBOL)
    limit = liquidation_price(bench.account, position, bench.exchange.markets)
    # 2 % of margin, 0.4 % of it kept: liquidated 1.6 % away.
    assert abs(limit / position.entry_price - 1) == pytest.approx(D("0.016"), abs=D("0.0003"))
    near = (limit + side.sign * 20).quantize(D(1))
    bench.trade(f"{near}.0", after_s=600)
    assert bench.held != 0
    bench.trade(f"{near - side.sign * 60}.0", after_s=600)
    assert bench.held == 0
    last = bench.exchange.books.orders_of(bench.account)[-1]
    assert last.client_id.startswith("autoclose-")
    assert not resting.is_open


def test_crossed_margin_liquidates_only_when_the_whole_wallet_is_gone() -> None:
    bench = Bench(balance="10000")
    bench.exchange.set_margin_type(bench.account, SYMBOL, isolated=False)
    bench.market_order(Side.BUY, "0.100")
    position = bench.account.position(SYMBOL)
    assert liquidation_price(bench.account, position, bench.exchange.markets) == 0
    assert position.isolated_wallet == 0


def test_funding_is_paid_on_the_mark_price_where_the_last_one_has_run_away() -> None:
    bench = Bench()
    bench.feed.rate = D("0.0003")
    bench.market_order(Side.BUY, "0.100")
    funding_ms = START_MS + 8 * 3_600_000
    bench.clock.now_ms = funding_ms - 2_000
    bench.trade("50000.0", after_s=0)  # here the mark price is, too
    bench.trade("50900.0", after_s=1)
    before = bench.account.wallet
    bench.clock.now_ms = funding_ms
    bench.exchange.close_bars(funding_ms)
    assert bench.market.last is not None
    assert bench.market.last - bench.market.mark > 100
    assert before - bench.account.wallet == to_ledger(
        D("0.100") * bench.market.mark * D("0.0003")
    )
