"""A local book: the exchange's own procedure, and what it does with a gap."""

import random
from collections.abc import Sequence
from decimal import Decimal

import pytest

from rusy_tui.exchange.order_book import BookDiff, BookSnapshot, GapError, Level, LocalBook


def levels(*pairs: tuple[str, str]) -> list[Level]:
    return [(Decimal(price), Decimal(quantity)) for price, quantity in pairs]


BIDS = levels(("100.1", "1"), ("100.0", "2"))
QUANTITIES = (0, 0, 1, 2)
ASKS = levels(("100.2", "3"), ("100.4", "4"))


def diff(
    first: int, last: int, previous: int, bids: Sequence[Level] = (), asks: Sequence[Level] = ()
) -> BookDiff:
    return BookDiff("BTCUSDT", first, last, previous, bids, asks, last)


def begun(last_update_id: int = 100) -> LocalBook:
    book = LocalBook("BTCUSDT")
    book.start(BookSnapshot(last_update_id, BIDS, ASKS, 1))
    return book


def test_what_the_snapshot_has_already_is_dropped_and_the_first_overlaps_it() -> None:
    book = begun()
    assert not book.apply(diff(90, 99, 89, levels(("100.1", "9"))))
    assert book.apply(diff(95, 105, 94, levels(("100.1", "5"))))
    top = book.top()
    assert top is not None
    assert (top.bid, top.bid_quantity) == (Decimal("100.1"), Decimal(5))
    assert book.last_update_id == 105


def test_a_difference_that_follows_the_snapshot_exactly_is_right() -> None:
    assert begun().apply(diff(101, 105, 100))


def test_a_snapshot_older_than_the_first_difference_is_of_no_use() -> None:
    book = begun()
    with pytest.raises(GapError):
        book.apply(diff(103, 105, 102))
    assert book.top() is None


def test_one_missing_difference_makes_the_book_unknown() -> None:
    book = begun()
    book.apply(diff(99, 105, 98))
    with pytest.raises(GapError, match="after 105 comes 107 to 110"):
        book.apply(diff(108, 110, 107))
    assert book.top() is None
    assert book.depth(5) is None
    assert not book.apply(diff(111, 112, 110))


def test_the_same_difference_twice_changes_nothing() -> None:
    book = begun()
    one = diff(99, 105, 98, levels(("100.1", "5")))
    assert book.apply(one)
    assert not book.apply(one)


def test_levels_come_go_and_stay_in_order() -> None:
    book = begun()
    book.apply(diff(99, 105, 98, levels(("100.1", "0"), ("99.9", "7"), ("98", "0")),
                    levels(("100.15", "1"), ("100.4", "0"))))  # fmt: skip
    assert book.depth(5) == (
        levels(("100.0", "2"), ("99.9", "7")),
        levels(("100.15", "1"), ("100.2", "3")),
    )
    assert book.depth(1) == (levels(("100.0", "2")), levels(("100.15", "1")))


@pytest.mark.parametrize("seed", range(5))
def test_any_order_flow_gives_the_book_of_its_levels(seed: int) -> None:
    """Against plain dictionaries, sorted anew each time."""
    source = random.Random(seed)
    book = begun(0)
    plain = [dict(BIDS), dict(ASKS)]
    for number in range(1, 300):
        changes = []
        for side, low in ((0, 900), (1, 1002)):
            some = [
                (
                    Decimal(source.randrange(low, low + 100)) / 10,
                    Decimal(source.choice((0, 0, 1, 2))),
                )
                for _ in range(source.randrange(6))
            ]
            plain[side].update(some)
            changes.append(some)
        book.apply(diff(number, number, number - 1, *changes))
        bids = sorted(((p, q) for p, q in plain[0].items() if q), reverse=True)
        asks = sorted((p, q) for p, q in plain[1].items() if q)
        assert book.depth(1_000) == (bids, asks), f"seed {seed}"
