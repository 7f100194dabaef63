"""Is this installation right: each part is tried, the first that is not ends the check."""

import asyncio
import os
import tempfile
from pathlib import Path

from rusy_tui.domain.errors import StorageError
from rusy_tui.domain.settings import Settings
from rusy_tui.launching import places
from rusy_tui.launching.job import Job


def check(config: Path | None, *, offline: bool) -> list[str]:
    """One line for each thing that was found right.

    Args:
        config: a configuration; without one, `configuration.yaml` if it is there, else what
            the demo needs.
        offline: judge the configuration alone.

    Raises:
        RusyError: the first thing that is wrong.
    """
    named = config or Path("configuration.yaml")
    demo = config is None and not offline and not named.is_file()
    job = Job(demo=demo, config=None if demo else str(named))
    settings = job.settings()
    said = ["no configuration.yaml: the demo's settings" if demo else f"{named}: right"]
    if offline:
        return said
    said += [_model(settings), _folder(places.home()), *_database(job, settings)]
    if not settings.exchange.venue.simulated:
        said.append(asyncio.run(_exchange(job, settings)))
    return said


def _model(settings: Settings) -> str:
    from rusy_tui.ensemble import registry
    from rusy_tui.ensemble.runtime import Ensemble

    ensemble = Ensemble.load(registry.find(settings.ensemble.model))
    return f"model {ensemble.manifest.version}: whole, and its graphs load"


def _folder(folder: Path) -> str:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"x" * 4096)
            os.fsync(probe.fileno())
    except OSError as error:
        raise StorageError(
            f"{folder}: the data directory can't be written to: {error.strerror}; set "
            "RUSY_HOME to another one"
        ) from error
    return f"data directory {folder}: can be written to"


def _database(job: Job, settings: Settings) -> list[str]:
    from rusy_tui.clock import SystemClock
    from rusy_tui.store.address import DatabaseAddress
    from rusy_tui.store.embedded import temporary_server
    from rusy_tui.store.store import Store

    clock = SystemClock()

    async def tried(address: DatabaseAddress) -> None:
        store = await Store.open(address, clock, settings.exchange.venue.value, "check")
        await store.close()

    async def embedded() -> None:
        async with temporary_server(clock) as address:
            await tried(address)

    if settings.database.url is not None:
        address = DatabaseAddress.of_url(settings.database.url)
        asyncio.run(tried(address))
        return [f"{address}: answers, tables are up to date"]
    asyncio.run(embedded())
    said = ["embedded database: starts"]
    if settings.database.directory and not job.demo:
        said.append(_folder(job.database_folder(settings)))
    return said


async def _exchange(job: Job, settings: Settings) -> str:
    from rusy_tui.launching import parts

    market = await parts.real_market(job, settings)
    try:
        await market.exchange.connect()
        account = await market.exchange.account_settings()
    finally:
        await market.exchange.close()
    may = "may trade" if account.can_trade else "may NOT trade"
    return f"exchange {settings.exchange.venue}: answers, the account {may}"
