"""What the exchange announces about itself: contracts, filters, limits, brackets."""

from typing import Any

from rusy_tui.domain.instrument import Instrument
from rusy_tui.simulator.brackets import Brackets
from rusy_tui.simulator.checks import (
    MAX_OPEN_ALGOS,
    MAX_OPEN_ORDERS,
    decimals,
    price_precision,
    quantity_precision,
)
from rusy_tui.simulator.orders import SETTLEMENT_ASSET
from rusy_tui.simulator.rate_limits import RateLimits
from rusy_tui.simulator.wire.words import text

_NEVER_DELIVERED_MS = 4_133_404_800_000
"""The delivery date that perpetual contracts carry: 2100-12-25."""


def exchange_info(
    instruments: list[Instrument], limits: RateLimits, time_ms: int
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
        "futuresType": "U_MARGINED",
        "assets": [
            {"asset": SETTLEMENT_ASSET, "marginAvailable": True, "autoAssetExchange": "0"}
        ],
        "symbols": [_contract(instrument) for instrument in instruments],
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


def _contract(instrument: Instrument) -> dict[str, Any]:
    return {
        "symbol": instrument.symbol,
        "pair": instrument.symbol,
        "contractType": instrument.contract_type,
        "deliveryDate": _NEVER_DELIVERED_MS,
        "onboardDate": instrument.onboard_ms,
        "status": "TRADING" if instrument.trading else "SETTLING",
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
        "triggerProtect": "0.0500",
        "liquidationFee": "0.012500",
        "marketTakeBound": "0.05",
        "filters": _filters(instrument),
        "orderTypes": ["LIMIT", "MARKET", "STOP_MARKET", "TAKE_PROFIT_MARKET"],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
    }


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
