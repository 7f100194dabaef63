"""What an endpoint is, and what it is called with."""

import enum
from collections.abc import Callable

import msgspec

from rusy_tui.simulator.account import Account
from rusy_tui.simulator.core import SimulatedExchange
from rusy_tui.simulator.listen_keys import ListenKeys
from rusy_tui.simulator.market import SymbolMarket
from rusy_tui.simulator.rest.parameters import Parameters


class Security(enum.Enum):
    """What a request must carry."""

    NONE = "nothing"
    KEY = "the API key"
    SIGNED = "the API key, a timestamp and a signature"


class Call(msgspec.Struct, frozen=True):
    """A request that passed the doors: what endpoints work with."""

    exchange: SimulatedExchange
    keys: ListenKeys
    parameters: Parameters
    caller: Account | None
    now_ms: int

    @property
    def account(self) -> Account:
        """Who asks; only for endpoints that need a key."""
        if self.caller is None:
            raise LookupError("this endpoint needs no key, so it knows no account")
        return self.caller

    def symbol(self) -> str:
        """The symbol asked for; −1102 without one, −1121 where it is not traded."""
        symbol = self.parameters.required("symbol")
        self.exchange.trading.market(symbol)
        return symbol

    def market(self, name: str = "symbol") -> SymbolMarket:
        """The market that a parameter names; refused as :meth:`symbol` is."""
        return self.exchange.trading.market(self.parameters.required(name))

    def optional_symbol(self) -> str | None:
        """The symbol asked for, None for all; −1121 where it is not traded."""
        return self.symbol() if self.parameters.has("symbol") else None


Handler = Callable[[Call], object]
Weight = Callable[[Parameters], int]


class Endpoint(msgspec.Struct, frozen=True):
    """An address, what it costs, and what it does.

    ``weight`` is in units of the address's limit; an order counts on the account's instead,
    once in the minute and ``orders_in_10_s`` times in the 10 s.
    """

    method: str
    path: str
    handler: Handler
    weight: Weight
    security: Security = Security.NONE
    counts_as_order: bool = False
    orders_in_10_s: int = 1


def costs(weight: int) -> Weight:
    """The same weight always."""
    return lambda _: weight


def by_symbol(one: int, every: int) -> Weight:
    """A weight with a symbol, and another one without."""
    return lambda parameters: one if parameters.has("symbol") else every
