"""What an account may set, and what the exchange does to its positions by itself."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rusy_tui.domain.order import OrderState, Side
from rusy_tui.simulator.account import Account, liquidation_price, margin_used
from rusy_tui.simulator.brackets import STANDARD, maintenance_margin, table
from rusy_tui.simulator.happenings import FundsMoved, MarginCall, OrderMoved
from rusy_tui.simulator.ranking import adl_quantile
from rusy_tui.simulator.refusals import Refusal
from rusy_tui.simulator.switches import Switches
from tests.simulator.support import SYMBOL, Bench, D, ScriptedFeed, code_of, state_of

_MOVES = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "trade",
                "gap",
                "buy",
                "sell",
                "rest",
                "fund",
                "add",
                "take",
                "leverage",
                "liquidate",
                "deleverage",
                "transfer",
                "cancel",
            ]
        ),
        st.integers(-40, 40),
        st.integers(1, 60),
    ),
    max_size=60,
)


@settings(max_examples=120, deadline=None)
@given(st.booleans(), _MOVES)
def test_the_wallet_is_the_sum_of_the_income_whatever_happens(
    isolated: bool, moves: list[tuple[str, int, int]]
) -> None:
    bench = Bench(balance="2000")
    if not isolated:
        bench.exchange.set_margin_type(bench.account, SYMBOL, isolated=False)
    account = bench.account
    for move, offset, size in moves:
        _carry_out(bench, move, offset, size)
        entries = account.ledger
        assert account.wallet == sum((e.amount for e in entries), Decimal(0))
        position = account.position(SYMBOL)
        # Whatever is set aside came by a move, or by funding.
        aside = sum((m.amount for m in account.margin_moves), Decimal(0))
        if isolated:
            aside += sum((e.amount for e in entries if e.kind == "FUNDING_FEE"), Decimal(0))
        assert position.isolated_wallet == aside
        assert position.quantity or not position.isolated_wallet
    known = {"TRANSFER", "COMMISSION", "REALIZED_PNL", "FUNDING_FEE", "INSURANCE_CLEAR"}
    assert {entry.kind for entry in account.ledger} <= known
    assert len({entry.entry_id for entry in account.ledger}) == len(account.ledger)


def _carry_out(bench: Bench, move: str, offset: int, size: int) -> None:
    exchange, account = bench.exchange, bench.account
    last = bench.market.last or Decimal(0)
    quantity = format(size * D("0.001"), "f")
    try:
        match move:
            case "trade":
                bench.trade(format(last + offset * 10, "f"), after_s=30)
            case "gap":
                bench.trade(format(last + offset * 400, "f"), after_s=120)
            case "buy":
                bench.market_order(Side.BUY, quantity)
            case "sell":
                bench.market_order(Side.SELL, quantity)
            case "rest":
                side = Side.BUY if offset < 0 else Side.SELL
                bench.limit(side, format(last + offset * 10, "f"), quantity)
            case "fund":
                bench.feed.rate = offset * D("0.0001")
                exchange.pay_funding()
            case "add" | "take":
                amount = size * D("1.37") * (1 if move == "add" else -1)
                exchange.settings.move_margin(account, SYMBOL, amount, bench.clock.now_ms)
            case "leverage":
                exchange.set_leverage(account, SYMBOL, size)
            case "liquidate":
                exchange.liquidate(account, SYMBOL)
            case "deleverage":
                exchange.deleverage(account, SYMBOL, D(quantity))
            case "transfer":
                exchange.transfer(account, offset * D("3.00000001"))
            case "cancel":
                exchange.trading.cancel_all(account, SYMBOL, bench.clock.now_ms)
    except (Refusal, LookupError, ValueError):
        return  # the flow is random: what can't be done changes nothing


# ── liquidation ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("quantity", ["0.100", "2.500"], ids=["first bracket", "second"])
@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
def test_the_price_of_liquidation_is_where_all_that_is_left_must_be_kept(
    side: Side, quantity: str
) -> None:
    bench = Bench()
    bench.market_order(side, quantity)
    position = bench.account.position(SYMBOL)
    limit = liquidation_price(bench.account, position, bench.exchange.markets)
    left = position.isolated_wallet + position.unrealised(limit)
    assert left == pytest.approx(
        maintenance_margin(STANDARD, position.size * limit), abs=D("1e-6")
    )


def test_a_gap_through_the_liquidation_price_costs_the_margin_and_no_more() -> None:
    bench = Bench()
    bench.market_order(Side.BUY, "0.100")
    margin, before = bench.account.position(SYMBOL).isolated_wallet, bench.account.wallet
    bench.trade("40000.0", after_s=600)
    assert bench.held == 0
    assert bench.account.wallet == before - margin
    cleared = bench.account.ledger[-1]
    assert cleared.kind == "INSURANCE_CLEAR"
    assert bench.told[-1] == FundsMoved(
        "INSURANCE_CLEAR", SYMBOL, cleared.amount, cleared.time_ms
    )


def test_crossed_the_wallet_is_lost_and_no_more() -> None:
    bench = Bench(balance="600")
    bench.exchange.set_margin_type(bench.account, SYMBOL, isolated=False)
    bench.market_order(Side.BUY, "0.100")
    bench.trade("40000.0", after_s=600)
    assert (bench.held, bench.account.wallet) == (D(0), D(0))


def test_liquidated_on_purpose_it_is_told_like_any_other() -> None:
    bench = Bench()
    bench.market_order(Side.SELL, "0.100")
    bench.exchange.liquidate(bench.account, SYMBOL)
    moved = [told for told in bench.told if isinstance(told, OrderMoved)][-1]
    assert moved.execution == "CALCULATED"
    assert moved.order.client_id == f"autoclose-{moved.order.order_id}"
    with pytest.raises(LookupError):
        bench.exchange.liquidate(bench.account, SYMBOL)


def test_margin_is_called_for_once_before_a_liquidation() -> None:
    bench = Bench()
    bench.market_order(Side.BUY, "0.100")
    position = bench.account.position(SYMBOL)
    limit = liquidation_price(bench.account, position, bench.exchange.markets)
    near = (limit + 20).quantize(D(1))
    bench.trade(f"{near}.0", after_s=600)
    bench.trade(f"{near}.0", after_s=600)
    used = margin_used(bench.account, position, bench.exchange.markets)
    assert used is not None
    assert D("0.8") <= used < 1
    assert len([told for told in bench.told if isinstance(told, MarginCall)]) == 1
    # Over, and called for again when it comes back.
    bench.trade("50000.0", after_s=600)
    bench.trade(f"{near}.0", after_s=600)
    assert len([told for told in bench.told if isinstance(told, MarginCall)]) == 2


def test_funding_moves_the_margin_of_an_isolated_position_and_so_its_limit() -> None:
    bench = Bench()
    bench.market_order(Side.BUY, "0.100")
    position = bench.account.position(SYMBOL)
    margin = position.isolated_wallet
    limit = liquidation_price(bench.account, position, bench.exchange.markets)
    bench.exchange.pay_funding()
    paid = -bench.account.ledger[-1].amount
    assert paid > 0
    assert position.isolated_wallet == margin - paid
    assert liquidation_price(bench.account, position, bench.exchange.markets) > limit


# ── ADL and settlement ────────────────────────────────────────────────────────────────


def test_adl_closes_a_part_at_the_mark_price() -> None:
    bench = Bench()
    bench.market_order(Side.BUY, "0.100")
    bench.trade("50500.0", after_s=600)
    bench.exchange.deleverage(bench.account, SYMBOL, D("0.040"))
    assert bench.held == D("0.060")
    trade = bench.account.trades[-1]
    assert trade.client_id == "adl_autoclose"
    assert trade.price == bench.market.instrument.price_down(bench.market.mark)
    with pytest.raises(ValueError, match="to deleverage"):
        bench.exchange.deleverage(bench.account, SYMBOL, D("0.061"))


def test_who_gained_most_stands_first_in_the_queue() -> None:
    bench = Bench()
    bench.market_order(Side.BUY, "0.010")
    bench.trade("50500.0", after_s=600)
    late = bench.other
    bench.limit(Side.BUY, "50600.0", "0.010", account=late)
    bench.trade("51000.0", after_s=600)
    accounts = bench.exchange.books.accounts
    assert adl_quantile(accounts, bench.account, bench.market) == 4
    assert adl_quantile(accounts, late, bench.market) == 0


def test_settlement_ends_everything_in_a_symbol() -> None:
    bench = Bench(ScriptedFeed(symbols=(SYMBOL, "ETHUSDT")))
    bench.market_order(Side.BUY, "0.100")
    resting = bench.limit(Side.BUY, "49000.0")
    stop = bench.stop(Side.SELL, "48000.0")
    other = bench.limit(Side.SELL, "49990.0", "0.020", account=bench.other)
    assert other.filled == D("0.020")
    bench.exchange.settle(SYMBOL)
    assert state_of(resting) is state_of(stop) is OrderState.EXPIRED
    for account in (bench.account, bench.other):
        assert not account.open_positions()
        last = account.trades[-1]
        assert last.client_id == f"settlement_autoclose-{last.order_id}"
    assert code_of(lambda: bench.market_order(Side.BUY)) == -4141


# ── what an account sets ──────────────────────────────────────────────────────────────


def test_leverage_is_bounded_by_the_symbols_own_table() -> None:
    bench = Bench()
    exchange, account = bench.exchange, bench.account
    exchange.change_instrument(
        SYMBOL, brackets=table([(30, "5000", "0.01"), (10, "100000", "0.02")])
    )
    assert code_of(lambda: exchange.set_leverage(account, SYMBOL, 31)) == -4028
    assert code_of(lambda: exchange.set_leverage(account, SYMBOL, 0)) == -4028
    bench.market_order(Side.BUY, "0.090")
    assert code_of(lambda: exchange.set_leverage(account, SYMBOL, 30)) == 0
    assert code_of(lambda: exchange.set_leverage(account, SYMBOL, 25)) == -4161
    assert code_of(lambda: bench.market_order(Side.BUY, "0.020")) == -2027
    bench.market_order(Side.SELL, "0.090")
    exchange.set_leverage(account, SYMBOL, 10)
    bench.market_order(Side.BUY, "0.200")
    assert code_of(lambda: exchange.set_leverage(account, SYMBOL, 30)) == -2027


def test_a_lower_leverage_wants_the_margin_that_it_binds() -> None:
    bench = Bench(balance="400")
    bench.exchange.set_margin_type(bench.account, SYMBOL, isolated=False)
    bench.market_order(Side.BUY, "0.100")
    set_leverage = bench.exchange.set_leverage
    assert code_of(lambda: set_leverage(bench.account, SYMBOL, 10)) == -2028
    assert bench.account.setting(SYMBOL).leverage == 20


def test_modes_change_only_without_orders_and_positions() -> None:
    bench = Bench()
    set_hedge = bench.exchange.settings.set_hedge
    order = bench.limit(Side.BUY, "49000.0")
    assert code_of(lambda: set_hedge(bench.account, False)) == -4059
    assert code_of(lambda: set_hedge(bench.account, True)) == -4067
    set_assets = bench.exchange.settings.set_multi_assets
    assert code_of(lambda: set_assets(bench.account, True, 0)) == -4170
    bench.exchange.trading.cancel(bench.account, SYMBOL, order.order_id, "", 0)
    bench.market_order(Side.BUY)
    assert code_of(lambda: set_hedge(bench.account, True)) == -4068
    bench.market_order(Side.SELL)
    assert code_of(lambda: set_hedge(bench.account, True)) == 0


def test_margin_can_leave_a_position_only_as_far_as_it_is_spare() -> None:
    bench = Bench()
    bench.market_order(Side.BUY, "0.100")
    move = bench.exchange.settings.move_margin
    position = bench.account.position(SYMBOL)
    before, limit = (
        position.isolated_wallet,
        liquidation_price(bench.account, position, bench.exchange.markets),
    )
    move(bench.account, SYMBOL, D("50"), 1)
    assert position.isolated_wallet == before + 50
    assert liquidation_price(bench.account, position, bench.exchange.markets) < limit
    assert code_of(lambda: move(bench.account, SYMBOL, D("-60"), 1)) == -4051
    move(bench.account, SYMBOL, D("-40"), 1)
    assert position.isolated_wallet == before + 10
    assert code_of(lambda: move(bench.account, SYMBOL, D("10000"), 1)) == -4050


def test_commission_goes_by_the_tier() -> None:
    def pays(tier: int) -> tuple[Decimal, Decimal]:
        account = Account(number=0, api_key="", api_secret="", fee_tier=tier)
        return account.maker_rate, account.taker_rate

    assert pays(0) == (D("0.0002"), D("0.0005"))
    assert pays(9) == (D(0), D("0.00017"))
    assert [pays(tier) for tier in range(10)] == sorted(map(pays, range(10)), reverse=True)


def test_in_hedge_mode_no_order_is_taken() -> None:
    bench = Bench()
    bench.exchange.settings.set_hedge(bench.account, True)
    assert code_of(lambda: bench.market_order(Side.BUY)) == -4061
    assert code_of(lambda: bench.stop(Side.SELL, "49000.0")) == -4061


@pytest.mark.parametrize("isolated", [False, True])
def test_a_switch_says_what_margin_an_account_starts_with(isolated: bool) -> None:
    bench = Bench(switches=Switches(accounts_start_isolated=isolated))
    assert bench.other.setting(SYMBOL).isolated is isolated


@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
def test_a_position_that_is_turned_round_has_margin_of_its_own(side: Side) -> None:
    bench = Bench()
    bench.market_order(side, "0.100")
    bench.market_order(side.opposite, "0.250")
    position = bench.account.position(SYMBOL)
    assert position.quantity == side.opposite.sign * D("0.150")
    bound = position.size * position.entry_price / 20
    assert position.isolated_wallet == pytest.approx(bound, rel=D("0.001"))
