"""Answers and messages in the exchange's shape, written after the models of its SDK."""

from typing import Any

ORDER: dict[str, Any] = {
    "clientOrderId": "rusy-1", "cumQty": "0", "cumQuote": "0.00000", "executedQty": "0",
    "orderId": 22542179, "avgPrice": "0.00000", "origQty": "0.010", "price": "30000.10",
    "reduceOnly": False, "side": "BUY", "positionSide": "BOTH", "status": "NEW",
    "stopPrice": "0", "closePosition": False, "symbol": "BTCUSDT", "timeInForce": "GTX",
    "type": "LIMIT", "origType": "LIMIT", "updateTime": 1750000000123,
    "workingType": "CONTRACT_PRICE", "priceProtect": False, "priceMatch": "NONE",
    "selfTradePreventionMode": "NONE", "goodTillDate": 0,
}  # fmt: skip

ALGO_ORDER: dict[str, Any] = {
    "algoId": 2146760, "clientAlgoId": "rusy-s", "algoType": "CONDITIONAL",
    "orderType": "STOP_MARKET", "symbol": "BTCUSDT", "side": "SELL", "positionSide": "BOTH",
    "timeInForce": "GTC", "quantity": "0.010", "algoStatus": "NEW", "actualOrderId": "",
    "actualPrice": "0.00000", "triggerPrice": "29500.00", "price": "0.00000",
    "icebergQuantity": None, "selfTradePreventionMode": "NONE", "workingType": "MARK_PRICE",
    "priceMatch": "NONE", "closePosition": False, "priceProtect": False, "reduceOnly": True,
    "createTime": 1750000000200, "updateTime": 1750000000201, "triggerTime": 0,
    "goodTillDate": 0,
}  # fmt: skip

EXCHANGE_INFO: dict[str, Any] = {
    "exchangeFilters": [],
    "rateLimits": [
        {"interval": "MINUTE", "intervalNum": 1, "limit": 2400,
         "rateLimitType": "REQUEST_WEIGHT"},
        {"interval": "MINUTE", "intervalNum": 1, "limit": 1200, "rateLimitType": "ORDERS"},
        {"interval": "SECOND", "intervalNum": 10, "limit": 300, "rateLimitType": "ORDERS"},
    ],
    "serverTime": 1750000000000,
    "symbols": [
        {
            "symbol": "BTCUSDT", "pair": "BTCUSDT", "contractType": "PERPETUAL",
            "deliveryDate": 4133404800000, "onboardDate": 1569398400000, "status": "TRADING",
            "baseAsset": "BTC", "quoteAsset": "USDT", "marginAsset": "USDT",
            "pricePrecision": 2, "quantityPrecision": 3,
            "filters": [
                {"filterType": "PRICE_FILTER", "maxPrice": "4529764", "minPrice": "556.80",
                 "tickSize": "0.10"},
                {"filterType": "LOT_SIZE", "maxQty": "1000", "minQty": "0.001",
                 "stepSize": "0.001"},
                {"filterType": "MARKET_LOT_SIZE", "maxQty": "120", "minQty": "0.001",
                 "stepSize": "0.001"},
                {"filterType": "MAX_NUM_ORDERS", "limit": 200},
                {"filterType": "MIN_NOTIONAL", "notional": "100"},
                {"filterType": "PERCENT_PRICE", "multiplierUp": "1.0500",
                 "multiplierDown": "0.9500", "multiplierDecimal": "4"},
            ],
        },
        {
            "symbol": "ODDUSDT", "pair": "ODDUSDT", "contractType": "", "status": "SETTLING",
            "baseAsset": "ODD", "quoteAsset": "USDT", "filters": [],
        },
    ],
}  # fmt: skip


def kline(open_ms: int, close: str = "30010.50") -> list[Any]:
    """A row of klines, 15m."""
    return [
        open_ms, "30000.00", "30020.00", "29990.10", close, "123.456", open_ms + 899_999,
        "3703680.5", 4321, "60.100", "1803000.1", "0",
    ]  # fmt: skip


def funding_rate(time_ms: int, **changed: Any) -> dict[str, Any]:
    """A row of fundingRate."""
    return {
        "symbol": "BTCUSDT", "fundingRate": "-0.03750000", "fundingTime": time_ms,
        "markPrice": "34287.54619963", "rateType": "Regular", **changed,
    }  # fmt: skip


