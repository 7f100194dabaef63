"""An instrument and the exchange's rules on the prices and quantities sent for it.

:meth:`Instrument.fit` is the one way from an intended order to one that the exchange takes. It
never moves to the worse side of the intent: a buy's price is never raised, a sell's never
lowered, no quantity grows, and no trigger is set off sooner (:meth:`Instrument.fit_trigger`).
Where only a worse order would pass there is none, and the answer names the rule. What is fitted
passes every filter, so fitting it again changes nothing.

Filters are those of ``exchangeInfo``. A limit of zero is one that is switched off, as the
exchange documents for PRICE_FILTER and announces for market steps. A price is on the tick when
it is a multiple of it. The older documents count ticks from minPrice instead; every contract on
record has a minPrice on its tick, where both readings agree (BTCUSDT's went from 556.72 to
556.80 when its tick became 0.10).
"""

import enum
import math
from decimal import Decimal

import msgspec

from rusy_tui.domain.money import ZERO, ceil_to, floor_to
from rusy_tui.domain.order import OrderKind, Side

_STOPS = frozenset({OrderKind.STOP, OrderKind.STOP_MARKET})
_TAKE_PROFITS = frozenset({OrderKind.TAKE_PROFIT, OrderKind.TAKE_PROFIT_MARKET})


class Rule(enum.StrEnum):
    """A rule of the exchange on one order."""

    NUMBER = "number"
    """Prices and quantities are finite and above zero."""
    TICK = "tick"
    PRICE = "price limits"
    BAND = "percent price"
    """A buy not too far above the mark price, a sell not too far below."""
    STEP = "step"
    QUANTITY = "quantity limits"
    NOTIONAL = "least notional"
    """Reduce-only orders are exempt."""


class Broken(msgspec.Struct, frozen=True):
    """No order is possible: the rule against it, and the figures."""

    rule: Rule
    figures: str


