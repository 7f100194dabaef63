"""What the exchange checks before it takes an order, in the order it answers."""

import re
from decimal import Decimal

from rusy_tui.domain.instrument import Instrument
from rusy_tui.domain.money import ZERO
from rusy_tui.domain.order import OrderKind, Side, TriggerPrice
from rusy_tui.simulator.market import SymbolMarket
from rusy_tui.simulator.orders import AlgoRequest, OrderRequest
from rusy_tui.simulator.refusals import refusal

MAX_OPEN_ORDERS = 200
MAX_OPEN_ALGOS = 10
"""Open orders of a symbol: filters MAX_NUM_ORDERS and MAX_NUM_ALGO_ORDERS."""

_CLIENT_ID = re.compile(r"^[\.A-Z\:/a-z0-9_-]{1,36}$")


def decimals(step: Decimal) -> int:
    """Digits after the point that a tick or step has."""
    exponent = step.normalize().as_tuple().exponent
    return max(-int(exponent), 0)


def price_precision(instrument: Instrument) -> int:
    """The announced precision of prices: one digit more than the tick has, as on BTCUSDT.

    (There the tick is 0.10 and the precision 2: it is not the tick.)
    """
    return decimals(instrument.tick_size) + 1


def quantity_precision(instrument: Instrument) -> int:
    """The announced precision of quantities."""
    return decimals(instrument.step_size)


def check_client_id(client_id: str) -> None:
    """Refuse an id of the client's own that the exchange does not take."""
    if not _CLIENT_ID.match(client_id):
        raise refusal(-4015)


def check_price(price: Decimal, instrument: Instrument) -> None:
    """Precision, bounds and tick of a price, as sent: trailing zeros count as digits."""
    _check_digits(price, price_precision(instrument))
    if price < instrument.min_price:
        raise refusal(-4013)
    if price > instrument.max_price:
        raise refusal(-4002)
    if price % instrument.tick_size:
        raise refusal(-4014)


def check_quantity(quantity: Decimal, instrument: Instrument, *, market: bool) -> None:
    """Precision, bounds and step of a quantity; market orders have bounds of their own."""
    _check_digits(quantity, quantity_precision(instrument))
    if quantity <= ZERO:
        raise refusal(-4003)
    least = instrument.market_min_quantity if market else instrument.min_quantity
    most = instrument.market_max_quantity if market else instrument.max_quantity
    if quantity < least:
        raise refusal(-4004)
    if quantity > most:
        raise refusal(-4005)
    if quantity % (instrument.market_step_size if market else instrument.step_size):
        raise refusal(-4023)


def check_order(request: OrderRequest, market: SymbolMarket) -> None:
    """Everything about a plain order that needs no account."""
    instrument = market.instrument
    is_market = request.kind is OrderKind.MARKET
    check_quantity(request.quantity, instrument, market=is_market)
    if request.price is not None:
        check_price(request.price, instrument)
        _check_band(request.side, request.price, market)
    if not request.reduce_only:
        price = market.mark if request.price is None else request.price
        if price * request.quantity < instrument.min_notional:
            raise refusal(-4164, format(instrument.min_notional, "f"))
    if request.client_id:
        check_client_id(request.client_id)


def check_algo(request: AlgoRequest, market: SymbolMarket) -> None:
    """Everything about a conditional order that needs no account.

    One observation of the test network says that a trigger off the tick is taken there; it
    is refused here, the stricter way: nobody should send one.
    """
    if request.trigger_price <= ZERO:
        raise refusal(-4006)
    check_price(request.trigger_price, market.instrument)
    if not request.close_position:
        check_quantity(request.quantity, market.instrument, market=True)
        notional = request.trigger_price * request.quantity
        if not request.reduce_only and notional < market.instrument.min_notional:
            raise refusal(-4164, format(market.instrument.min_notional, "f"))
    if request.client_id:
        check_client_id(request.client_id)
    if is_triggered(request.kind, request.side, request.trigger_price, _price(request, market)):
        raise refusal(-2021)


def is_triggered(kind: OrderKind, side: Side, trigger: Decimal, price: Decimal) -> bool:
    """Whether a price sets a conditional order off.

    Stops: a buy at or above its trigger, a sell at or below; take-profits the other way.
    """
    rising = (side is Side.BUY) == (kind is OrderKind.STOP_MARKET)
    return price >= trigger if rising else price <= trigger


def _price(request: AlgoRequest, market: SymbolMarket) -> Decimal:
    last = market.last
    return market.mark if request.trigger_by is TriggerPrice.MARK or last is None else last


def _check_band(side: Side, price: Decimal, market: SymbolMarket) -> None:
    """PERCENT_PRICE: a buy not far above the mark price, a sell not far below."""
    instrument = market.instrument
    highest = market.mark * instrument.price_factor_up
    lowest = market.mark * instrument.price_factor_down
    if side is Side.BUY and price > highest:
        raise refusal(-4016, format(instrument.price_down(highest), "f"))
    if side is Side.SELL and price < lowest:
        raise refusal(-4024, format(instrument.price_up(lowest), "f"))


def _check_digits(number: Decimal, most: int) -> None:
    if -int(number.as_tuple().exponent) > most:
        raise refusal(-1111)
