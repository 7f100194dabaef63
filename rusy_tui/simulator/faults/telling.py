"""What faults need to know of a message, read from the message itself."""

from collections.abc import Iterable

import msgspec

from rusy_tui.simulator.faults.faults import Told


class _Candle(msgspec.Struct):
    x: bool = False


class _Order(msgspec.Struct):
    s: str | None = None


class _Wrapped(msgspec.Struct):
    stream: str = ""
    data: msgspec.Raw = msgspec.Raw()


class _Named(msgspec.Struct):
    e: str = ""
    s: str | None = None


class _Kline(msgspec.Struct):
    k: _Candle


class _OrderEvent(msgspec.Struct):
    o: _Order


_ORDERS = ("ORDER_TRADE_UPDATE", "ALGO_UPDATE")


def told_of(
    payload: bytes, route: str, streams: Iterable[str], accounts: Iterable[int]
) -> Told | None:
    """A message as faults see it; None for an answer to a client's request, or an array.

    Args:
        payload: the message as it would be sent, wrapped or not.
        route: of its connection.
        streams: that the connection listens to; one alone names an unwrapped message's.
        accounts: whose events it is told.
    """
    if not payload.startswith(b"{"):
        return None
    wrapped = msgspec.json.decode(payload, type=_Wrapped)
    body: bytes | msgspec.Raw = wrapped.data if wrapped.stream else payload
    if not bytes(body).startswith(b"{"):
        return None
    named = msgspec.json.decode(body, type=_Named)
    if not named.e:
        return None
    stream = wrapped.stream or _only(streams)
    symbol, closes = named.s, False
    if named.e in ("kline", "continuous_kline"):
        closes = msgspec.json.decode(body, type=_Kline).k.x
    elif named.e in _ORDERS:
        symbol = msgspec.json.decode(body, type=_OrderEvent).o.s
    return Told(route, stream, named.e, symbol, next(iter(accounts), None), closes)


def _only(names: Iterable[str]) -> str:
    """The name of a single stream; "" where there are several."""
    listed = list(names)
    return listed[0] if len(listed) == 1 else ""