def open_interest(time_ms: int) -> dict[str, Any]:
    """A row of openInterestHist."""
    return {
        "symbol": "BTCUSDT", "sumOpenInterest": "20403.63700000",
        "sumOpenInterestValue": "150570784.07809979", "CMCCirculatingSupply": "165880.538",
        "timestamp": time_ms,
    }  # fmt: skip


POSITION: dict[str, Any] = {
    "symbol": "BTCUSDT", "positionSide": "BOTH", "positionAmt": "-0.010",
    "entryPrice": "30000.1", "breakEvenPrice": "29985.1", "markPrice": "29950.00000000",
    "unRealizedProfit": "0.50100000", "liquidationPrice": "35780.2", "isolatedMargin": "60.5",
    "notional": "-299.50000000", "marginAsset": "USDT", "isolatedWallet": "60.0002",
    "initialMargin": "59.90000000", "maintMargin": "1.19800000",
    "positionInitialMargin": "59.90000000", "openOrderInitialMargin": "0", "adl": 2,
    "bidNotional": "0", "askNotional": "0", "updateTime": 1750000000300,
}  # fmt: skip


def user_trade(trade_id: int, time_ms: int) -> dict[str, Any]:
    """A row of userTrades."""
    return {
        "buyer": False, "commission": "0.06000020", "commissionAsset": "USDT", "id": trade_id,
        "maker": False, "orderId": 25851813, "price": "30000.10", "qty": "0.004",
        "quoteQty": "120.0004", "realizedPnl": "-0.91539999", "side": "SELL",
        "positionSide": "BOTH", "symbol": "BTCUSDT", "time": time_ms,
    }  # fmt: skip


def income(tran_id: int, time_ms: int, kind: str = "COMMISSION") -> dict[str, Any]:
    """A row of income."""
    return {
        "symbol": "BTCUSDT", "incomeType": kind, "income": "-0.37500000", "asset": "USDT",
        "info": kind, "time": time_ms, "tranId": tran_id, "tradeId": "2059192",
    }  # fmt: skip


KLINE_EVENT: dict[str, Any] = {
    "e": "kline", "E": 1750000000500, "s": "BTCUSDT", "st": 1,
    "k": {
        "t": 1749999600000, "T": 1750000499999, "s": "BTCUSDT", "i": "15m", "f": 100, "L": 200,
        "o": "30000.00", "c": "30010.50", "h": "30020.00", "l": "29990.10", "v": "123.456",
        "n": 4321, "x": False, "q": "3703680.5", "V": "60.100", "Q": "1803000.1", "B": "0",
    },
}  # fmt: skip

AGG_TRADE: dict[str, Any] = {
    "e": "aggTrade", "E": 1750000000501, "s": "BTCUSDT", "a": 5933014, "p": "30010.10",
    "q": "0.100", "nq": "0.100", "f": 100, "l": 105, "T": 1750000000499, "m": True, "st": 1,
}  # fmt: skip

BOOK_TICKER: dict[str, Any] = {
    "e": "bookTicker", "u": 400900217, "E": 1750000000502, "T": 1750000000500, "s": "BTCUSDT",
    "ps": "BTCUSDT", "b": "30010.00", "B": "1.210", "a": "30010.10", "A": "4.066", "st": 1,
}  # fmt: skip

MARK_PRICE: dict[str, Any] = {
    "e": "markPriceUpdate", "E": 1750000001000, "s": "BTCUSDT", "p": "30009.87654321",
    "i": "30008.1", "P": "30007.2", "r": "0.00010000", "ap": "30009.0", "T": 1750003200000,
    "st": 1,
}  # fmt: skip

ORDER_EVENT: dict[str, Any] = {
    "e": "ORDER_TRADE_UPDATE", "E": 1750000002001, "T": 1750000002000,
    "o": {
        "s": "BTCUSDT", "c": "rusy-1", "S": "BUY", "o": "LIMIT", "f": "GTX", "q": "0.010",
        "p": "30000.10", "ap": "30000.1", "sp": "0", "x": "TRADE", "X": "PARTIALLY_FILLED",
        "i": 8886774, "l": "0.004", "z": "0.006", "L": "30000.10", "N": "USDT",
        "n": "0.02400008", "T": 1750000002000, "t": 77, "b": "0", "a": "0", "m": True,
        "R": False, "wt": "CONTRACT_PRICE", "ot": "LIMIT", "ps": "BOTH", "cp": False,
        "rp": "0", "pP": False, "si": 0, "ss": 0, "V": "NONE", "pm": "NONE", "gtd": 0,
        "er": "0",
    },
}  # fmt: skip

