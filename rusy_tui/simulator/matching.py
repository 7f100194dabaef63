"""A price-time book of one symbol: everybody else's levels and our resting orders.

When a resting order fills (issue: post-only entries are the default, and fills on touch
would invent the whole edge):

* a trade printed *beyond* its price fills it wholly, at its own price;
* trades printed at *exactly* its price first consume the queue that stood ahead of it when
  it came, then fill it with what is left of their volume;
* a touch alone never does.

No orders are changed here: the book says what would happen, the exchange settles it.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal

import msgspec

from rusy_tui.domain.instrument import Instrument
from rusy_tui.domain.money import ZERO, floor_to
from rusy_tui.domain.order import Side
from rusy_tui.simulator.liquidity import Level, Liquidity
from rusy_tui.simulator.orders import Order
from rusy_tui.simulator.state import FillLimit


class Match(msgspec.Struct, frozen=True):
    """A quantity that a taking order meets at a price; ``maker`` None for everybody else's.

    Where the maker belongs to the taker's own account nothing trades: the maker expires
    (self-trade prevention EXPIRE_MAKER, the exchange's default).
    """

    price: Decimal
    quantity: Decimal
    maker: Order | None


class BestPrices(msgspec.Struct, frozen=True):
    """The top of the book, our accounts' orders included."""

    bid: Decimal
    bid_quantity: Decimal
    ask: Decimal
    ask_quantity: Decimal


_Row = tuple[Decimal, Decimal, Order | None]


class Book:
    """The book of one symbol at its last price.

    Args:
        instrument: its contract.
        liquidity: everybody else's levels.
    """

    def __init__(self, instrument: Instrument, liquidity: Liquidity) -> None:
        self.instrument = instrument
        self.liquidity = liquidity
        self.last: Decimal | None = None
        self.time_ms = 0
        self.fill_limit: FillLimit | None = None
        self._bids: dict[int, Order] = {}
        self._asks: dict[int, Order] = {}
        # What takers removed from others' levels since the last trade of the market.
        self._taken: dict[Decimal, Decimal] = {}

    # ── our accounts' orders ──────────────────────────────────────────────────────────

    def resting(self) -> list[Order]:
        """All resting orders in order of arrival."""
        return sorted((*self._bids.values(), *self._asks.values()), key=_arrival)

    def rest(self, order: Order) -> None:
        """Put an order at the end of the queue at its price."""
        best_bid, best_ask = self._others_best()
        visible = order.price <= best_bid if order.side is Side.BUY else order.price >= best_ask
        # Inside the spread it is the first at its price: nobody else stands ahead.
        others = self._left_at(order.price) if visible else ZERO
        side = self._side(order.side)
        ours = [each.queue_ahead for each in side.values() if each.price == order.price]
        # Others' levels shrink unseen: it still stands behind whoever came before it.
        order.queue_ahead = max([others, *ours])
        side[order.order_id] = order

    def restore(self, order: Order) -> None:
        """Put back an order with the place in the queue that it had."""
        self._side(order.side)[order.order_id] = order

    def remove(self, order: Order) -> None:
        """Take an order out; it may already be gone."""
        self._side(order.side).pop(order.order_id, None)

    # ── what the market does ──────────────────────────────────────────────────────────

    def printed(
        self, time_ms: int, price: Decimal, quantity: Decimal
    ) -> list[tuple[Order, Decimal]]:
        """Move to a trade of the market; what it fills of resting orders, best price first."""
        self.last, self.time_ms = price, time_ms
        self._taken.clear()
        if not self._bids and not self._asks:
            return []
        through = [order for order in self._bids.values() if order.price > price]
        through.sort(key=lambda order: (-order.price, order.rank))
        above = [order for order in self._asks.values() if order.price < price]
        above.sort(key=lambda order: (order.price, order.rank))
        fills = [(order, order.remaining) for order in (*through, *above)]
        for side in (self._bids, self._asks):
            at_price = [order for order in side.values() if order.price == price]
            fills += _consume_queue(sorted(at_price, key=_arrival), quantity)
        if self.fill_limit is not None:
            return [(order, self._fillable(order, met)) for order, met in fills[:1]]
        return fills

    def _fillable(self, order: Order, met: Decimal) -> Decimal:
        """How much of a resting order may fill of what meets it."""
        limit = self.fill_limit
        if limit is None:
            return met
        if limit.spent:
            return ZERO
        step = self.instrument.step_size
        return min(met, max(floor_to(order.remaining * limit.share, step), step))

    def levels_moved(self, prices: Iterable[Decimal]) -> None:
        """Everybody else's levels have other quantities at some prices.

        Nobody of them stands ahead of an order any more than stands at its price at all.
        """
        for price in prices:
            self._taken.pop(price, None)
        for order in (*self._bids.values(), *self._asks.values()):
            there = self.liquidity.quantity_at(order.price, self.time_ms)
            order.queue_ahead = min(order.queue_ahead, there)

    # ── what a taker meets ────────────────────────────────────────────────────────────

    def walk(
        self,
        side: Side,
        quantity: Decimal,
        limit: Decimal | None,
        account: int,
        reducible: Callable[[Order], Decimal],
    ) -> list[Match]:
        """What a taking order would meet, best price first, up to its quantity and limit.

        ``reducible`` says how much there is for a resting order to close: one that is
        reduce-only is met by no more than what others of its account have left of that.
        """
        left = quantity
        matches: list[Match] = []
        given: dict[int, Decimal] = {}
        for price, available, maker in self._opposite(side):
            if left <= ZERO or (limit is not None and _beyond(price, limit, side)):
                break
            if maker is not None and maker.account == account:
                matches.append(Match(price, ZERO, maker))
                continue
            met = min(left, available)
            if maker is not None:
                # One resting order fills under a limit, and only once.
                met = ZERO if given and self.fill_limit else self._fillable(maker, met)
                if maker.reduce_only:
                    met = min(met, reducible(maker) - given.get(maker.account, ZERO))
            if met > ZERO:
                matches.append(Match(price, met, maker))
                left -= met
                if maker is not None:
                    given[maker.account] = given.get(maker.account, ZERO) + met
        return matches

    def consume(self, matches: Iterable[Match]) -> None:
        """Remove from everybody else's levels what a taker took."""
        for match in matches:
            if match.maker is None:
                self._taken[match.price] = self._taken.get(match.price, ZERO) + match.quantity

    def would_take(self, side: Side, price: Decimal) -> bool:
        """Whether a limit order at a price would trade at once."""
        best = self.best()
        return price >= best.ask if side is Side.BUY else price <= best.bid

    # ── what is shown ─────────────────────────────────────────────────────────────────

    def best(self) -> BestPrices:
        """The best bid and ask with their quantities."""
        (bid, ask), time_ms = self._others_best(), self.time_ms
        if not self._bids and not self._asks and not self._taken:
            quantity_at = self.liquidity.quantity_at
            return BestPrices(bid, quantity_at(bid, time_ms), ask, quantity_at(ask, time_ms))
        bids, asks = self.depth(1)
        # A side that takers have emptied shows its price with nothing there.
        best_bid = bids[0] if bids else Level(bid, ZERO)
        best_ask = asks[0] if asks else Level(ask, ZERO)
        return BestPrices(best_bid.price, best_bid.quantity, best_ask.price, best_ask.quantity)

    def depth(self, count: int) -> tuple[list[Level], list[Level]]:
        """Bids and asks, best first, at most so many levels each; none before a trade."""
        if self.last is None:
            return [], []
        return (
            _levels(self._opposite(Side.SELL), count),
            _levels(self._opposite(Side.BUY), count),
        )

    def _opposite(self, side: Side) -> Iterator[_Row]:
        """The side that a taker meets: price, quantity, and whose order it is."""
        bid, ask = self._others_best()
        direction = side.sign
        best = ask if side is Side.BUY else bid
        others: Iterable[_Row] = (
            (level.price, left, None)
            for level in self.liquidity.ladder(best, direction, self.time_ms)
            if (left := level.quantity - self._taken.get(level.price, ZERO)) > ZERO
        )
        orders = self._asks if side is Side.BUY else self._bids
        ours: list[_Row] = [
            (order.price, order.remaining, order)
            for order in sorted(orders.values(), key=lambda o: (o.price * direction, o.rank))
        ]
        # Everybody else stands first at a price: ours came later, and so they are merged.
        return heapq.merge(others, ours, key=lambda row: row[0] * direction)

    def _others_best(self) -> tuple[Decimal, Decimal]:
        """Everybody else's best prices; they never cross an order of ours that rests."""
        if self.last is None:
            raise LookupError(f"{self.instrument.symbol} has not traded yet")
        bid, ask = self.liquidity.best(self.time_ms, self.last)
        tick = self.instrument.tick_size
        if self._bids:
            ask = max(ask, max(order.price for order in self._bids.values()) + tick)
        if self._asks:
            bid = min(bid, min(order.price for order in self._asks.values()) - tick)
        return bid, ask

    def _left_at(self, price: Decimal) -> Decimal:
        quantity = self.liquidity.quantity_at(price, self.time_ms)
        return max(quantity - self._taken.get(price, ZERO), ZERO)

    def _side(self, side: Side) -> dict[int, Order]:
        return self._bids if side is Side.BUY else self._asks


def _arrival(order: Order) -> int:
    return order.rank


def _beyond(price: Decimal, limit: Decimal, side: Side) -> bool:
    return price > limit if side is Side.BUY else price < limit


def _consume_queue(orders: list[Order], volume: Decimal) -> list[tuple[Order, Decimal]]:
    """What a volume printed at exactly their price fills of orders, first come first."""
    fills: list[tuple[Order, Decimal]] = []
    filled = ZERO
    for order in orders:
        left = volume - filled
        ahead = min(order.queue_ahead, left)
        order.queue_ahead -= ahead
        fill = min(order.remaining, left - ahead)
        if fill > ZERO:
            fills.append((order, fill))
            filled += fill
    return fills


def _levels(rows: Iterator[_Row], count: int) -> list[Level]:
    levels: list[Level] = []
    for price, quantity, _ in rows:
        if levels and levels[-1].price == price:
            levels[-1] = Level(price, levels[-1].quantity + quantity)
        elif len(levels) == count:
            break
        else:
            levels.append(Level(price, quantity))
    return levels
