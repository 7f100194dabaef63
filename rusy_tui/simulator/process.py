"""A simulator as a process of its own: as in production, the exchange is elsewhere.

It owns the pace of its market, outlives the engine that uses it, keeps its account on disk
and goes on with it when started again on the same directory.
"""

import asyncio
import fcntl
import os
import random
import secrets
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Generator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec

from rusy_tui.clock import PacedClock, SystemClock
from rusy_tui.domain.clock import Pace
from rusy_tui.domain.errors import RusyError, StorageError, UsageError
from rusy_tui.simulator import journal
from rusy_tui.simulator.account import KeyRights
from rusy_tui.simulator.core import AccountSpec, SimulatedExchange
from rusy_tui.simulator.faults.scenario import read_file
from rusy_tui.simulator.feeds import Feed
from rusy_tui.simulator.feeds.mirror import MirrorFeed, Mirroring, Source
from rusy_tui.simulator.markets import CurrentMarket, Market, MirrorMarket
from rusy_tui.simulator.options import SPEED, Options, parse
from rusy_tui.simulator.pace import STANDSTILL, PaceOwner
from rusy_tui.simulator.runner import play
from rusy_tui.simulator.server import SimulatorServer
from rusy_tui.simulator.state import Books
from rusy_tui.simulator.wire.words import text

ADDRESS_FILE = "simulator.json"
JOURNAL_FILE = "simulator-journal.json"
_LOCK_FILE = "simulator.lock"
_LOOK_EVERY_S = 1.0


OpenSource = Callable[[MirrorMarket], AbstractAsyncContextManager[Source]]
"""Connects to the exchange that a mirror is of; the block ended, it is closed."""


async def run_simulator(options: Options, open_source: OpenSource | None = None) -> None:
    """Serve a market until told to stop, or nobody has asked for a while.

    Args:
        options: what is served.
        open_source: needed to mirror another exchange.

    Raises:
        RusyError: when it can't be started; the text has the remedy.
    """
    market = options.market
    if open_source is None or not isinstance(market, MirrorMarket):
        await _run(options, market, None)
        return
    async with open_source(market) as source:
        await _run(options, market, source)


class _Course(msgspec.Struct, frozen=True, kw_only=True):
    """Which market runs, from when and how fast.

    ``former``: what a former run kept of it. ``resume_ms``: up to there it is only recalled.
    ``begin_ms``: the clock's first moment; None for the market's own. ``at_wall_time``: the
    market's time is the wall's.
    """

    market: Market
    former: journal.Saved | None
    resume_ms: int | None
    begin_ms: int | None
    speed: float
    at_wall_time: bool = False


def _course(options: Options, market: Market | CurrentMarket) -> _Course:
    """What is gone on with, or begun.

    Raises:
        StorageError: the journal can't be read, or is of another market.
    """
    path = options.directory / JOURNAL_FILE if options.directory else None
    former = journal.read(path, market) if path else None
    kept_ms = former.market_ms if former else None
    if not isinstance(market, CurrentMarket):
        return _Course(
            market=market,
            former=former,
            resume_ms=kept_ms,
            begin_ms=kept_ms,
            speed=options.speed or SPEED,
        )
    now_ms = SystemClock().wall_ms()
    if former is None or kept_ms is None:
        return _Course(
            market=market.begun(now_ms),
            former=None,
            resume_ms=now_ms,
            begin_ms=now_ms,
            speed=options.speed or 1.0,
            at_wall_time=options.speed in (None, 1.0),
        )
    at_wall_time = former.at_wall_time and options.speed in (None, 1.0)
    # A market never goes back: one that was run ahead of the wall stays ahead.
    begin_ms = max(kept_ms, now_ms) if at_wall_time else kept_ms
    return _Course(
        market=former.market,
        former=former,
        # Where nothing can be filled or charged, the time since need not be traded through.
        resume_ms=begin_ms if former.is_at_rest else kept_ms,
        begin_ms=begin_ms,
        speed=options.speed or (1.0 if at_wall_time else SPEED),
        at_wall_time=at_wall_time,
    )


