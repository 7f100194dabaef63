"""What the exchange announces about itself: contracts, filters, limits, brackets."""

from collections.abc import Iterable
from typing import Any

from rusy_tui.domain.instrument import Instrument
from rusy_tui.simulator.brackets import Brackets
from rusy_tui.simulator.checks import (
    MAX_OPEN_ALGOS,
    MAX_OPEN_ORDERS,
    TRIGGER_PROTECT,
    decimals,
    price_precision,
    quantity_precision,
)
from rusy_tui.simulator.market import SymbolMarket
from rusy_tui.simulator.orders import SETTLEMENT_ASSET
from rusy_tui.simulator.rate_limits import RateLimits
from rusy_tui.simulator.wire.words import text

_NEVER_DELIVERED_MS = 4_133_404_800_000
"""The delivery date that perpetual contracts carry: 2100-12-25."""


ORDER_TYPES = (
    "LIMIT",
    "MARKET",
    "STOP",
    "STOP_MARKET",
    "TAKE_PROFIT",
    "TAKE_PROFIT_MARKET",
    "TRAILING_STOP_MARKET",
)


def exchange_info(
    markets: Iterable[SymbolMarket], limits: RateLimits, time_ms: int
) -> dict[str, Any]:
    """Contracts with their filters, and the rate limits."""
    return {
        "exchangeFilters": [],
        "rateLimits": [
            _limit("REQUEST_WEIGHT", "MINUTE", 1, limits.weight_a_minute),
            _limit("ORDERS", "MINUTE", 1, limits.orders_a_minute),
            _limit("ORDERS", "SECOND", 10, limits.orders_in_10_s),
        ],
        "serverTime": time_ms,
        "assets": [
            {"asset": SETTLEMENT_ASSET, "marginAvailable": True, "autoAssetExchange": "0"}
        ],
        "symbols": [_contract(market) for market in markets],
        "timezone": "UTC",
    }


def order_limits(limits: RateLimits) -> list[dict[str, Any]]:
    """How many orders an account may send."""
    return [
        _limit("ORDERS", "SECOND", 10, limits.orders_in_10_s),
        _limit("ORDERS", "MINUTE", 1, limits.orders_a_minute),
    ]


def leverage_brackets(symbol: str, brackets: Brackets) -> dict[str, Any]:
    """The bracket table of a symbol."""
    return {
        "symbol": symbol,
        "brackets": [
            {
                "bracket": number,
                "initialLeverage": bracket.max_leverage,
                "notionalCap": int(bracket.cap),
                "notionalFloor": int(bracket.floor),
                # Plain numbers here, alone on this wire.
                "maintMarginRatio": float(bracket.maintenance_rate),
                "cum": float(bracket.cumulative),
            }
            for number, bracket in enumerate(brackets, start=1)
        ],
    }


def _limit(kind: str, interval: str, number: int, limit: int) -> dict[str, Any]:
    return {
        "rateLimitType": kind,
        "interval": interval,
        "intervalNum": number,
        "limit": limit,
    }


def _contract(market: SymbolMarket) -> dict[str, Any]:
    instrument = market.instrument
    return {
        "symbol": instrument.symbol,
        "pair": instrument.symbol,
        "contractType": instrument.contract_type,
        "deliveryDate": delivery_ms(instrument),
        "onboardDate": instrument.onboard_ms,
        "status": market.status,
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": instrument.base_asset,
        "quoteAsset": instrument.quote_asset,
        "marginAsset": instrument.quote_asset,
        "pricePrecision": price_precision(instrument),
        "quantityPrecision": quantity_precision(instrument),
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": ["PoW"],
        "settlePlan": 0,
        "triggerProtect": text(TRIGGER_PROTECT),
        "liquidationFee": "0.012500",
        "marketTakeBound": "0.05",
        "filters": _filters(instrument),
        "orderTypes": list(ORDER_TYPES),
        "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],
    }


def delivery_ms(instrument: Instrument) -> int:
    """When a contract ends, as it is told; one that never does has a date far off."""
    ends_ms = instrument.delivery_ms
    return _NEVER_DELIVERED_MS if ends_ms is None else ends_ms


def _filters(instrument: Instrument) -> list[dict[str, Any]]:
    return [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": text(instrument.min_price),
            "maxPrice": text(instrument.max_price),
            "tickSize": text(instrument.tick_size),
        },
        {
            "filterType": "LOT_SIZE",
            "minQty": text(instrument.min_quantity),
            "maxQty": text(instrument.max_quantity),
            "stepSize": text(instrument.step_size),
        },
        {
            "filterType": "MARKET_LOT_SIZE",
            "minQty": text(instrument.market_min_quantity),
            "maxQty": text(instrument.market_max_quantity),
            "stepSize": text(instrument.market_step_size),
        },
        {"filterType": "MAX_NUM_ORDERS", "limit": MAX_OPEN_ORDERS},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "limit": MAX_OPEN_ALGOS},
        {"filterType": "MIN_NOTIONAL", "notional": text(instrument.min_notional)},
        {
            "filterType": "PERCENT_PRICE",
            "multiplierUp": text(instrument.price_factor_up),
            "multiplierDown": text(instrument.price_factor_down),
            "multiplierDecimal": str(
                max(
                    decimals(instrument.price_factor_up), decimals(instrument.price_factor_down)
                )
            ),
        },
    ]
