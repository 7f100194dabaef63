"""A witness at the exchange: positions that stand without a stop, seen in its true books.

It listens to the simulated exchange itself. What the engine believes, and whatever adapter,
server and streams make of it on the way, it never sees.
"""

from decimal import Decimal

import msgspec

from rusy_tui.domain.money import ZERO
from rusy_tui.domain.order import OrderKind
from rusy_tui.simulator.account import Account, Position
from rusy_tui.simulator.core import SimulatedExchange
from rusy_tui.simulator.happenings import AccountHappening, MarketHappening
from rusy_tui.simulator.orders import AlgoOrder

# Promise P2: within this of a fill its stop rests, or the position is closed. Wall seconds;
# counted here from the fill at the exchange, which is earlier than its arrival at the engine.
LONGEST_BARE_S = 2.0


class Bare(msgspec.Struct, frozen=True, kw_only=True):
    """A position that stood without a resting stop, and for how long (wall seconds)."""

    symbol: str
    since_ms: int
    lasted_s: float


class Witness:
    """Looks at the first account's positions and stops whenever anything happens.

    Args:
        exchange: whose books are looked at; the witness becomes its listener.
    """

    def __init__(self, exchange: SimulatedExchange) -> None:
        self._exchange = exchange
        self._clock = exchange.clock
        self._bare: dict[str, tuple[int, float]] = {}
        self.bare: list[Bare] = []
        self.looks = 0
        exchange.listen(self)

    def market_moved(self, happening: MarketHappening) -> None:
        """Look: time has passed."""
        self.look()

    def account_moved(self, account: Account, happening: AccountHappening) -> None:
        """Look: an order, a stop or a position moved."""
        self.look()

    def look(self) -> None:
        """Note where a position stands without a stop, and where one no longer does."""
        self.looks += 1
        account = self._exchange.books.accounts[0]
        for symbol, position in account.positions.items():
            if position.quantity and not self._covered(account, position):
                now = self._clock.market_ms(), self._clock.monotonic_s()
                self._bare.setdefault(symbol, now)
            elif symbol in self._bare:
                self._end(symbol)

    def finish(self) -> None:
        """Take what is bare now as having lasted until now."""
        self.look()
        for symbol in list(self._bare):
            self._end(symbol)

    @property
    def longest_s(self) -> float:
        """The longest time that any position stood bare, wall seconds."""
        return max((bare.lasted_s for bare in self.bare), default=0.0)

    def too_long(self) -> list[Bare]:
        """Those that the promise does not allow."""
        return [bare for bare in self.bare if bare.lasted_s > LONGEST_BARE_S]

    def _end(self, symbol: str) -> None:
        since_ms, since_s = self._bare.pop(symbol)
        lasted_s = round(self._clock.monotonic_s() - since_s, 6)
        self.bare.append(Bare(symbol=symbol, since_ms=since_ms, lasted_s=lasted_s))

    def _covered(self, account: Account, position: Position) -> bool:
        algos = self._exchange.books.open_algos.values()
        mine = [a for a in algos if a.account == account.number and a.is_open]
        return _covers(mine, position)


def _covers(algos: list[AlgoOrder], position: Position) -> bool:
    """Whether stops that wait for their trigger would close all of a position."""
    covered: Decimal = ZERO
    for algo in algos:
        stops = algo.kind is OrderKind.STOP_MARKET and algo.symbol == position.symbol
        if stops and algo.side.sign == -position.sign:
            if algo.close_position:
                return True
            covered += algo.quantity
    return covered >= position.size
