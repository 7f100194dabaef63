"""The running candle of a chart, made from trades where no stream tells it.

For the eye alone: nothing is decided on it, and the closed bar that replaces it is the
collector's. A bar of which a part was not heard is left out, for its high and low would be
wrong.
"""

from collections.abc import Iterable, Sequence

import msgspec

from rusy_tui.domain.candle import Candle, Interval
from rusy_tui.domain.market import MarketTrade


class Forming:
    """Running candles of some symbols and intervals.

    Args:
        intervals: of the candles.
    """

    def __init__(self, intervals: Iterable[Interval]) -> None:
        self._intervals = tuple(intervals)
        self._bars: dict[tuple[str, Interval], Candle] = {}
        # Whole from this open time on; None: nothing is heard at present.
        self._heard_ms: int | None = None

    def heard_from(self, event_ms: int) -> None:
        """Trades are heard from now on, exchange time."""
        self._heard_ms = event_ms

    def cut(self) -> None:
        """Some may be missing from now on."""
        self._heard_ms = None
        self._bars.clear()

    def traded(self, trade: MarketTrade) -> Sequence[Candle]:
        """The candles that a trade moves, those that are whole so far."""
        if self._heard_ms is None:
            return ()
        moved = []
        for interval in self._intervals:
            open_ms = interval.floor(trade.event_ms)
            key = (trade.symbol, interval)
            known = self._bars.get(key)
            if open_ms < self._heard_ms or (known and known.open_time_ms > open_ms):
                continue
            if known is None or known.open_time_ms < open_ms:
                bar = _begun(trade, interval, open_ms)
            else:
                bar = _moved(known, trade)
            self._bars[key] = bar
            moved.append(bar)
        return moved


def _begun(trade: MarketTrade, interval: Interval, open_ms: int) -> Candle:
    price = float(trade.price)
    empty = Candle(
        symbol=trade.symbol,
        interval=interval,
        open_time_ms=open_ms,
        open=price,
        high=price,
        low=price,
        close=price,
        volume=0.0,
        quote_volume=0.0,
        trades=0.0,
        taker_buy_volume=0.0,
        closed=False,
    )
    return _moved(empty, trade)


def _moved(bar: Candle, trade: MarketTrade) -> Candle:
    price, quantity = float(trade.price), float(trade.quantity)
    return msgspec.structs.replace(
        bar,
        high=max(bar.high, price),
        low=min(bar.low, price),
        close=price,
        volume=bar.volume + quantity,
        quote_volume=bar.quote_volume + price * quantity,
        trades=bar.trades + trade.trades,
        taker_buy_volume=bar.taker_buy_volume + (0.0 if trade.buyer_is_maker else quantity),
    )
