"""The command line of a simulator that is a process of its own."""

import argparse
import datetime
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path

import msgspec

from rusy_tui.domain.candle import Interval
from rusy_tui.domain.errors import UsageError
from rusy_tui.simulator.markets import Market, ReplayMarket, SyntheticMarket
from rusy_tui.simulator.pace import FASTEST, SLOWEST
from rusy_tui.simulator.switches import Switches, switches
from rusy_tui.simulator.switches import names as switch_names

IDLE_S = 60.0
"""How long a simulator lives on after its last client, wall time."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What a simulator is started with.

    ``directory`` None keeps nothing on disk. ``standalone``: it stays when nobody asks.
    """

    market: Market
    directory: Path | None
    port: int
    speed: float
    balance: Decimal
    accounts: int
    standalone: bool
    idle_s: float
    json: bool
    switches: Switches


def parse(arguments: Sequence[str]) -> Options:
    """Options from a command line; a wrong one ends the program with exit code 2."""
    given = _parser().parse_args(arguments)
    directory = Path(given.directory) if given.directory else None
    return Options(
        market=_market(given),
        directory=directory,
        port=given.port,
        speed=given.speed,
        balance=given.balance,
        accounts=given.accounts,
        # Without a directory nobody could find it again: it is somebody's own.
        standalone=given.standalone or directory is None,
        idle_s=given.idle,
        json=given.json,
        switches=switches(given.switch),
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="rusy simulator",
        description="The simulated exchange, on loopback, speaking the exchange's protocol.",
    )
    add = parser.add_argument
    add("--directory", help="where its address and its journal are kept; resumes from there")
    add("--market", choices=("synthetic", "replay"), default="synthetic")
    add("--seed", type=int, default=7, help="of an invented market, and of all chance")
    add("--start", type=_moment, default=_moment("2024-03-04T08:00:00"), metavar="TIME")
    add("--symbols", default="BTCUSDT,ETHUSDT,SOLUSDT", help="invented coins, by comma")
    add("--replay", metavar="FILE", help="recorded candles, Parquet or CSV")
    add("--symbol", help="of a recording whose name does not say")
    add("--interval", type=_interval, help="of a recording whose name does not say")
    add("--from", dest="from_ms", type=_moment, metavar="TIME")
    add("--until", dest="until_ms", type=_moment, metavar="TIME", help="exclusive")
    add("--funding", metavar="FILE", help="recorded funding rates")
    add("--speed", type=_speed, default=60.0, help="market seconds a wall second")
    add("--balance", type=_amount, default=Decimal(10_000), help="USDT in each account")
    add("--accounts", type=int, choices=range(1, 9), default=1, metavar="1-8")
    add(
        "--switch",
        action="append",
        default=[],
        choices=switch_names(),
        help="decides what the exchange's documents leave open; once for each",
    )
    add("--port", type=_port, default=0, help="0 takes any free one")
    add("--standalone", action="store_true", help="stay when nobody asks any more")
    add("--idle", type=float, default=IDLE_S, metavar="SECONDS", help="before it ends")
    add("--json", action="store_true", help="print addresses and keys as one line of JSON")
    return parser


def _market(given: argparse.Namespace) -> Market:
    if given.market == "synthetic" and given.replay is None:
        symbols = tuple(symbol.strip() for symbol in given.symbols.split(","))
        return SyntheticMarket(given.seed, given.start, symbols)
    if given.replay is None:
        raise UsageError("--market replay needs --replay FILE")
    return ReplayMarket(
        seed=given.seed,
        # In the journal's own words, whatever folder the next run starts in.
        file=str(Path(given.replay).absolute()),
        symbol=given.symbol,
        interval=given.interval,
        from_ms=given.from_ms,
        until_ms=given.until_ms,
        funding=str(Path(given.funding).absolute()) if given.funding else None,
    )


def _moment(text: str) -> int:
    """Milliseconds since the epoch, from a number of them or an ISO time (UTC unless said)."""
    if text.lstrip("-").isdigit():
        return int(text)
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no time like 2025-05-01") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    return round(moment.timestamp() * 1000)


def _interval(text: str) -> Interval:
    try:
        return Interval(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not 1m, 15m or 1h") from None


def _speed(text: str) -> float:
    speed = _number(text)
    if not SLOWEST <= speed <= FASTEST:
        raise argparse.ArgumentTypeError(f"a speed lies between {SLOWEST} and {FASTEST:g}")
    return float(speed)


def _amount(text: str) -> Decimal:
    amount = _number(text)
    if amount < 0:
        raise argparse.ArgumentTypeError("a balance is not below zero")
    return amount


def _number(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from None
    if not number.is_finite():
        raise argparse.ArgumentTypeError(f"{text!r} is no number")
    return number


def _port(text: str) -> int:
    port = int(text) if text.isdigit() else -1
    if not 0 <= port <= 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port")
    return port
