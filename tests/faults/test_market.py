"""The adapter under each fault of accounts and of the market itself: what must hold in every
case is in :func:`tests.faults.world.must_hold`. A round's position is open, and its stop
rests, from about 2 to 6 s after its beginning; the first round begins with the faults.
"""

from collections import Counter
from decimal import Decimal

import pytest

from rusy_tui.domain.order import Cause, OrderState
from rusy_tui.simulator.faults import Kind
from tests.faults.trader import QUANTITY, Trader
from tests.faults.view import SYMBOL
from tests.faults.world import Run, fault, must_hold, under

IN_THE_ROUND_S = 4.5
GAP_S = 3.0
"""The mark price, by which stops trigger, follows the last one only by and by."""


def states(run: Run, wish: str) -> list[str]:
    """The states in which what was sent for a wish ended, in the exchange's books."""
    algos = run.exchange.books.algos_of(run.exchange.books.accounts[0])
    return [algo.state.value for algo in algos if algo.client_id.startswith(wish)]


def closed_by(run: Run) -> Counter[str]:
    """How many of the account's orders carry a name that the exchange itself gives."""
    orders = run.exchange.books.orders_of(run.exchange.books.accounts[0])
    return Counter(o.client_id.partition("-")[0] for o in orders if "autoclose" in o.client_id)


def test_a_gap_through_the_stop() -> None:
    run = under(fault(Kind.PRICE_GAP, at_s=GAP_S, symbol=SYMBOL, factor=0.7))
    must_hold(run)
    assert states(run, "r1-stop") == ["finished"]
    out = run.exchange.books.accounts[0].trades[1]
    # Sold far below its trigger, 3 % under the entry.
    assert out.price < Decimal(48_000)


def test_a_stop_stuck_in_triggering_leaves_the_position_to_the_exit() -> None:
    run = under(
        fault(Kind.TRIGGERS_HELD, lasts_s=30, at_s=3, symbol=SYMBOL),
        fault(Kind.PRICE_GAP, at_s=GAP_S, symbol=SYMBOL, factor=0.7),
    )
    must_hold(run)
    # The exit closed it while the stop hung.
    assert "r1-exit0" in {attempt.wish for attempt in run.trader.attempts}
    assert OrderState.TRIGGERING in run.view.seen["r1-stop.0"]
    assert states(run, "r1-stop") == ["expired"]


def test_a_stop_that_the_exchange_ends_is_seen() -> None:
    run = under(fault(Kind.STOP_EXPIRED, symbol=SYMBOL, delay_s=2.0))
    must_hold(run)
    assert run.struck["stop_expired"] >= 3
    assert states(run, "r1-stop") == ["expired"]


def test_a_partial_fill_and_then_silence() -> None:
    async def script(trader: Trader, until_ms: int) -> None:
        del until_ms
        await trader.rest_near("r1")
        await trader.rest_near("r2")

    run = under(fault(Kind.FILLS_LIMITED, symbol=SYMBOL, fraction=0.4), script=script)
    must_hold(run)
    bought = [t.quantity for t in run.exchange.books.accounts[0].trades if t.side == "buy"]
    assert bought
    assert Decimal(0) < bought[0] < QUANTITY


def test_a_market_exit_without_a_counterpart_goes_to_the_edge_of_the_band() -> None:
    run = under(fault(Kind.THIN_BOOK, lasts_s=20, at_s=IN_THE_ROUND_S, symbol=SYMBOL))
    must_hold(run)
    assert run.rejected(Cause.PRICE_BAND) >= 2
    assert any(attempt.wish.endswith("-band") for attempt in run.trader.attempts)


@pytest.mark.parametrize("code", [-4192, -4140, -4400])
def test_barred_openings_let_exits_pass(code: int) -> None:
    run = under(
        fault(Kind.OPENINGS_BARRED, lasts_s=20, at_s=IN_THE_ROUND_S, symbol=SYMBOL, code=code)
    )
    must_hold(run)
    assert run.rejected(Cause.BARRED) >= 2
    assert run.trader.rounds >= 3


@pytest.mark.parametrize(
    "change",
    [
        {"min_notional": "600"},
        {"tick_size": "1"},
        {"status": "SETTLING"},
        {"funding_interval_h": 4},
        {"market_max_quantity": "0.005"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_contract_that_changes(change: dict[str, object]) -> None:
    run = under(
        fault(Kind.INSTRUMENT_CHANGED, at_s=20, symbol=SYMBOL, change=change),
        script=_until_changed,
    )
    must_hold(run)
    assert run.struck["instrument_changed"] == 1


async def _until_changed(trader: Trader, until_ms: int) -> None:
    """No position is open at the change: what may then be sent is the filters' matter."""
    await trader.round("r1")
    await trader.round("r2")


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (Kind.LIQUIDATED, "autoclose"),
        (Kind.DELEVERAGED, "adl_autoclose"),
        (Kind.SETTLED, "settlement_autoclose"),
    ],
)
def test_what_the_exchange_closes_by_itself_is_counted(kind: Kind, name: str) -> None:
    times = None if kind is Kind.SETTLED else 1
    run = under(fault(kind, at_s=IN_THE_ROUND_S, symbol=SYMBOL, times=times))
    must_hold(run)
    assert closed_by(run) == {name: 1}
