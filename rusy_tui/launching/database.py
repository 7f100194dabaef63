"""Looking after the database, for commands: no engine takes part, and one may be at work."""

from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

import rusy_tui
from rusy_tui.clock import SystemClock
from rusy_tui.domain.errors import StorageError
from rusy_tui.domain.settings import Settings
from rusy_tui.launching import data
from rusy_tui.launching.job import Job
from rusy_tui.launching.signals import run_to_end

if TYPE_CHECKING:
    from rusy_tui.store.address import DatabaseAddress
    from rusy_tui.store.archive import Manifest
    from rusy_tui.store.inventory import Inventory
    from rusy_tui.store.migrations import Migration

T = TypeVar("T")
Progress = Callable[[str, int, int], None]
Shown = Callable[[], AbstractContextManager[Progress]]


class Archive(msgspec.Struct, frozen=True, kw_only=True):
    """A dump's file and what it holds; ``tables`` are names and rows."""

    file: str
    bytes: int
    rows: int
    schema: int
    venues: tuple[str, ...]
    server: str
    tables: dict[str, int]


def status(job: Job) -> "Inventory":
    """What the configured database is and holds.

    Raises:
        StorageError: there is none yet, or it can't be reached.
    """

    async def work(address: "DatabaseAddress") -> "Inventory":
        from rusy_tui.resources import sql_dir
        from rusy_tui.store import inventory
        from rusy_tui.store.migrations import migrations_in

        return await inventory.look(address, SystemClock(), migrations_in(sql_dir()))

    return _on_database(job, work, make=False)


def migrate(job: Job) -> "list[Migration]":
    """Bring the database up to date; what was run.

    Raises:
        StorageError: it is newer than this program, or a migration fails.
    """

    async def work(address: "DatabaseAddress") -> "list[Migration]":
        from rusy_tui.resources import sql_dir
        from rusy_tui.store.migrations import migrate
        from rusy_tui.store.pool import Database

        database = await Database.open(address, SystemClock())
        try:
            return await migrate(database, sql_dir())
        finally:
            await database.close()

    return _on_database(job, work, make=True)


def dump(job: Job, path: Path, shown: Shown) -> Archive:
    """Write the database into a file.

    Raises:
        StorageError: it can't be read, or the file can't be written.
    """

    async def work(address: "DatabaseAddress") -> "Manifest":
        from rusy_tui.resources import sql_dir
        from rusy_tui.store import dump

        with shown() as progress:
            return await dump.dump(
                address,
                SystemClock(),
                path,
                sql_dir(),
                program=f"Rusy {rusy_tui.__version__}",
                progress=progress,
            )

    return _archive(path, _on_database(job, work, make=False))


def restore(job: Job, path: Path, shown: Shown) -> Archive:
    """Fill the database, which must be empty, from a file.

    Raises:
        StorageError: the file is damaged or newer, or the database is not empty or in use.
    """

    async def work(address: "DatabaseAddress") -> "Manifest":
        from rusy_tui.resources import sql_dir
        from rusy_tui.store import dump

        with shown() as progress:
            return await dump.restore(
                address, SystemClock(), path, sql_dir(), progress=progress
            )

    return _archive(path, _on_database(job, work, make=True))


def _archive(path: Path, manifest: "Manifest") -> Archive:
    return Archive(
        file=str(path),
        bytes=path.stat().st_size,
        rows=manifest.rows,
        schema=manifest.migrations[-1].number,
        venues=manifest.venues,
        server=manifest.server,
        tables={table.name: table.rows for table in manifest.tables},
    )


def _on_database(
    job: Job, work: "Callable[[DatabaseAddress], Coroutine[Any, Any, T]]", *, make: bool
) -> T:
    """Do something with the configured database.

    Args:
        job: with the configuration.
        work: to do.
        make: whether an embedded database that is not there yet is made.
    """
    settings = job.settings()
    if not make:
        _must_exist(job, settings)

    async def run() -> T:
        async with data.server(job, settings) as address:
            return await work(address)

    return run_to_end(run())


def _must_exist(job: Job, settings: Settings) -> None:
    if settings.database.url is not None:
        return
    folder = job.database_folder(settings)
    if not folder.is_dir():
        raise StorageError(
            f"{folder}: there is no database yet; the first start of an engine makes it, or "
            "`rusy db migrate`"
        )
