"""Putting an engine's parts together: market, database, networks, all at the same time."""

import asyncio
import contextlib
import random
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any

from rusy_tui.clock import PacedClock, SystemClock
from rusy_tui.domain.candle import Interval
from rusy_tui.domain.clock import Clock, PaceControl
from rusy_tui.domain.settings import DataSource, Settings, Venue
from rusy_tui.launching import places, simulated
from rusy_tui.launching.addresses import ADDRESSES, Urls
from rusy_tui.launching.job import Job
from rusy_tui.link.hub import Publisher

if TYPE_CHECKING:
    from pydantic import SecretStr

    from rusy_tui.config import Secrets
    from rusy_tui.engine import Parts
    from rusy_tui.ensemble.runtime import Ensemble
    from rusy_tui.exchange.port import ExchangePort
    from rusy_tui.market.extras import Extras
    from rusy_tui.market.source import BarSource
    from rusy_tui.store.address import DatabaseAddress
    from rusy_tui.store.embedded import EmbeddedServer
    from rusy_tui.store.store import Store

Progress = Callable[[str], None]

# One call at a time would let the chart's reading wait for the journal's writing.
_DATABASE_CALLS = 4
# Where bars wait while the database is away, in a market's folder.
SPOOL = "bars-waiting"
# A simulated market may move in steps; the exchange itself does not. Wall seconds.
_SIMULATED_SILENCE_S = 90.0


class Market:
    """An exchange to trade on, the clock that goes with it, and who sets its pace.

    ``follow`` keeps the clock at a pace that others set; it runs for ever.
    """

    def __init__(
        self,
        exchange: "ExchangePort",
        clock: Clock,
        pace_control: PaceControl | None = None,
        speed: float = 1.0,
        follow: Callable[[], Coroutine[Any, Any, None]] | None = None,
    ) -> None:
        self.exchange = exchange
        self.clock = clock
        self.pace_control = pace_control
        self.speed = speed
        self.follow = follow


async def build(
    job: Job,
    settings: Settings,
    account: str,
    publisher: Publisher,
    stack: contextlib.AsyncExitStack,
    progress: Progress,
) -> "Parts":
    """Everything an engine is made of; what has to be closed again is put on the stack.

    Raises:
        RusyError: a part can't be had, with the remedy.
    """
    progress("starting the exchange, the database and the networks")
    # Three waits of different kinds: a process, another process, this process's imports.
    stored = asyncio.create_task(database(job, settings, stack))
    exchange = asyncio.create_task(_market(job, settings, stack))
    networks = asyncio.create_task(_ensemble(settings))
    try:
        market, address, ensemble = await exchange, await stored, await networks
    finally:
        # One that failed ends the others; none is left behind to fail unseen.
        for task in (stored, exchange, networks):
            task.cancel()
        await asyncio.gather(stored, exchange, networks, return_exceptions=True)
    progress("opening the database")
    from rusy_tui.engine import Parts
    from rusy_tui.store.store import Store

    venue = settings.exchange.venue.value
    store = await Store.open(address, market.clock, venue, account, size=_DATABASE_CALLS)
    stack.push_async_callback(store.close)
    warmup = ensemble.manifest.warmup
    return Parts(
        settings=settings,
        symbols=settings.data.symbols,
        clock=market.clock,
        exchange=market.exchange,
        store=store,
        bars=_bars(job, settings, market, store, warmup, stack),
        extras=_extras(settings, market, store),
        ensemble=ensemble,
        publisher=publisher,
        randomness=random.Random(random.SystemRandom().getrandbits(64)),
        pace_control=market.pace_control,
        speed=market.speed,
    )


def _bars(
    job: Job,
    settings: Settings,
    market: Market,
    store: "Store",
    warmup: "Mapping[Interval, int]",
    stack: contextlib.AsyncExitStack,
) -> "BarSource":
    """Where an engine's closed bars come from."""
    from rusy_tui.market.from_database import DatabaseBars
    from rusy_tui.market.service import MarketService
    from rusy_tui.store.retention import Upkeep
    from rusy_tui.store.spool import Spool

    symbols, clock, journal = settings.data.symbols, market.clock, store.journal.append
    if settings.data.source is DataSource.DATABASE:
        return DatabaseBars(
            store.market_data,
            clock,
            market.exchange.exchange_ms,
            symbols=symbols,
            warmup_bars=warmup,
            journal=journal,
            listen_at=store.database.address,
        )
    spool = Spool(job.market_folder(settings) / SPOOL)
    stack.callback(spool.close)
    return MarketService(
        market.exchange,
        store.market_data,
        clock,
        symbols=symbols,
        warmup_bars=warmup,
        spool=spool,
        journal=journal,
        history_days=settings.data.history_days,
        upkeep=Upkeep(
            store.database,
            settings.exchange.venue.value,
            clock,
            settings.data.keep_days,
            on_servers_clock=settings.exchange.venue is not Venue.DEMO,
        ),
    )


def _extras(settings: Settings, market: Market, store: "Store") -> "Extras | None":
    """What is kept beside the bars, by whoever collects them."""
    from rusy_tui.market.extras import Extras

    if settings.data.source is DataSource.DATABASE:
        return None
    return Extras(
        market.exchange,
        store.market_data,
        market.clock,
        settings.data.symbols,
        lookback_days=settings.data.history_days,
    )


