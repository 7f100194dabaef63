"""Which market a simulator plays, as its command line and its journal name it."""

from pathlib import Path

import msgspec

from rusy_tui.domain.candle import Interval
from rusy_tui.simulator.feeds import Feed


class SyntheticMarket(msgspec.Struct, frozen=True, tag="synthetic"):
    """An invented market. Equal arguments give an equal one."""

    seed: int
    start_ms: int
    symbols: tuple[str, ...]

    def feed(self, resume_ms: int | None) -> Feed:
        """The market from its start, or from the hour of a later moment."""
        from rusy_tui.simulator.feeds.synthetic import SyntheticFeed

        return SyntheticFeed(self.seed, self.start_ms, self.symbols, resume_ms)


class ReplayMarket(msgspec.Struct, frozen=True, kw_only=True, tag="replay"):
    """A recorded market; ``until_ms`` is the first moment not played."""

    seed: int
    file: str
    symbol: str | None = None
    interval: Interval | None = None
    from_ms: int | None = None
    until_ms: int | None = None
    funding: str | None = None

    def feed(self, resume_ms: int | None) -> Feed:
        """The recording from its start, or from the hour of a later moment."""
        from rusy_tui.simulator.feeds.replay import ReplayFeed

        from_ms = self.from_ms if resume_ms is None else Interval.H1.floor(resume_ms)
        return ReplayFeed(
            Path(self.file),
            symbol=self.symbol,
            interval=self.interval,
            from_ms=from_ms,
            until_ms=self.until_ms,
            funding_path=Path(self.funding) if self.funding else None,
        )


Market = SyntheticMarket | ReplayMarket