class Fit(msgspec.Struct, frozen=True):
    """What the exchange takes: base asset, and quote asset a unit; no price: at the market."""

    quantity: Decimal
    price: Decimal | None


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

    def fit(
        self,
        side: Side,
        quantity: Decimal,
        price: Decimal | None,
        *,
        mark_price: Decimal | None,
        reduce_only: bool,
    ) -> Fit | Broken:
        """The nearest order that passes every filter and is no worse than the intended one.

        A price beyond its limit or band on the better side is moved to it: such a buy rests
        lower, such a sell higher.

        Args:
            side: of the order.
            quantity: wanted, base asset.
            price: limit, quote asset; None for a market order.
            mark_price: quote asset. None where it is not known: the band is then not looked
                at, and a market order that is not reduce-only can't be judged.
            reduce_only: exempt from the least notional.
        """
        wrong = _no_number(quantity=quantity, price=price, mark_price=mark_price)
        if wrong is not None:
            return wrong
        fitted = self.quantity_down(quantity, market=price is None)
        if not fitted:
            least = self._lot(market=price is None)[1]
            return Broken(Rule.QUANTITY, f"quantity {quantity} is below the least, {least}")
        if price is not None:
            price = self._better(side, price, mark_price)
            # Rounded down, a tiny price is none.
            if (wrong := self._price_violation(price)) is not None:
                return wrong
        broken = self.violation(
            side, fitted, price, mark_price=mark_price, reduce_only=reduce_only
        )
        return Fit(fitted, price) if broken is None else broken

    def fit_trigger(self, side: Side, kind: OrderKind, price: Decimal) -> Decimal | Broken:
        """The nearest trigger price on a tick that is not set off sooner than intended.

        A protecting stop thus never lies nearer the market than its plan allowed for; what is
        risked must be worked out from the fitted price.

        Args:
            side: of the order.
            kind: one of the stops or take-profits.
            price: intended trigger, quote asset.

        Raises:
            ValueError: an order of this kind has no trigger that we set.
        """
        if kind not in _STOPS | _TAKE_PROFITS:
            raise ValueError(f"{kind} has no trigger price")
        wrong = _no_number(trigger=price)
        if wrong is not None:
            return wrong
        # Set off at or above its trigger, such as the stop of a short position. As with a
        # sell's price, higher is then the better side.
        rising = (side is Side.BUY) == (kind in _STOPS)
        fitted = self._better(Side.SELL if rising else Side.BUY, price, None)
        return self._price_violation(fitted) or fitted

    def worst_price(self, side: Side, mark_price: Decimal) -> Decimal:
        """The worst limit price that the exchange takes from a side: the edge of its band.

        What closes a position goes there when the book is too thin for a market order.
        """
        edge = next(iter(self._band_edge(side, mark_price)), mark_price)
        return self._better(side, edge, mark_price)

    def price_down(self, price: Decimal) -> Decimal:
        """The nearest price on a tick at or below."""
        return floor_to(price, self.tick_size) if self.tick_size else price

    def price_up(self, price: Decimal) -> Decimal:
        """The nearest price on a tick at or above."""
        return ceil_to(price, self.tick_size) if self.tick_size else price

    def quantity_down(self, quantity: Decimal, *, market: bool = False) -> Decimal:
        """The nearest quantity the exchange takes at or below; zero where none is.

        Args:
            quantity: wanted, base asset.
            market: whether the order will be a market order, which has limits of its own.
        """
        return _within(quantity, *self._lot(market=market))

    def closable_quantity_down(self, quantity: Decimal) -> Decimal:
        """As :meth:`quantity_down`, of what a market order can close again in one piece."""
        step, least, most = self._lot(market=False)
        market_step, market_least, market_most = self._lot(market=True)
        both = [limit for limit in (most, market_most) if limit]
        return _within(
            quantity,
            _common_multiple(step, market_step),
            max(least, market_least),
            min(both, default=ZERO),
        )

    def parts(self, quantity: Decimal, *, market: bool = False) -> tuple[Decimal, ...]:
        """A quantity in as few parts as the exchange takes; none where it is too small.

        The last two share what is left, so that nothing stays behind for being too small.
        """
        step, least, most = self._lot(market=market)
        left = floor_to(quantity, step) if step else quantity
        most = _within(left, step, least, most)
        if not most:
            return ()
        made = []
        while left > most:
            part = most
            if left - part < least:
                part = _within(left - least, step, least, most) or most
            made.append(part)
            left -= part
        return (*made, left) if left >= least else tuple(made)

    def violation(
        self,
        side: Side,
        quantity: Decimal,
        price: Decimal | None,
        *,
        mark_price: Decimal | None,
        reduce_only: bool,
    ) -> Broken | None:
        """The first filter that an order would break; None when it passes.

        Arguments as for :meth:`fit`.
        """
        wrong = _no_number(quantity=quantity, price=price, mark_price=mark_price)
        if wrong is not None:
            return wrong
        step, least, most = self._lot(market=price is None)
        if step and quantity % step:
            return Broken(Rule.STEP, f"quantity {quantity} is not on the step {step}")
        if quantity < least or (most and quantity > most):
            return Broken(Rule.QUANTITY, f"quantity {quantity} is outside {least} to {most}")
        if price is not None:
            broken = self._price_violation(price) or self._beyond_band(side, price, mark_price)
            if broken is not None:
                return broken
        if reduce_only:
            return None
        valued_at = mark_price if price is None else price
        if valued_at is None:
            return Broken(
                Rule.NUMBER, "a market order is valued at a mark price; none is known"
            )
        notional = quantity * valued_at
        if notional < self.min_notional:
            text = f"notional {notional} is below the least, {self.min_notional}"
            return Broken(Rule.NOTIONAL, text)
        return None

    def _lot(self, *, market: bool) -> tuple[Decimal, Decimal, Decimal]:
        """Step, least and greatest quantity; zero where there is no such limit."""
        if market:
            return self.market_step_size, self.market_min_quantity, self.market_max_quantity
        return self.step_size, self.min_quantity, self.max_quantity

    def _better(self, side: Side, price: Decimal, mark_price: Decimal | None) -> Decimal:
        """The nearest price on a tick, inside the limits of a side's better way."""
        if side is Side.BUY:
            limits = [self.max_price, *self._band_edge(side, mark_price)]
            return self.price_down(min([price, *(limit for limit in limits if limit)]))
        return self.price_up(max([price, self.min_price, *self._band_edge(side, mark_price)]))

    def _band_edge(self, side: Side, mark_price: Decimal | None) -> list[Decimal]:
        factor = self.price_factor_up if side is Side.BUY else self.price_factor_down
        return [] if mark_price is None or not factor else [mark_price * factor]

    def _price_violation(self, price: Decimal) -> Broken | None:
        if self.tick_size and price % self.tick_size:
            return Broken(Rule.TICK, f"price {price} is not on the tick {self.tick_size}")
        low, high = self.min_price, self.max_price
        if price <= ZERO or price < low or (high and price > high):
            return Broken(Rule.PRICE, f"price {price} is outside {low} to {high}")
        return None

    def _beyond_band(
        self, side: Side, price: Decimal, mark_price: Decimal | None
    ) -> Broken | None:
        for edge in self._band_edge(side, mark_price):
            if (price - edge) * side.sign > 0:
                text = f"{side} at {price} is beyond {edge}, the mark price being {mark_price}"
                return Broken(Rule.BAND, text)
        return None


def _no_number(**figures: Decimal | None) -> Broken | None:
    for name, value in figures.items():
        if value is not None and not (value.is_finite() and value > ZERO):
            return Broken(Rule.NUMBER, f"{name.replace('_', ' ')} {value} is not above zero")
    return None


def _within(quantity: Decimal, step: Decimal, least: Decimal, most: Decimal) -> Decimal:
    """The greatest allowed quantity at or below one, zero where none is."""
    if most:
        quantity = min(quantity, most)
    fitted = floor_to(quantity, step) if step else quantity
    return fitted if fitted >= least and fitted > ZERO else ZERO


def _common_multiple(one: Decimal, other: Decimal) -> Decimal:
    """The least step on which both steps fall; a step of zero is none."""
    if not one or not other:
        return one or other
    scale = max(0, *(-int(step.normalize().as_tuple().exponent) for step in (one, other)))
    whole = math.lcm(int(one.scaleb(scale)), int(other.scaleb(scale)))
    return Decimal(whole).scaleb(-scale).normalize()
