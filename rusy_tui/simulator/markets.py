"""Which market a simulator plays, as its command line and its journal name it."""

from pathlib import Path

import msgspec

from rusy_tui.domain.candle import Interval
from rusy_tui.domain.errors import UsageError
from rusy_tui.simulator.feeds import Feed

HISTORY_DAYS = 3000
"""Of the past of an invented contract: as old as the oldest real ones will be in 2027."""

MOST_HISTORY_DAYS = 10_000
"""So that no contract is older than the epoch."""

RAW_SUFFIX = ".gz"
"""A recording of raw messages ends so."""


class SyntheticMarket(msgspec.Struct, frozen=True, tag="synthetic"):
    """An invented market, listed so many days before its start. Equal arguments, equal ones."""

    seed: int
    start_ms: int
    symbols: tuple[str, ...]
    history_days: int = HISTORY_DAYS

    def feed(self, resume_ms: int | None) -> Feed:
        """The market from its start, or from the hour of a later moment."""
        from rusy_tui.simulator.feeds.synthetic import SyntheticFeed

        return SyntheticFeed(
            self.seed,
            self.start_ms,
            self.symbols,
            resume_ms,
            history_days=self.history_days,
        )


class CurrentMarket(msgspec.Struct, frozen=True):
    """An invented market whose beginning nobody named: the hour it is first started in."""

    seed: int
    symbols: tuple[str, ...]
    history_days: int = HISTORY_DAYS

    def begun(self, now_ms: int) -> SyntheticMarket:
        """The market that begins now: with the hour, as invented ones do."""
        start_ms = Interval.H1.floor(now_ms)
        return SyntheticMarket(self.seed, start_ms, self.symbols, self.history_days)

    def goes_on_with(self, market: "Market") -> bool:
        """Whether a former run's market is this one, wherever it began."""
        return (
            isinstance(market, SyntheticMarket)
            and market.seed == self.seed
            and market.symbols == self.symbols
            and market.history_days == self.history_days
        )


class ReplayMarket(msgspec.Struct, frozen=True, kw_only=True, tag="replay"):
    """A recorded market; ``until_ms`` is the first moment not played.

    A file that ends in ``.gz`` holds raw messages, any other one candles. ``drop_update``: of
    raw messages, the diff that ends with this update id is not told.
    """

    seed: int
    file: str
    symbol: str | None = None
    interval: Interval | None = None
    from_ms: int | None = None
    until_ms: int | None = None
    funding: str | None = None
    drop_update: int | None = None

    @property
    def raw(self) -> bool:
        """Whether raw messages were recorded, not candles."""
        return self.file.endswith(RAW_SUFFIX)

    def feed(self, resume_ms: int | None) -> Feed:
        """The recording from its start, candles from the hour of a later moment."""
        if self.raw:
            return self._raw_feed()
        from rusy_tui.simulator.feeds.replay import ReplayFeed

        return ReplayFeed(
            Path(self.file),
            symbol=self.symbol,
            interval=self.interval,
            from_ms=self.from_ms,
            until_ms=self.until_ms,
            resume_ms=resume_ms,
            funding_path=Path(self.funding) if self.funding else None,
        )

    def _raw_feed(self) -> Feed:
        """A book can only be had from its start: a later moment is reached by reading on."""
        for name in ("symbol", "interval", "funding"):
            if getattr(self, name) is not None:
                raise UsageError(
                    f"--{name} {getattr(self, name)}: {self.file} holds raw messages, which "
                    "tell their symbol and know no bars or funding; leave it out"
                )
        from rusy_tui.simulator.feeds.raw import RawFeed

        return RawFeed(
            Path(self.file),
            from_ms=self.from_ms,
            until_ms=self.until_ms,
            drop_update=self.drop_update,
        )


class MirrorMarket(msgspec.Struct, frozen=True, kw_only=True, tag="mirror"):
    """Another exchange's live market; the addresses None for its public ones."""

    seed: int
    symbols: tuple[str, ...]
    rest_url: str | None = None
    ws_url: str | None = None


Market = SyntheticMarket | ReplayMarket | MirrorMarket
