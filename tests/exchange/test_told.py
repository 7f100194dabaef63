"""What the user stream may tell: nothing twice, nothing backwards, and nothing left out."""

from decimal import Decimal

from rusy_tui.domain.account import AccountChanged
from rusy_tui.exchange.told import Told

D = Decimal


def moved(at_ms: int, wallet: str, **positions: str) -> AccountChanged:
    """An event of the account: the wallet whole, and the positions that moved."""
    return AccountChanged(
        reason="order",
        positions={f"{name}USDT": (D(size), D(100)) for name, size in positions.items()},
        wallets={"USDT": D(wallet)},
        changes={},
        event_ms=at_ms,
    )


def test_an_event_that_comes_twice_is_told_once() -> None:
    told = Told("USDT")
    event = moved(10, "100", BTC="1")
    assert told.account(event, 0) == event
    assert told.account(event, 0) is None


def test_an_older_event_of_another_symbol_keeps_its_position_and_turns_no_wallet_back() -> None:
    """Order between events is not promised; each position is told only when it moved."""
    told = Told("USDT")
    assert told.account(moved(11, "90", BTC="1"), 0) is not None
    late = told.account(moved(10, "95", ETH="2"), 0)
    assert late is not None
    assert late.positions == {"ETHUSDT": (D(2), D(100))}
    assert late.wallets == {}
    assert told.positions == {"BTCUSDT": D(1), "ETHUSDT": D(2)}
    assert told.wallet == 90


def test_an_older_event_of_the_same_symbol_turns_nothing_back() -> None:
    told = Told("USDT")
    told.account(moved(11, "90", BTC="3"), 0)
    late = told.account(moved(10, "95", BTC="1"), 0)
    assert late is not None
    assert (late.positions, late.wallets) == ({}, {})
    assert told.positions == {"BTCUSDT": D(3)}


def test_what_a_reading_knows_better_is_not_told_by_an_event_from_before_it() -> None:
    told = Told("USDT")
    late = told.account(moved(10, "95", BTC="1"), read_ms=20)
    assert late is not None
    assert (late.positions, late.wallets) == ({}, {})
    assert told.positions == {}