async def _run(options: Options, asked: Market | CurrentMarket, source: Source | None) -> None:
    began_s = time.monotonic()
    course = _course(options, asked)
    market, former, resume_ms = course.market, course.former, course.resume_ms
    journal_path = options.directory / JOURNAL_FILE if options.directory else None
    mirror: MirrorFeed | None = None
    feed: Feed
    if isinstance(market, MirrorMarket):
        if source is None:
            raise UsageError(
                "--market mirror: start it with `rusy simulator`, which has a client"
            )
        feed = mirror = await MirrorFeed.open(source, market.symbols, market.seed)
        # Where it is now is all there is of it.
        resume_ms = None
    else:
        feed = market.feed(resume_ms)
    begin_ms = course.begin_ms
    if begin_ms is None or mirror is not None:
        begin_ms = feed.start_ms
    # Time stands still until all is ready: no minutes are rushed through at the start. Where
    # it is the wall's it runs on, and what passes meanwhile is caught up with.
    clock = PacedClock(Pace(begin_ms, began_s, 1.0 if course.at_wall_time else STANDSTILL))
    books = former.books() if former else Books(accounts=[])
    exchange = SimulatedExchange(feed, clock, books, market.seed, options.switches)
    # Also before anything is played, what is kept must not say that it is to be played again.
    exchange.played_ms = begin_ms if mirror or resume_ms is None else resume_ms
    if former:
        former.put_back(exchange)
    else:
        for spec in _new_accounts(options):
            exchange.open_account(spec)
    if mirror is None:
        exchange.gate.close(begin_ms, exchange.played_ms)
    pace = PaceOwner(clock, exchange.gate, fixed=mirror is not None)
    mirroring = None
    if source is not None and mirror is not None:
        mirroring = Mirroring(source, mirror, exchange, clock)
    token = secrets.token_urlsafe(32)
    server = SimulatorServer(
        exchange,
        clock,
        lockstep=False,
        control_token=token,
        names=random.SystemRandom(),
        pace=pace,
    )
    if options.faults:
        server.faults.add(*read_file(options.faults, clock.wall_ms()))
    stop = server.stop_asked
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await server.start(options.port)
    if not course.at_wall_time:
        pace.start(course.speed)
    try:
        work: list[Coroutine[Any, Any, None]] = [
            mirroring.run() if mirroring else play(exchange, feed, clock, resume_ms)
        ]
        keeper = None
        if journal_path:
            keeper = journal.Keeper(
                exchange,
                market,
                journal_path,
                clock,
                at_wall_time=course.at_wall_time,
                former=former,
            )
            keeper.write()
            server.keep_with(keeper.write)
            work.append(keeper.keep())
        if not options.standalone:
            work.append(_end_when_idle(server, options.idle_s, stop))
        _announce(options, server, token, pace)
        await _until(stop, work)
        if keeper:
            keeper.write()
    finally:
        await server.stop()
        if options.directory:
            (options.directory / ADDRESS_FILE).unlink(missing_ok=True)


def _new_accounts(options: Options) -> list[AccountSpec]:
    last = len(options.balances) - 1
    return [
        AccountSpec(
            api_key=secrets.token_hex(32),
            api_secret=secrets.token_hex(32),
            balance=balance,
            rights=KeyRights(withdraws=options.withdrawal_key and number == last),
        )
        for number, balance in enumerate(options.balances)
    ]


async def _until(stop: asyncio.Event, work: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Work until the event is set; what fails meanwhile fails this."""
    tasks = [asyncio.create_task(each) for each in work]
    waiting = asyncio.create_task(stop.wait())
    try:
        left = {*tasks, waiting}
        while waiting in left:
            done, left = await asyncio.wait(left, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
    finally:
        for task in (*tasks, waiting):
            task.cancel()
        for task in (*tasks, waiting):
            with suppress(asyncio.CancelledError):
                await task


async def _end_when_idle(server: SimulatorServer, idle_s: float, stop: asyncio.Event) -> None:
    while server.idle_s < idle_s:
        await asyncio.sleep(min(_LOOK_EVERY_S, idle_s / 4))
    stop.set()


def _announce(options: Options, server: SimulatorServer, token: str, pace: PaceOwner) -> None:
    """Tell where it is and with which keys: in its directory, and on the standard output."""
    addresses = {
        "rest_url": server.rest_url,
        "ws_url": server.ws_url,
        "control_url": server.control_url,
        "control_token": token,
    }
    accounts = server.exchange.books.accounts
    if options.directory:
        first = accounts[0]
        content = {
            "pid": os.getpid(),
            **addresses,
            "api_key": first.api_key,
            "api_secret": first.api_secret,
            "pace": pace.pace,
            "seed": options.market.seed,
        }
        journal.write_private(options.directory / ADDRESS_FILE, msgspec.json.encode(content))
    listed = [
        {
            "api_key": account.api_key,
            "api_secret": account.api_secret,
            "balance": text(account.wallet),
        }
        for account in accounts
    ]
    if options.json:
        line = msgspec.json.encode({**addresses, "accounts": listed}).decode()
    else:
        line = f"simulated exchange on {server.rest_url} ({pace.pace.speed:g}×)"
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


@contextmanager
def _alone(directory: Path | None) -> Generator[None]:
    """Hold a directory against a second simulator.

    Raises:
        StorageError: when it can't be used.
        RusyError: when another one holds it.
    """
    if directory is None:
        yield
        return
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (directory / _LOCK_FILE).open("w")
    except OSError as error:
        raise StorageError(
            f"can't use {directory} for the simulated exchange: {error.strerror}"
        ) from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RusyError(
                f"a simulated exchange already runs in {directory}: use that one "
                f"(its addresses are in {ADDRESS_FILE}), or name another --directory"
            ) from None
        yield


def main(arguments: Sequence[str] | None = None, open_source: OpenSource | None = None) -> int:
    """Run a simulator as the command line says; the exit code.

    Args:
        arguments: without the program's name; None for the process's own.
        open_source: connects to an exchange that is to be mirrored; without it none can be.
    """
    try:
        options = parse(sys.argv[1:] if arguments is None else arguments)
        with _alone(options.directory):
            asyncio.run(run_simulator(options, open_source))
    except RusyError as error:
        sys.stderr.write(f"rusy: {error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
