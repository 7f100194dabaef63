"""The command line of a simulator that is a process of its own."""

import argparse
import datetime
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path

import msgspec

from rusy_tui.domain.candle import Interval
from rusy_tui.domain.errors import UsageError
from rusy_tui.simulator.markets import (
    HISTORY_DAYS,
    MOST_HISTORY_DAYS,
    CurrentMarket,
    Market,
    MirrorMarket,
    ReplayMarket,
    SyntheticMarket,
)
from rusy_tui.simulator.pace import FASTEST, SLOWEST
from rusy_tui.simulator.switches import Switches, switches
from rusy_tui.simulator.switches import names as switch_names

IDLE_S = 60.0
"""How long a simulator lives on after its last client, wall time."""

SPEED = 60.0
"""Market seconds a wall second, of an invented or recorded market."""

_RAW_SPEED = 1.0

_EXAMPLES = """examples:
  rusy simulator --port 8500
  rusy simulator --start 2024-03-04T08:00 --speed 600
  rusy simulator --json --accounts 2 --balance 10000,500 --withdrawal-key
  rusy simulator --replay BTCUSDT-15m.parquet --from 2025-05-01 --until 2025-05-08
  rusy simulator --replay btcusdt-messages.gz
  rusy simulator --market mirror --symbols BTCUSDT,ETHUSDT
  rusy simulator --faults scenario.yaml --switch stops_need_position

A time is like 2025-05-01, 2025-05-01T08:00 (UTC) or milliseconds since the epoch."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What a simulator is started with.

    ``directory`` None keeps nothing on disk. ``speed`` None: the market runs as it did in the
    directory's former run, a new one at wall time. ``balances``: of each account, USDT; the
    last account's key may withdraw where ``withdrawal_key``. ``standalone``: it stays when
    nobody asks.
    """

    market: Market | CurrentMarket
    directory: Path | None
    port: int
    speed: float | None
    balances: tuple[Decimal, ...]
    withdrawal_key: bool
    switches: Switches
    faults: Path | None
    standalone: bool
    idle_s: float
    json: bool