ALGO_EVENT: dict[str, Any] = {
    "e": "ALGO_UPDATE", "T": 1750000003000, "E": 1750000003002,
    "o": {
        "caid": "rusy-s", "aid": 2148719, "at": "CONDITIONAL", "o": "STOP_MARKET",
        "s": "BTCUSDT", "S": "SELL", "ps": "BOTH", "f": "GTC", "q": "0.010", "X": "TRIGGERED",
        "ai": "8886790", "ap": "0.00000", "aq": "0.00000", "act": "MARKET", "tp": "29500.00",
        "p": "0", "V": "NONE", "wt": "MARK_PRICE", "pm": "NONE", "cp": False, "pP": False,
        "R": True, "tt": 1750000002999, "gtd": 0,
    },
}  # fmt: skip

ACCOUNT_EVENT: dict[str, Any] = {
    "e": "ACCOUNT_UPDATE", "E": 1750000004001, "T": 1750000004000,
    "a": {
        "m": "FUNDING_FEE",
        "B": [
            {"a": "USDT", "wb": "122624.12345678", "cw": "100.12345678", "bc": "-1.25"},
            {"a": "BNB", "wb": "1.00000000", "cw": "0.00000000", "bc": "0"},
        ],
        "P": [
            {"s": "BTCUSDT", "pa": "-0.010", "ep": "30000.1", "bep": "29985.1", "cr": "200",
             "up": "0.5", "mt": "isolated", "iw": "60.0", "ps": "BOTH"},
        ],
    },
}  # fmt: skip

CONTRACT_INFO: dict[str, Any] = {
    "e": "contractInfo", "E": 1750000005000, "s": "BTCUSDT", "ps": "BTCUSDT",
    "ct": "PERPETUAL", "dt": 4133404800000, "ot": 1569398400000, "cs": "TRADING", "st": 1,
}  # fmt: skip

DEPTH_UPDATE: dict[str, Any] = {
    "e": "depthUpdate", "E": 1750000006001, "T": 1750000006000, "s": "BTCUSDT", "ps": "BTCUSDT",
    "U": 157, "u": 160, "pu": 149, "b": [["30010.00", "1.5"], ["30009.90", "0"]],
    "a": [["30010.20", "0.7"]], "st": 1,
}  # fmt: skip

PARTIAL_DEPTH: dict[str, Any] = {
    "e": "depthUpdate", "E": 1750000006501, "T": 1750000006500, "s": "BTCUSDT", "ps": "BTCUSDT",
    "U": 160, "u": 172, "pu": 160, "b": [["30010.00", "1.5"], ["30009.90", "0.25"]],
    "a": [["30010.20", "0.7"], ["30010.30", "4"], ["30011.00", "0.01"]], "st": 1,
}  # fmt: skip

LEVERAGE_EVENT: dict[str, Any] = {
    "e": "ACCOUNT_CONFIG_UPDATE", "E": 1750000007001, "T": 1750000007000,
    "ac": {"s": "BTCUSDT", "l": 25},
}  # fmt: skip

MARGIN_CALL: dict[str, Any] = {
    "e": "MARGIN_CALL", "E": 1750000008001, "cw": "3.16812045",
    "p": [
        {"s": "ETHUSDT", "ps": "BOTH", "pa": "1.327", "mt": "ISOLATED", "iw": "0",
         "mp": "187.17127", "up": "-1.166074", "mm": "1.614445"},
    ],
}  # fmt: skip

TRIGGER_REJECT: dict[str, Any] = {
    "e": "CONDITIONAL_ORDER_TRIGGER_REJECT", "E": 1750000009001, "T": 1750000009000,
    "or": {"s": "ETHUSDT", "i": 155618472834, "r": "Due to the order could not be filled"},
}  # fmt: skip
