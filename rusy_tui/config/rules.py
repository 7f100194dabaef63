"""What types can't say: rules between keys, and values that would be unsafe."""

import ipaddress
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from rusy_tui.config.document import Document, Path_, spell
from rusy_tui.config.errors import Mistake, shown
from rusy_tui.domain.candle import Interval
from rusy_tui.domain.settings import Settings

# Paths of Unix sockets end at 108 bytes on Linux and 104 on macOS.
SOCKET_PATH_BYTES = 100

Found = tuple[Path_, Mistake]
Maker = Callable[[Path_, object, str, str], Found]
"""Makes a mistake of a path, a value, the problem and the remedy."""


def broken_rules(settings: Settings, document: Document) -> Iterator[Found]:
    """The mistakes of settings whose every value, taken alone, is well-formed."""

    def mistake(path: Path_, value: object, problem: str, remedy: str) -> Found:
        return path, Mistake(
            place=document.place(path),
            key=spell(path),
            value=None if value is None else shown(value),
            problem=problem,
            remedy=remedy,
        )

    yield from _pairs(settings, mistake)
    yield from _addresses(settings, document, mistake)
    yield from _limits(settings, mistake)
    path = settings.link.socket
    if path is not None and (length := len(path.encode())) > SOCKET_PATH_BYTES:
        yield mistake(
            ("link", "socket"),
            path,
            f"is {length} bytes long, and the path of a socket may have {SOCKET_PATH_BYTES}",
            "Choose a shorter path, or delete the key.",
        )


def _pairs(settings: Settings, mistake: Maker) -> Iterator[Found]:
    seen: set[str] = set()
    for at, pair in enumerate(settings.data.pairs):
        here: Path_ = ("data", "pairs", at)
        yield from _symbol(pair.symbol, (*here, "symbol"), seen, mistake)
        if pair.contract_type != "PERPETUAL":
            yield mistake(
                (*here, "contract_type"),
                pair.contract_type,
                "is not traded by Rusy",
                "Write contract_type: PERPETUAL, or delete the pair.",
            )
        intervals = pair.intervals
        for place, interval in enumerate(intervals):
            if interval in intervals[:place]:
                yield mistake(
                    (*here, "timeframes", place, "interval"),
                    str(interval),
                    "is listed twice",
                    "Keep one of the two.",
                )
        for needed in (Interval.M15, Interval.H1):
            if needed not in intervals:
                yield mistake(
                    (*here, "timeframes"),
                    None,
                    f"lacks {needed}, which the ensemble needs",
                    f"Add - interval: {needed}",
                )
    seen.clear()
    for at, symbol in enumerate(settings.demo.symbols):
        yield from _symbol(symbol, ("demo", "symbols", at), seen, mistake)


def _symbol(symbol: str, path: Path_, seen: set[str], mistake: Maker) -> Iterator[Found]:
    clean = "".join(symbol.split()).upper().replace("/", "").replace("-", "")
    if symbol != clean:
        yield mistake(path, symbol, "is no symbol of the exchange", f"Write {clean}.")
    if symbol in seen:
        yield mistake(path, symbol, "is listed twice", "Keep one of the two.")
    seen.add(symbol)


def _addresses(settings: Settings, document: Document, mistake: Maker) -> Iterator[Found]:
    exchange, database = settings.exchange, settings.database
    for path, address, schemes in (
        (("exchange", "rest_url"), exchange.rest_url, ("https", "http")),
        (("exchange", "sapi_url"), exchange.sapi_url, ("https", "http")),
        (("exchange", "ws_url"), exchange.ws_url, ("wss", "ws")),
        (("database", "url"), database.url, ("postgresql", "postgres")),
    ):
        if address is None:
            continue
        parts = urlsplit(address)
        if parts.scheme not in schemes:
            # What is no address may be a password in the wrong place: it is not shown.
            yield mistake(
                path,
                None,
                f"does not begin with {schemes[0]}://",
                f"Write {schemes[0]}://host and what follows.",
            )
        elif parts.password and document.place(path).variable is None:
            yield mistake(
                path,
                None,
                "holds a password, and secrets have no place in this file",
                "Put the whole address into RUSY_DATABASE__URL in the environment or .env.",
            )
    address = settings.monitoring.metrics_address
    if address == "*" or _is_every_address(address):
        yield mistake(
            ("monitoring", "metrics_address"),
            address,
            "would serve on every network of this machine",
            "Name one address, 127.0.0.1 if in doubt.",
        )


def _is_every_address(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_unspecified
    except ValueError:
        return False  # a host name


def _limits(settings: Settings, mistake: Maker) -> Iterator[Found]:
    risk = settings.risk
    if risk.max_exposure_per_symbol_percent > risk.max_exposure_percent:
        yield mistake(
            ("risk", "max_exposure_per_symbol_percent"),
            risk.max_exposure_per_symbol_percent,
            f"is more than risk.max_exposure_percent, {risk.max_exposure_percent}",
            "Lower it, or raise the limit for all symbols together.",
        )
    if risk.risk_per_trade_percent > risk.max_daily_loss_percent:
        yield mistake(
            ("risk", "risk_per_trade_percent"),
            risk.risk_per_trade_percent,
            f"is more than a whole day may lose, {risk.max_daily_loss_percent}",
            "Lower it, or raise risk.max_daily_loss_percent.",
        )
