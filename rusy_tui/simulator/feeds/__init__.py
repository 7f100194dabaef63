"""Markets the simulated exchange can play: what trades happen, and when."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol

import msgspec

from rusy_tui.domain.candle import Candle, Interval
from rusy_tui.domain.instrument import Instrument
from rusy_tui.simulator.level_book import LevelsMoved
from rusy_tui.simulator.liquidity import Liquidity

if TYPE_CHECKING:
    from rusy_tui.simulator.feeds.deep import DeepPast


class Print(msgspec.Struct, frozen=True):
    """Trades of one symbol at one price within one step.

    ``quantity`` and ``taker_buy_quantity`` are in the base asset and exact;
    ``trades`` counts them, 0 where the source does not know. ``trade_id`` is the first one's
    where the source tells it, else 0.
    """

    symbol: str
    price: Decimal
    quantity: Decimal
    taker_buy_quantity: Decimal
    trades: int
    trade_id: int = 0


class Relayed(msgspec.Struct, frozen=True):
    """A recorded message that is passed on as it is.

    ``kind`` is the stream's own word: depth, trade or bookTicker.
    """

    symbol: str
    kind: str
    payload: bytes


class Step(msgspec.Struct, frozen=True):
    """Everything that happens at one instant of market time: trades, levels, messages."""

    time_ms: int
    prints: tuple[Print, ...]
    levels: tuple[LevelsMoved, ...] = ()
    relayed: tuple[Relayed, ...] = ()


class Feed(Protocol):
    """A market: its contracts, its past, and its trades from a moment on."""

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        """The contracts traded, by symbol, with real filters."""

    @property
    def start_ms(self) -> int:
        """The market time at which play begins.

        A bar boundary of every interval served, but where raw messages are played.
        """

    @property
    def end_ms(self) -> int | None:
        """The first instant that is not played any more; None for a market without end."""

    @property
    def update_ms(self) -> int:
        """Market ms between two steps, at most."""

    def history(self, symbol: str, interval: Interval) -> Sequence[Candle]:
        """The last closed candles that end at or before :attr:`start_ms`, ascending."""

    def deep_past(self, symbol: str) -> "DeepPast | None":
        """All there is before :attr:`start_ms`; None where :meth:`history` is all."""

    def funding_rate(self, symbol: str, funding_time_ms: int) -> Decimal:
        """The rate, a fraction of notional, that is paid at a funding time."""

    def liquidity(self, symbol: str) -> Liquidity | None:
        """Everybody else's levels where the feed knows them; None to have them invented."""

    def next_step(self) -> Step | None:
        """The next step in time; None when the market has ended."""
