"""What a mirrored market does to the exchange: prices and bars that another one made."""

from collections.abc import Callable, Mapping
from decimal import Decimal

from rusy_tui.domain.candle import Interval
from rusy_tui.simulator.candles import Bar
from rusy_tui.simulator.conditional import Conditionals
from rusy_tui.simulator.happenings import CandleMoved, MarketHappening
from rusy_tui.simulator.market import SymbolMarket
from rusy_tui.simulator.upkeep import Upkeep

_FUNDING_HOURS = (8, 4, 2, 1)


class Mirrored:
    """Takes what the source shows, at the exchange's own time.

    Args:
        markets: by symbol.
        conditionals: looked at when a mark moves.
        upkeep: likewise.
        tell: tells listeners.
        tell_top: tells a market's best prices.
        tell_mark: tells its mark price.
    """

    def __init__(
        self,
        markets: Mapping[str, SymbolMarket],
        conditionals: Conditionals,
        upkeep: Upkeep,
        *,
        tell: Callable[[MarketHappening], None],
        tell_top: Callable[[SymbolMarket, int], None],
        tell_mark: Callable[[SymbolMarket, int], None],
    ) -> None:
        self._markets = markets
        self._conditionals = conditionals
        self._upkeep = upkeep
        self._tell = tell
        self._tell_top = tell_top
        self._tell_mark = tell_mark

    def top(self, symbol: str, now_ms: int) -> None:
        """The source's best prices are others than before."""
        market = self._markets[symbol]
        market.book.time_ms = now_ms
        self._tell_top(market, now_ms)

    def mark(self, symbol: str, price: Decimal, next_funding_ms: int, now_ms: int) -> None:
        """The source has another mark price; triggers and liquidations follow.

        When it pays funding next tells how often it does, to the next time at least.
        """
        market = self._markets[symbol]
        if now_ms < next_funding_ms != market.next_funding_ms(now_ms):
            for hours in _FUNDING_HOURS:
                span_ms = hours * 3_600_000
                if (now_ms // span_ms + 1) * span_ms == next_funding_ms:
                    market.set_funding_interval(hours, now_ms)
                    break
        market.set_mark(price, now_ms)
        self._conditionals.check_mark(market, now_ms)
        self._upkeep.watch(market, now_ms)
        self._tell_mark(market, now_ms)

    def bar(
        self, symbol: str, interval: Interval, bar: Bar, now_ms: int, *, closed: bool
    ) -> None:
        """The source's bar moved or ended."""
        self._markets[symbol].series[interval].take(bar, closed=closed)
        self._tell(CandleMoved(symbol, interval, bar, closed, now_ms))
