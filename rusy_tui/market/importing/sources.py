"""Which files there are, and what each holds, as its name and folders tell.

The exchange names its archives alike for every market and for klines and mark prices: what
tells them apart is the folder they lie in (``…/um/monthly/markPriceKlines/BTCUSDT/15m/``).
"""

import enum
import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rusy_tui.domain.candle import Interval
from rusy_tui.domain.errors import UsageError
from rusy_tui.market.importing.report import FileRefused

SUFFIXES = (".zip", ".csv", ".parquet")

_NAME = re.compile(
    r"(?P<symbol>[^-]+)-(?P<what>[A-Za-z0-9]+?)(?:-\d{4}-\d{2}(?:-\d{2})?)?(?:-.*)?$"
)
_SPAN = re.compile(r"\d+[smhdw]o?$", re.IGNORECASE)
_COIN_MARGINED = re.compile(r"USD_(PERP|\d{6})$")
_INTERVALS = [str(interval) for interval in Interval]


class Kind(enum.StrEnum):
    """What a file's rows are, by the archive's own names."""

    KLINES = "klines"
    MARK_PRICES = "markPriceKlines"
    FUNDING = "fundingRate"


# What else the archive has; each is named so that a file of it is refused for what it is.
_OTHER_KINDS = frozenset(
    {
        "aggTrades", "bookDepth", "bookTicker", "indexPriceKlines", "liquidationSnapshot",
        "metrics", "premiumIndexKlines", "trades",
    }
)  # fmt: skip
_PERIODS = frozenset({"monthly", "daily"})


@dataclass(frozen=True, slots=True)
class Given:
    """What the operator says of the files, in place of their names."""

    symbol: str | None = None
    interval: Interval | None = None
    kind: Kind | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """A file to import.

    ``kind`` is None where only the columns can tell; ``interval`` is None where the name
    tells none that is kept, and is then no matter for funding rates alone.
    """

    path: Path
    symbol: str
    kind: Kind | None
    interval: Interval | None

    @property
    def archive(self) -> bool:
        """Whether it is a file of the exchange's own archive, as far as its form tells."""
        return self.path.suffix.lower() == ".zip"


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file that was not imported; ``named`` when it was asked for by name."""

    path: Path
    why: str
    named: bool


def find(
    paths: Sequence[Path], given: Given | None = None
) -> tuple[list[Source], list[LeftOut]]:
    """The files to import, those of one symbol together, and those that are left out.

    The exchange's archives come first, so that they need not replace what others say.

    Raises:
        UsageError: there is no such path, or nothing to import at all.
    """
    given = given or Given()
    sources: dict[Path, Source] = {}
    left_out: list[LeftOut] = []
    for path, named in _walk(paths):
        try:
            sources.setdefault(path.resolve(), identify(path, given))
        except FileRefused as refused:
            left_out.append(LeftOut(path, str(refused), named))
    if not sources and not any(each.named for each in left_out):
        where = ", ".join(str(path) for path in paths)
        raise UsageError(
            f"{where}: nothing to import; wanted are the exchange's archives "
            "(BTCUSDT-15m-2021-03.zip), or .csv and .parquet files named like "
            f"BTCUSDT-15m.parquet, of {', '.join(_INTERVALS)}"
            + "".join(f"\n  {each.why}" for each in left_out[:5])
        )
    return sorted(sources.values(), key=_order), left_out


def identify(path: Path, given: Given) -> Source:
    """What a file holds.

    Raises:
        FileRefused: the name and the folders tell too little, or something that is not kept.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise FileRefused(f"{path}: not one of {', '.join(SUFFIXES)}")
    match = _NAME.match(path.name.removesuffix(path.suffix))
    symbol, what = (match["symbol"], match["what"]) if match else (None, None)
    symbol = given.symbol or (symbol.upper() if symbol else None)
    if symbol is None:
        raise FileRefused(
            f"{path}: the name tells no symbol; name it like BTCUSDT-15m.parquet, or give "
            "--symbol and --interval"
        )
    _refuse_other_markets(path, symbol)
    kind = given.kind or _kind(path, what)
    interval = given.interval or _interval(what)
    if interval is None and kind in (Kind.KLINES, Kind.MARK_PRICES):
        raise FileRefused(f"{path}: {no_interval(what)}")
    # A funding file may be named by the hours between two payments: BTCUSDT-8h.
    hours = what is None or not _SPAN.match(what) or what.endswith("h")
    maybe_funding = kind is Kind.FUNDING or (
        kind is None and hours and path.suffix.lower() != ".zip"
    )
    if interval is None and not maybe_funding:
        raise FileRefused(f"{path}: {no_interval(what)}")
    return Source(path, symbol, kind, interval)


def no_interval(what: str | None) -> str:
    """Why a file of bars can't be taken."""
    if what is not None and _SPAN.match(what):
        return f"bars of {what} are not kept; {', '.join(_INTERVALS)} are"
    return (
        "the name tells no interval; name it like BTCUSDT-15m.parquet, or give "
        f"--interval ({', '.join(_INTERVALS)})"
    )


def _walk(paths: Iterable[Path]) -> Iterable[tuple[Path, bool]]:
    """Files, and whether each was named itself; of folders those that may be meant."""
    for path in paths:
        if path.is_dir():
            yield from (
                (each, False)
                for each in sorted(path.rglob("*"))
                if each.suffix.lower() in SUFFIXES and each.is_file()
            )
        elif path.is_file():
            yield path, True
        else:
            raise UsageError(f"{path}: no such file or directory")


def _refuse_other_markets(path: Path, symbol: str) -> None:
    parts = path.absolute().parts
    markets = {before for before, after in itertools.pairwise(parts)
               if after in _PERIODS}  # fmt: skip
    if "spot" in markets:
        raise FileRefused(f"{path}: from the archive of the spot market; wanted is futures/um")
    if "cm" in markets or _COIN_MARGINED.search(symbol):
        raise FileRefused(
            f"{path}: a coin-margined contract, whose volumes count contracts; only USD-M "
            "futures are kept"
        )


def _kind(path: Path, what: str | None) -> Kind | None:
    # In the archive: KIND/SYMBOL/INTERVAL/FILE. Folders further up are the operator's own.
    folders = list(reversed(path.absolute().parts[:-1]))[:3]
    for word in (what, *folders):
        if word in _OTHER_KINDS and (word == what or word.endswith("Klines")):
            raise FileRefused(f"{path}: {word} are not kept; {', '.join(Kind)} are")
        if word in set(Kind):
            return Kind(word)
    return None


def _interval(what: str | None) -> Interval | None:
    return Interval(what) if what in _INTERVALS else None


def _order(source: Source) -> tuple[object, ...]:
    return (
        source.symbol,
        str(source.kind or ""),
        -(source.interval.ms if source.interval else 0),
        not source.archive,
        source.path.name,
        str(source.path),
    )