def parse(arguments: Sequence[str]) -> Options:
    """Options from a command line; a wrong one ends the program with exit code 2.

    Raises:
        UsageError: options that do not go together.
    """
    given = _parser().parse_args(arguments)
    directory = Path(given.directory) if given.directory else None
    market = _market(given)
    return Options(
        market=market,
        directory=directory,
        port=given.port,
        speed=_speed_of(market, given.speed),
        balances=_balances(given.accounts, given.balance, given.withdrawal_key),
        withdrawal_key=given.withdrawal_key,
        switches=switches(given.switch),
        faults=Path(given.faults) if given.faults else None,
        # Without a directory nobody could find it again: it is somebody's own.
        standalone=given.standalone or directory is None,
        idle_s=given.idle,
        json=given.json,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="rusy simulator",
        description="The simulated exchange, on loopback, speaking the exchange's protocol.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument_group("which market").add_argument
    add(
        "--market",
        choices=("synthetic", "replay", "mirror"),
        help="invented (the default), recorded, or another exchange's, live",
    )
    add("--seed", type=int, default=7, help="of an invented market, and of all chance (7)")
    add(
        "--symbols",
        default="BTCUSDT,ETHUSDT,SOLUSDT",
        metavar="LIST",
        help="contracts that are invented or mirrored, by comma (BTCUSDT,ETHUSDT,SOLUSDT)",
    )
    add(
        "--start",
        type=_moment,
        metavar="TIME",
        help="when an invented market begins, a full hour; left out, it is now in the market",
    )
    add(
        "--history-days",
        type=_days,
        default=HISTORY_DAYS,
        metavar="N",
        help="days that an invented market's contracts were listed before its start (3000)",
    )
    add(
        "--replay",
        metavar="FILE",
        help="recorded candles (.parquet, .csv) or raw messages of the streams (.gz)",
    )
    add("--from", dest="from_ms", type=_moment, metavar="TIME", help="first moment played")
    add(
        "--until",
        dest="until_ms",
        type=_moment,
        metavar="TIME",
        help="first moment not played any more; the market then stands still",
    )
    add("--symbol", help="of recorded candles whose name does not say")
    add("--interval", type=_interval, help="likewise: 1m, 15m or 1h")
    add("--funding", metavar="FILE", help="recorded funding rates, beside recorded candles")
    add(
        "--drop-update",
        type=int,
        metavar="ID",
        help="of raw messages, lose the diff of the book that ends with this update id",
    )
    add("--source-rest", metavar="URL", help="the mirrored exchange (the public one)")
    add("--source-ws", metavar="URL", help="its streams; both or none")
    add(
        "--speed",
        type=_speed,
        metavar="N",
        help="market seconds a wall second (60; without --start 1, which is wall time; "
        "raw messages 1; a mirror always 1)",
    )
    add = parser.add_argument_group("accounts").add_argument
    add("--accounts", type=int, choices=range(1, 9), default=1, metavar="1-8")
    add(
        "--balance",
        type=_amounts,
        default=(Decimal(10_000),),
        metavar="USDT[,USDT…]",
        help="in each account (10000), or one figure for every account",
    )
    add(
        "--withdrawal-key",
        action="store_true",
        help="one account more, the last one, whose key may withdraw",
    )
    add = parser.add_argument_group("what goes wrong, and what is left open").add_argument
    add(
        "--faults", metavar="FILE", help="a scenario of faults (YAML); docs/simulator-faults.md"
    )
    add(
        "--switch",
        action="append",
        default=[],
        choices=switch_names(),
        metavar="NAME",
        help=f"decide an open question the other way; repeatable: {', '.join(switch_names())}",
    )
    add = parser.add_argument_group("serving").add_argument
    add("--port", type=_port, default=0, help="of loopback; 0, the default, takes a free one")
    add("--json", action="store_true", help="print addresses and keys as one line of JSON")
    add(
        "--directory",
        metavar="DIR",
        help="where its journal and its address are kept; the same one goes on from there",
    )
    add("--standalone", action="store_true", help="with --directory: stay when nobody asks")
    add(
        "--idle",
        type=float,
        default=IDLE_S,
        metavar="SECONDS",
        help="with --directory: end so long after the last request (60)",
    )
    return parser


def _market(given: argparse.Namespace) -> Market | CurrentMarket:
    kind = given.market or ("replay" if given.replay else "synthetic")
    if given.replay and kind != "replay":
        raise UsageError(
            f"--replay {given.replay}: --market {kind} plays no file; leave one out"
        )
    if bool(given.source_rest) != bool(given.source_ws):
        raise UsageError(
            f"--source-rest {given.source_rest} and --source-ws {given.source_ws}: a mirrored "
            "exchange has two addresses; give both, or none for the public one"
        )
    if given.source_rest and kind != "mirror":
        raise UsageError(
            f"--source-rest {given.source_rest}: only --market mirror has a source"
        )
    symbols = tuple(symbol.strip().upper() for symbol in given.symbols.split(","))
    if kind == "synthetic":
        if given.start is None:
            return CurrentMarket(given.seed, symbols, given.history_days)
        return SyntheticMarket(given.seed, given.start, symbols, given.history_days)
    if kind == "mirror":
        return MirrorMarket(
            seed=given.seed,
            symbols=symbols,
            rest_url=given.source_rest,
            ws_url=given.source_ws,
        )
    if given.replay is None:
        raise UsageError("--market replay needs --replay FILE")
    market = ReplayMarket(
        seed=given.seed,
        # In the journal's own words, whatever folder the next run starts in.
        file=str(Path(given.replay).absolute()),
        symbol=given.symbol,
        interval=given.interval,
        from_ms=given.from_ms,
        until_ms=given.until_ms,
        funding=str(Path(given.funding).absolute()) if given.funding else None,
        drop_update=given.drop_update,
    )
    if market.drop_update is not None and not market.raw:
        raise UsageError(
            f"--drop-update {market.drop_update}: {given.replay} holds no raw messages (.gz)"
        )
    return market


def _speed_of(market: Market | CurrentMarket, asked: float | None) -> float | None:
    if isinstance(market, MirrorMarket):
        if asked not in (None, 1.0):
            raise UsageError(
                f"--speed {asked:g}: a mirror runs as its source does; leave it out"
            )
        return 1.0
    if asked is not None or isinstance(market, CurrentMarket):
        return asked
    return _RAW_SPEED if isinstance(market, ReplayMarket) and market.raw else SPEED


def _balances(
    accounts: int, given: tuple[Decimal, ...], withdrawal_key: bool
) -> tuple[Decimal, ...]:
    count = accounts + withdrawal_key
    if len(given) == 1:
        return given * count
    if len(given) != count:
        raise UsageError(
            f"--balance {','.join(format(each, 'f') for each in given)}: {len(given)} figures "
            f"for {count} accounts; give one for all, or one for each"
        )
    return given


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


def _days(text: str) -> int:
    days = int(text) if text.isdigit() else -1
    if not 0 <= days <= MOST_HISTORY_DAYS:
        raise argparse.ArgumentTypeError(f"{text!r} is not 0 to {MOST_HISTORY_DAYS} days")
    return days


def _interval(text: str) -> Interval:
    try:
        return Interval(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not 1m, 15m or 1h") from None


def _speed(text: str) -> float:
    speed = float(_number(text))
    if not SLOWEST <= speed <= FASTEST:
        raise argparse.ArgumentTypeError(f"a speed lies between {SLOWEST} and {FASTEST:g}")
    return speed


def _amounts(text: str) -> tuple[Decimal, ...]:
    return tuple(_amount(each) for each in text.split(","))


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
