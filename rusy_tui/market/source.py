"""Where the engine's bars come from: the market service, or a database that others fill."""

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Protocol

from rusy_tui.domain.bars import Bars
from rusy_tui.domain.candle import Candle, Interval
from rusy_tui.domain.history import BackfillProgress

Progress = Callable[[str], None]


class BarSource(Protocol):
    """Closed bars of all configured pairs, stored, in order, with nothing missing between."""

    async def start(self, progress: Progress) -> None:
        """Make the bars whole that the models need before they may score.

        Raises:
            UnreachableError, ExchangeError, StorageError: they can't be had.
        """

    async def run(self) -> None:
        """All that must go on for ever: writing, asking for what is late, history.

        Ends only by cancellation, and may be begun again after a defect ended it.
        """

    def closed(self) -> AsyncIterator[Candle]:
        """Every closed bar, once, in order within its symbol and interval, for ever.

        Each is stored, and no bar before it is missing.
        """

    async def window(self, symbol: str, interval: Interval, until_ms: int) -> Bars:
        """The warm-up window of bars that had closed by an instant, ascending.

        Raises:
            StorageError: the database is lost.
        """

    async def await_bar(self, symbol: str, interval: Interval, open_ms: int) -> bool:
        """Wait until a bar is stored and whole, and see that it is asked for.

        Returns:
            Whether it is; False when nobody gives it.
        """

    def take(self, candle: Candle) -> None:
        """Take a closed candle from a stream; a second time does nothing. Never waits."""

    async def catch_up(self) -> None:
        """Get whatever has closed since the last bar, as after a cut or a sleep."""

    def behind(self) -> Mapping[tuple[str, Interval], int]:
        """Rows in which bars are missing that should be there: by how many ms they are late."""

    def history(self) -> BackfillProgress | None:
        """How far the fetching of the past is; None when none is under way here."""
