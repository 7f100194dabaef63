"""An instrument and the exchange's rules on the prices and quantities sent for it."""

from decimal import Decimal

import msgspec

from rusy_tui.domain.money import ZERO, ceil_to, floor_to


class Bracket(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for a position whose notional lies in [floor, cap), in the quote asset.

    Maintenance margin = notional × ``maintenance_rate`` − ``cumulative``; the cumulative amount
    makes it continuous from bracket to bracket.
    """

    floor: Decimal
    cap: Decimal
    max_leverage: int
    maintenance_rate: Decimal
    cumulative: Decimal


class Instrument(msgspec.Struct, frozen=True, kw_only=True):
    """One perpetual contract with its filters, as the exchange announces them.

    Prices are in the quote asset, quantities in the base asset. A percent-price bound is a
    factor on the mark price. ``delivery_ms`` is when a contract that is to be delisted ends,
    None for one without an announced end.
    """

    symbol: str
    contract_type: str
    base_asset: str
    quote_asset: str
    trading: bool
    tick_size: Decimal
    min_price: Decimal
    max_price: Decimal
    step_size: Decimal
    min_quantity: Decimal
    max_quantity: Decimal
    market_step_size: Decimal
    market_min_quantity: Decimal
    market_max_quantity: Decimal
    min_notional: Decimal
    price_factor_up: Decimal
    price_factor_down: Decimal
    onboard_ms: int
    delivery_ms: int | None = None

    def price_down(self, price: Decimal) -> Decimal:
        """The nearest price on a tick at or below."""
        return floor_to(price, self.tick_size)

    def price_up(self, price: Decimal) -> Decimal:
        """The nearest price on a tick at or above."""
        return ceil_to(price, self.tick_size)

    def quantity_down(self, quantity: Decimal, *, market: bool = False) -> Decimal:
        """The nearest quantity the exchange takes at or below; zero where none is.

        Args:
            quantity: wanted, base asset.
            market: whether the order will be a market order, which has limits of its own.
        """
        step = self.market_step_size if market else self.step_size
        least = self.market_min_quantity if market else self.min_quantity
        most = self.market_max_quantity if market else self.max_quantity
        fitted = floor_to(min(quantity, most), step)
        return fitted if fitted >= least else ZERO

    def violation(
        self, quantity: Decimal, price: Decimal, *, reduce_only: bool, market: bool = False
    ) -> str | None:
        """The first filter that an order would break, in words; None when it passes.

        Args:
            quantity: base asset.
            price: of the order; for a market order the mark price.
            reduce_only: exempt from the least notional.
            market: whether it is a market order.
        """
        if self.quantity_down(quantity, market=market) != quantity or quantity <= ZERO:
            return f"quantity {quantity} is not on the step {self.step_size} or out of bounds"
        if not market and floor_to(price, self.tick_size) != price:
            return f"price {price} is not on the tick {self.tick_size}"
        if not market and not self.min_price <= price <= self.max_price:
            return f"price {price} is outside {self.min_price} to {self.max_price}"
        if not reduce_only and quantity * price < self.min_notional:
            return f"notional {quantity * price} is below the least, {self.min_notional}"
        return None
