"""Candles of a reply as columns: the same as :func:`.market_replies.candles` reads, in bulk.

A backfill reads hundreds of thousands of rows; an object for each would cost more than all the
rest of it.
"""

from operator import attrgetter

import msgspec
import numpy as np

from rusy_tui.domain.bars import COLUMNS, Bars
from rusy_tui.domain.candle import Interval
from rusy_tui.exchange import market_replies
from rusy_tui.exchange.wire import MalformedError, Measure, decode

# What a reply of plain numbers is made of; float() reads nothing odd out of these.
_PLAIN = b'0123456789.,-+eE"[]'
_MOST = 1e40


class _Row(msgspec.Struct, array_like=True):
    # Unlike what else is decoded, checked by the column.
    open_time: int
    open: Measure
    high: Measure
    low: Measure
    close: Measure
    volume: Measure
    close_time: int
    quote_volume: Measure
    trades: Measure
    taker_buy_volume: Measure


_ROWS = msgspec.json.Decoder(list[_Row])
_MEASURES = [attrgetter(name) for name in COLUMNS]


def bars(body: bytes, symbol: str, interval: Interval, sure_ms: int) -> Bars:
    """The closed candles of a reply; what the exchange left out is 0 here, as on the wire.

    Args:
        body: the reply.
        symbol: asked for.
        interval: asked for.
        sure_ms: exchange time that had passed for certain when the reply was made.

    Raises:
        MalformedError: the body can't be read.
    """
    if body.translate(None, _PLAIN):
        # Spaces and the like: looked at value by value.
        candles = market_replies.candles(body, symbol, interval, sure_ms)
        try:
            return Bars.of(interval, [candle for candle in candles if candle.closed])
        except OverflowError as error:
            raise MalformedError(str(error)) from error
    rows = decode(_ROWS, body)
    if rows and rows[-1].open_time + interval.ms > sure_ms:
        rows.pop()
    try:
        times = np.array([row.open_time for row in rows], dtype=np.int64)
        columns = [
            np.array(list(map(float, map(of, rows))), dtype=np.float64) for of in _MEASURES
        ]
    except (ValueError, OverflowError) as error:
        raise MalformedError(str(error)) from error
    if not all(np.all(np.abs(column) < _MOST) for column in columns):
        raise MalformedError("a number is not finite or of no sane size")
    return Bars(interval, times, *columns)
