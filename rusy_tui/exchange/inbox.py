"""Where market events wait for the engine, the latest in place of the older ones. Pure.

A slow consumer then lags by what it needs and never by what has passed, and the socket's reader
waits for nobody. What the engine needs of each kind decides:

* best prices, nearest levels, mark prices, news of a contract: the latest of each symbol;
* trades: the latest price of each symbol. What was traded comes with the candles, whose volume
  is the exchange's own, so no volume is lost with a trade that is replaced; whoever counts
  trades hears them before they come here (:mod:`rusy_tui.market.bar_stats`);
* a forming candle: the latest of each symbol and interval;
* a candle that closed, and the state of a stream: every one, in its order.

Account events have no place here: none of them may be replaced.
"""

import asyncio
from collections import OrderedDict

from rusy_tui.domain.market import (
    CandleUpdate,
    MarketEvent,
    StreamInterrupted,
    StreamRestored,
)


class MarketInbox:
    """A queue that holds at most one event of each key, and all that must not be lost."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[object, MarketEvent] = OrderedDict()
        self._news = asyncio.Event()
        self._kept = 0
        self.replaced = 0
        """How many events were replaced before anybody took them."""

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, event: MarketEvent) -> None:
        """Take an event, without waiting."""
        match event:
            case StreamInterrupted() | StreamRestored():
                key = self._own_key()
            case CandleUpdate(candle=candle):
                key = (candle.symbol, candle.interval)
                if candle.closed:
                    # What waits of this candle is older than its end.
                    waiting = self._waiting.get(key)
                    if (
                        isinstance(waiting, CandleUpdate)
                        and waiting.candle.open_time_ms <= candle.open_time_ms
                    ):
                        del self._waiting[key]
                        self.replaced += 1
                    key = self._own_key()
            case _:
                key = (event.symbol, type(event))
        # It keeps the place of the one it replaces: nobody waits longer for being busy.
        self.replaced += key in self._waiting
        self._waiting[key] = event
        self._news.set()

    async def get(self) -> MarketEvent:
        """The event that waits longest; waits for one."""
        while not self._waiting:
            self._news.clear()
            await self._news.wait()
        return self._waiting.popitem(last=False)[1]

    def _own_key(self) -> object:
        self._kept += 1
        return self._kept
