"""What the exchange answers when it says no: its error numbers and their texts.

The numbers and texts are those of the exchange's public error list. They are written down
here for the simulator alone; the adapter has a table of its own, so that one misreading
can't pass on both sides.
"""

BAD_REQUEST = 400
UNAUTHORIZED = 401
TOO_MANY_REQUESTS = 429
UNAVAILABLE = 503


class Refusal(Exception):
    """A request that the exchange turns down.

    Args:
        code: the exchange's error number, negative.
        message: the text that goes with it.
        status: HTTP status of the answer.
    """

    def __init__(self, code: int, message: str, status: int = BAD_REQUEST) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


_TEXTS = {
    -1000: "An unknown error occurred while processing the request.",
    -1001: "Internal error; unable to process your request. Please try again.",
    -1003: "Too many requests; current limit of IP is {0} requests per minute.",
    -1006: (
        "An unexpected response was received from the message bus. Execution status unknown."
    ),
    -1007: (
        "Timeout waiting for response from backend server. Send status unknown; execution "
        "status unknown."
    ),
    -1008: (
        "Request throttled by system-level protection. "
        "Reduce-only/close-position orders are exempt. Please try again."
    ),
    -1015: "Too many new orders; current limit is {0} orders per {1}.",
    -1021: "Timestamp for this request is outside of the recvWindow.",
    -1022: "Signature for this request is not valid.",
    -1101: "Too many parameters; expected '{0}' and received '{1}'.",
    -1102: "Mandatory parameter '{0}' was not sent, was empty/null, or malformed.",
    -1106: "Parameter '{0}' sent when not required.",
    -1111: "Precision is over the maximum defined for this asset.",
    -1115: "Invalid timeInForce.",
    -1116: "Invalid orderType.",
    -1117: "Invalid side.",
    -1120: "Invalid interval.",
    -1121: "Invalid symbol.",
    -1125: "This listenKey does not exist.",
    -1130: "Data sent for parameter '{0}' is not valid.",
    -1136: "Invalid newOrderRespType.",
    -2007: "Invalid callBack rate.",
    -2010: "New order rejected.",
    -2011: "Unknown order sent.",
    -2013: "Order does not exist.",
    -2014: "API-key format invalid.",
    -2015: "Invalid API-key, IP, or permissions for action.",
    -2018: "Balance is insufficient.",
    -2019: "Margin is insufficient.",
    -2020: "Unable to fill.",
    -2021: "Order would immediately trigger.",
    -2022: "ReduceOnly Order is rejected.",
    -2023: "User in liquidation mode now.",
    -2025: "Reach max open order limit.",
    -2027: "Exceeded the maximum allowable position at current leverage.",
    -2028: "Leverage is smaller than permitted: insufficient margin balance.",
    -4002: "Price greater than max price.",
    -4003: "Quantity less than or equal to zero.",
    -4004: "Quantity less than min quantity.",
    -4005: "Quantity greater than max quantity.",
    -4006: "Stop price less than or equal to zero.",
    -4013: "Price less than min price.",
    -4014: "Price not increased by tick size.",
    -4015: "Client order id is not valid.",
    -4016: "Limit price can't be higher than {0}.",
    -4023: "Qty not increased by step size.",
    -4024: "Limit price can't be lower than {0}.",
    -4028: "Leverage {0} is not valid.",
    -4045: "Reach max stop order limit.",
    -4046: "No need to change margin type.",
    -4047: "Margin type cannot be changed if there exists open orders.",
    -4048: "Margin type cannot be changed if there exists position.",
    -4049: "Add margin only support for isolated position.",
    -4050: "Cross balance insufficient.",
    -4051: "Isolated balance insufficient.",
    -4054: "Cannot add position margin: position is 0.",
    -4055: "Amount must be positive.",
    -4059: "No need to change position side.",
    -4061: "Order's position side does not match user's setting.",
    -4067: "Position side cannot be changed if there exists open orders.",
    -4068: "Position side cannot be changed if there exists position.",
    -4082: "Invalid number of batch place orders.",
    -4087: "User can only place reduce only order.",
    -4088: "User can not place order currently.",
    -4116: "ClientOrderId is duplicated.",
    -4117: "Stop order is triggering.",
    -4118: ("ReduceOnly Order Failed. Please check your existing position and open orders."),
    -4120: (
        "Order type not supported for this endpoint. "
        "Please use the Algo Order API endpoints instead."
    ),
    -4130: (
        "An open stop or take profit order with GTE and closePosition in the direction "
        "is existing."
    ),
    -4131: "The counterparty's best price does not meet the PERCENT_PRICE filter limit.",
    -4136: "Target strategy invalid for orderType '{0}', closePosition '{1}'.",
    -4137: "Quantity must be zero with closePosition equals true.",
    -4138: "Reduce only must be true with closePosition equals true.",
    -4140: "Invalid symbol status for opening position.",
    -4141: "Symbol is closed.",
    -4161: "Leverage reduction is not supported in Isolated Margin Mode with open positions.",
    -4164: "Order's notional must be no smaller than {0} (unless you choose reduce only).",
    -4165: "Invalid time interval. Maximum time interval is {0} days.",
    -4167: (
        "Unable to adjust to Multi-Assets mode with symbols of USDⓈ-M Futures under "
        "isolated-margin mode."
    ),
    -4168: "Unable to adjust to isolated-margin mode under the Multi-Assets mode.",
    -4170: "Unable to adjust Multi-Assets Mode with open orders in USDⓈ-M Futures.",
    -4171: (
        "Adjusted asset mode is currently set and does not need to be adjusted repeatedly."
    ),
    -4183: "Limit price can't be higher than {0}.",
    -4184: "Limit price can't be lower than {0}.",
    -4192: "Trade forbidden due to Cooling-off Period.",
    -4210: "Stop price can't be higher than {0}.",
    -4211: "Stop price can't be lower than {0}.",
    -4400: (
        "Futures Trading Quantitative Rules violated, only reduceOnly order is allowed, please "
        "try again later."
    ),
    -4401: (
        "Futures Trading Risk Control Rules of large position holding violated, only "
        "reduceOnly order is allowed, please reduce the position."
    ),
    -5021: (
        "Due to the order could not be filled immediately, the FOK order has been rejected. "
        "The order will not be recorded in the order history."
    ),
    -5022: (
        "Due to the order could not be executed as maker, the Post Only order will be "
        "rejected. The order will not be recorded in the order history."
    ),
    -5025: "Only limit order is supported.",
    -5026: "Exceed maximum modify order limit.",
    -5027: "No need to modify the order.",
    -5029: "Order's notional must be no smaller than {0}.",
    -5037: "Invalid price match.",
    -5039: "Invalid self trade prevention mode.",
    -5040: (
        "The goodTillDate timestamp must be greater than the current time plus 600 seconds and "
        "smaller than 253402300799000."
    ),
    -5047: "The original order is not a reduce-only order.",
}
_STATUS = {
    **dict.fromkeys((-1000, -1001, -1006, -1007), UNAVAILABLE),
    -1003: TOO_MANY_REQUESTS,
    -1008: UNAVAILABLE,
    -1015: TOO_MANY_REQUESTS,
    -2014: UNAUTHORIZED,
    -2015: UNAUTHORIZED,
}


def refusal(code: int, *details: object) -> Refusal:
    """The refusal with a number, its text filled with what it names."""
    return Refusal(code, _TEXTS[code].format(*details), _STATUS.get(code, BAD_REQUEST))


def any_refusal(code: int) -> Refusal:
    """A refusal with any number, of the table or not, where a fault asks for it."""
    text = _TEXTS.get(code, "The request was refused.")
    return Refusal(code, text.format("?", "?"), _STATUS.get(code, BAD_REQUEST))
