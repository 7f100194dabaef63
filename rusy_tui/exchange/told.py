"""What the user stream has told of the account: each fill once, no order backwards. Pure."""

from collections.abc import Container, Iterable, Mapping
from decimal import Decimal

import msgspec

from rusy_tui.domain.account import AccountChanged, AccountRead, OrderChanged, Position
from rusy_tui.domain.order import Fill, OrderBook, OrderReport

# Fills and orders that may be told again; more than an account makes in a day.
_MOST_FILLS = 50_000
_MOST_ORDERS = 10_000

_OrderKey = tuple[OrderBook, str]


class Told:
    """The account as told so far."""

    def __init__(self, asset: str) -> None:
        self._asset = asset
        self._fills: dict[tuple[str, int], None] = {}
        self._orders: dict[_OrderKey, OrderReport] = {}
        self._resting: dict[_OrderKey, None] = {}
        self._account_ms = 0
        self._position_ms: dict[str, int] = {}
        self._last_accounts: list[AccountChanged] = []
        self.positions: dict[str, Decimal] = {}
        self.wallet: Decimal | None = None

    def fills(self, fills: Iterable[Fill]) -> list[Fill]:
        """Those that were not told yet; they are now."""
        new = []
        for fill in fills:
            key = (fill.symbol, fill.exchange_trade_id)
            if key not in self._fills:
                self._fills[key] = None
                new.append(fill)
        while len(self._fills) > _MOST_FILLS:
            del self._fills[next(iter(self._fills))]
        return new

    def order(self, event: OrderChanged) -> OrderChanged | None:
        """An event of an order as it may be told: a fill once, a state never backwards.

        None when it says nothing new.
        """
        fills = self.fills([event.fill] if event.fill is not None else [])
        newest = self._newest(event.report)
        if newest is event.report:
            return OrderChanged(newest, fills[0] if fills else None, event.event_ms)
        return OrderChanged(newest, fills[0], event.event_ms) if fills else None

    def account(self, event: AccountChanged, read_ms: int) -> AccountChanged | None:
        """An event of the account as it may be told; None when it was told already.

        Args:
            event: as the stream says.
            read_ms: exchange time from which on a full read was made: figures older than it
                are known better.
        """
        if event in self._last_accounts:
            return None
        as_sent = event
        if event.event_ms < self._account_ms:
            # A wallet is told whole each time, a position only when it moved.
            event = msgspec.structs.replace(event, wallets={})
        elif event.event_ms > self._account_ms:
            self._last_accounts.clear()
        if event.event_ms < read_ms:
            return msgspec.structs.replace(event, positions={}, wallets={})
        self._account_ms = max(self._account_ms, event.event_ms)
        self._last_accounts.append(as_sent)
        self.wallet = event.wallets.get(self._asset, self.wallet)
        newer = {
            symbol: figures
            for symbol, figures in event.positions.items()
            if event.event_ms >= self._position_ms.get(symbol, 0)
        }
        for symbol, (quantity, _) in newer.items():
            self._position_ms[symbol] = event.event_ms
            self._hold(symbol, quantity)
        return msgspec.structs.replace(event, positions=newer)

    def read(
        self,
        found: AccountRead,
        since: Mapping[_OrderKey, OrderReport],
    ) -> AccountRead:
        """A full read as it may be told: no order older than told, no fill twice.

        Args:
            found: as the exchange answered.
            since: orders told while it was being read (see :meth:`orders`).
        """
        orders: dict[_OrderKey, OrderReport] = {}
        for report in found.orders:
            newest = self._newest(report)
            if not newest.state.is_final:
                orders[_key(report)] = newest
        for key, report in self._orders.items():
            # Placed after the book had been read.
            if key not in orders and not report.state.is_final and since.get(key) != report:
                orders[key] = report
        self._resting = dict.fromkeys(orders)
        self.wallet = found.balance.wallet
        self.positions = {}
        for position in found.positions:
            self._hold(position.symbol, position.quantity)
        fills = sorted(self.fills(found.fills), key=lambda f: (f.time_ms, f.exchange_trade_id))
        return msgspec.structs.replace(found, orders=tuple(orders.values()), fills=tuple(fills))

    def knows(self, report: OrderReport) -> bool:
        """Whether what a report says of its order, or something later, has been told."""
        told = self._orders.get(_key(report))
        if told is None:
            return False
        ended = told.state.is_final or not report.state.is_final
        return ended and told.filled_quantity >= report.filled_quantity

    def orders(self) -> Mapping[_OrderKey, OrderReport]:
        """Every order as last told."""
        return dict(self._orders)

    def difference(
        self,
        wallet: Decimal,
        positions: Iterable[Position],
        orders: Iterable[OrderReport],
        symbols: Container[str],
    ) -> str | None:
        """Where a reading differs from what was told, in words; None where they agree.

        Args:
            wallet: of the asset.
            positions: of all symbols.
            orders: the open ones of both books, of these symbols:
            symbols: whose orders were read.
        """
        if self.wallet is not None and wallet != self.wallet:
            return f"wallet {wallet}, told {self.wallet}"
        held = {p.symbol: p.quantity for p in positions if p.quantity}
        for symbol in sorted({*held, *self.positions}):
            is_held, told = held.get(symbol, 0), self.positions.get(symbol, 0)
            if is_held != told:
                return f"position of {symbol} {is_held}, told {told}"
        found = {_key(report): report for report in orders if report.state.is_resting}
        told_resting = {
            key: report
            for key in self._resting
            if (report := self._orders[key]).symbol in symbols and report.state.is_resting
        }
        for key, report in told_resting.items():
            if key not in found:
                return f"order {report.client_order_id} is gone, told as resting"
        for key, report in found.items():
            if key not in told_resting:
                return f"order {report.client_order_id} rests, not told"
        return None

    def _newest(self, report: OrderReport) -> OrderReport:
        """The newer of a report and what was told of its order, which it becomes."""
        key = _key(report)
        known = self._orders.get(key)
        if known is not None and _is_older(report, known):
            return known
        self._orders.pop(key, None)
        self._orders[key] = report
        if report.state.is_final:
            self._resting.pop(key, None)
        else:
            self._resting[key] = None
        while len(self._orders) > _MOST_ORDERS:
            oldest = next(iter(self._orders))
            del self._orders[oldest]
            self._resting.pop(oldest, None)
        return report

    def _hold(self, symbol: str, quantity: Decimal) -> None:
        if quantity:
            self.positions[symbol] = quantity
        else:
            self.positions.pop(symbol, None)


def _key(report: OrderReport) -> _OrderKey:
    return report.book, f"{report.symbol} {report.exchange_order_id}"


def _is_older(report: OrderReport, known: OrderReport) -> bool:
    """Whether a report says less than what is known. An end is never undone."""
    if known.state.is_final != report.state.is_final:
        return known.state.is_final
    if report.filled_quantity != known.filled_quantity:
        return report.filled_quantity < known.filled_quantity
    return report.update_ms < known.update_ms