async def _market(job: Job, settings: Settings, stack: contextlib.AsyncExitStack) -> Market:
    if settings.exchange.venue.simulated:
        return await _simulated_market(job, settings, stack)
    return await real_market(job, settings)


async def _simulated_market(
    job: Job, settings: Settings, stack: contextlib.AsyncExitStack
) -> Market:
    from pydantic import SecretStr

    from rusy_tui.config import Secrets

    found = await simulated.running(job, settings)
    place, clock = found.place, PacedClock(found.pace)
    control = simulated.SimulatorPace(place, clock)
    stack.push_async_callback(control.close)
    urls = Urls(place.rest_url, place.ws_url, place.rest_url)
    secrets = Secrets(api_key=SecretStr(place.api_key), api_secret=SecretStr(place.api_secret))
    exchange = await _exchange(settings, urls, secrets, clock, _SIMULATED_SILENCE_S)
    if settings.exchange.venue is Venue.PAPER:
        return Market(exchange, clock)
    return Market(exchange, clock, control, settings.demo.speed, control.follow)


async def public_market(
    job: Job, settings: Settings, stack: contextlib.AsyncExitStack
) -> Market:
    """An exchange for what it tells everybody, not connected to yet; without keys."""
    if settings.exchange.venue.simulated:
        return await _simulated_market(job, settings, stack)
    from rusy_tui.config import Secrets

    return await _market_elsewhere(settings, Secrets())


async def real_market(job: Job, settings: Settings) -> Market:
    """An exchange that is elsewhere, not connected to yet.

    Raises:
        ConfigurationError: there are no keys.
    """
    return await _market_elsewhere(settings, job.secrets())


async def _market_elsewhere(settings: Settings, secrets: "Secrets") -> Market:
    venue = settings.exchange.venue
    given, known = settings.exchange, ADDRESSES[venue]
    rest_url, ws_url = given.rest_url or known.rest_url, given.ws_url or known.ws_url
    sapi_url = given.sapi_url or known.sapi_url
    clock = SystemClock()
    urls = Urls(rest_url, ws_url, sapi_url)
    exchange = await _exchange(settings, urls, secrets, clock, None)
    return Market(exchange, clock)


async def _exchange(
    settings: Settings,
    urls: Urls,
    secrets: "Secrets",
    clock: Clock,
    silence_s: float | None,
) -> "ExchangePort":
    def make() -> "ExchangePort":
        from rusy_tui.exchange.binance import BinanceExchange

        return BinanceExchange(
            urls.rest_url,
            urls.ws_url,
            _revealed(secrets.api_key) or "",
            _revealed(secrets.api_secret) or "",
            clock,
            recv_window_ms=settings.exchange.recv_window_ms,
            request_timeout_s=settings.exchange.request_timeout_s,
            seed=random.SystemRandom().getrandbits(32),
            private_key=_revealed(secrets.private_key),
            private_key_password=_revealed(secrets.private_key_password),
            ban_file=places.ban_file(urls.rest_url),
            sapi_url=urls.sapi_url,
            silence_s=silence_s,
        )

    # Its library takes half a second to import.
    return await asyncio.to_thread(make)


def _revealed(secret: "SecretStr | None") -> str | None:
    return secret.get_secret_value() if secret is not None else None


async def database(
    job: Job, settings: Settings, stack: contextlib.AsyncExitStack
) -> "DatabaseAddress":
    """The configured database's address; an embedded server is started, or shared.

    Whoever leaves an embedded server last ends it.

    Raises:
        StorageError: it can't be had.
    """
    from rusy_tui.store.address import DatabaseAddress

    if settings.database.url is not None:
        return DatabaseAddress.of_url(settings.database.url)

    def make() -> "EmbeddedServer":
        from rusy_tui.store.embedded import EmbeddedServer

        _private_home()
        return EmbeddedServer(job.database_folder(settings), SystemClock())

    server = await asyncio.to_thread(make)
    starting = asyncio.ensure_future(server.start())

    async def stop() -> None:
        # A start that was given up half-way goes on in its thread: only then can it be ended.
        await asyncio.wait([starting])
        await server.release()

    stack.push_async_callback(stop)
    return await asyncio.shield(starting)


def _private_home() -> None:
    """Make the data directory as its user's alone, whichever command is the first.

    Raises:
        StorageError: it can't be made.
    """
    from rusy_tui.domain.errors import StorageError

    try:
        places.make_private(places.home())
    except OSError as error:
        raise StorageError(
            f"{places.home()}: can't be made: {error.strerror}; set RUSY_HOME to another one"
        ) from error


async def _ensemble(settings: Settings) -> "Ensemble":
    def load() -> "Ensemble":
        import rusy_tui.engine  # noqa: F401  # takes long, and this is the thread for it
        from rusy_tui.ensemble import registry
        from rusy_tui.ensemble.runtime import Ensemble

        return Ensemble.load(registry.find(settings.ensemble.model))

    return await asyncio.to_thread(load)
