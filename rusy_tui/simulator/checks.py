"""What the exchange checks before it takes an order, in the order it answers."""

import re
from decimal import Decimal

from rusy_tui.domain.instrument import Instrument
from rusy_tui.domain.money import ZERO
from rusy_tui.domain.order import OrderKind, Side, TriggerPrice
from rusy_tui.simulator.account import Account
from rusy_tui.simulator.market import SymbolMarket
from rusy_tui.simulator.orders import AlgoRequest, OrderRequest
from rusy_tui.simulator.refusals import refusal

MAX_OPEN_ORDERS = 200
MAX_OPEN_ALGOS = 10
"""Open orders of a symbol: filters MAX_NUM_ORDERS and MAX_NUM_ALGO_ORDERS."""

TRIGGER_PROTECT = Decimal("0.0500")
"""How far last and mark price may be apart for a price-protected trigger, a fraction."""

_LEAST_LIFE_MS = 600_000
_LAST_MS = 253_402_300_799_000
"""Bounds of goodTillDate: so long from now at least, and no later than the year 9999."""

_LEAST_CALLBACK, _MOST_CALLBACK = Decimal("0.1"), Decimal(10)
"""Bounds of a trailing stop's callback rate, percent."""

_CLOSING_KINDS = (OrderKind.STOP_MARKET, OrderKind.TAKE_PROFIT_MARKET)
_CLIENT_ID = re.compile(r"[\.A-Z\:/a-z0-9_-]{1,36}")


def decimals(step: Decimal) -> int:
    """Digits after the point that a tick or step has."""
    exponent = step.normalize().as_tuple().exponent
    return max(-int(exponent), 0)


def price_precision(instrument: Instrument) -> int:
    """The announced precision of prices: the digits that the tick is written with.

    It is not the tick: that of BTCUSDT is 0.10 and of SOLUSDT 0.0100, and the exchange
    announces precisions of 2 and 4. What has fewer digits may still be off the tick.
    """
    return max(-int(instrument.tick_size.as_tuple().exponent), 0)


def quantity_precision(instrument: Instrument) -> int:
    """The announced precision of quantities."""
    return decimals(instrument.step_size)


def check_client_id(client_id: str) -> None:
    """Refuse an id of the client's own that the exchange does not take."""
    if not _CLIENT_ID.fullmatch(client_id):
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


def check_mode(account: Account) -> None:
    """−4061 in hedge mode, which can be set and read here, and not traded in."""
    if account.hedge:
        raise refusal(-4061)


def check_status(market: SymbolMarket, *, reduces: bool) -> None:
    """−4141 where a contract is closed, −4140 where it takes no order that opens."""
    if market.is_closed:
        raise refusal(-4141)
    if not market.opens and not reduces:
        raise refusal(-4140)


def check_order(request: OrderRequest, market: SymbolMarket) -> None:
    """Everything about a plain order that needs no account."""
    instrument = market.instrument
    check_status(market, reduces=request.reduce_only)
    is_market = request.kind is OrderKind.MARKET
    check_quantity(request.quantity, instrument, market=is_market)
    if request.price is not None:
        check_price(request.price, instrument)
        check_band(request.side, request.price, market)
    if not request.reduce_only:
        price = market.mark if request.price is None else request.price
        if price * request.quantity < instrument.min_notional:
            raise refusal(-4164, format(instrument.min_notional, "f"))
    if request.client_id:
        check_client_id(request.client_id)


def check_life(good_till_ms: int, now_ms: int) -> None:
    """When an order may end by itself (GTD): more than 600 s from now; 0 is never."""
    if good_till_ms and not now_ms + _LEAST_LIFE_MS < good_till_ms < _LAST_MS:
        raise refusal(-5040)


def check_algo(request: AlgoRequest, market: SymbolMarket, now_ms: int) -> None:
    """Everything about a conditional order that needs no account.

    One observation of the test network says that a trigger off the tick is taken there; it
    is refused here, the stricter way: nobody should send one.
    """
    check_status(market, reduces=request.reduce_only or request.close_position)
    instrument = market.instrument
    trailing = request.kind is OrderKind.TRAILING_STOP_MARKET
    if not trailing and request.trigger_price <= ZERO:
        raise refusal(-4006)
    trigger = request.activate_price if trailing else request.trigger_price
    if trigger is not None:
        check_price(trigger, instrument)
    if request.close_position and request.kind not in _CLOSING_KINDS:
        raise refusal(-4136, request.kind.name, "true")
    if trailing and not _LEAST_CALLBACK <= request.callback_percent <= _MOST_CALLBACK:
        raise refusal(-2007)
    if not request.close_position:
        check_quantity(request.quantity, instrument, market=request.price is None)
    if request.price is not None:
        check_price(request.price, instrument)
        _check_stop_band(request.side, request.price, request.trigger_price, instrument)
    if not request.close_position and not request.reduce_only:
        price = request.price or trigger or _price(request, market)
        if price * request.quantity < instrument.min_notional:
            raise refusal(-4164, format(instrument.min_notional, "f"))
    check_life(request.good_till_ms, now_ms)
    if request.client_id:
        check_client_id(request.client_id)
    _check_not_triggered(request, _price(request, market))


def _check_not_triggered(request: AlgoRequest, price: Decimal) -> None:
    """−2021 for one that would trigger, or start to trail, at once."""
    if request.kind is OrderKind.TRAILING_STOP_MARKET:
        activate = request.activate_price
        # Documented: a buy's activation lies below the latest price, a sell's above it.
        if activate is not None and (activate - price) * request.side.sign >= ZERO:
            raise refusal(-2021)
    elif is_triggered(request.kind, request.side, request.trigger_price, price):
        raise refusal(-2021)


def is_triggered(kind: OrderKind, side: Side, trigger: Decimal, price: Decimal) -> bool:
    """Whether a price sets a conditional order off.

    Stops: a buy at or above its trigger, a sell at or below; take-profits the other way.
    """
    rising = (side is Side.BUY) == (kind in (OrderKind.STOP, OrderKind.STOP_MARKET))
    return price >= trigger if rising else price <= trigger


def is_protected(last: Decimal, mark: Decimal) -> bool:
    """Whether last and mark price are too far apart for a price-protected trigger."""
    return abs(last - mark) > mark * TRIGGER_PROTECT


def _price(request: AlgoRequest, market: SymbolMarket) -> Decimal:
    last = market.last
    return market.mark if request.trigger_by is TriggerPrice.MARK or last is None else last


def _check_stop_band(
    side: Side, price: Decimal, trigger: Decimal, instrument: Instrument
) -> None:
    """The limit price of a stop is judged by its trigger instead of the mark price."""
    highest = trigger * instrument.price_factor_up
    lowest = trigger * instrument.price_factor_down
    if side is Side.BUY and price > highest:
        raise refusal(-4183, format(instrument.price_down(highest), "f"))
    if side is Side.SELL and price < lowest:
        raise refusal(-4184, format(instrument.price_up(lowest), "f"))


def check_band(side: Side, price: Decimal, market: SymbolMarket) -> None:
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
