"""A dump of either kind of server restores on the other."""

from pathlib import Path

import pytest

from rusy_tui.clock import SystemClock
from rusy_tui.resources import sql_dir
from rusy_tui.store import catalog, dump, inventory, timescale
from rusy_tui.store.address import DatabaseAddress
from rusy_tui.store.migrations import migrations_in
from rusy_tui.store.pool import Database
from tests.store.filled import contents, fill

pytestmark = [pytest.mark.verify, pytest.mark.needs("timescaledb"), pytest.mark.timeout(180)]


def _progress(_what: str, _done: int, _of: int) -> None: ...


async def test_to_timescaledb_and_back(
    timescale_server: DatabaseAddress, plain: Database, tmp_path: Path
) -> None:
    """Another major version too: the two servers here are of different ones.

    There is one connection to TimescaleDB: each step opens its own.
    """
    clock, migrations = SystemClock(), sql_dir()
    known = migrations_in(migrations)
    await fill(plain)
    before = await contents(plain)

    async def dumped(address: DatabaseAddress, path: Path) -> None:
        await dump.dump(address, clock, path, migrations, program="test", progress=_progress)

    async def restored(address: DatabaseAddress, path: Path) -> None:
        await dump.restore(address, clock, path, migrations, progress=_progress)

    async def forget(address: DatabaseAddress) -> None:
        """No table, as in a database that was just made."""
        database = await Database.open(address, clock)
        async with database.session() as session:
            await catalog.drop_all(session, known)
        await database.close()

    await dumped(plain.address, tmp_path / "plain.dump")
    await forget(timescale_server)
    # The second time over empty tables, with all that TimescaleDB has beside them.
    for _ in range(2):
        await restored(timescale_server, tmp_path / "plain.dump")
        other = await Database.open(timescale_server, clock)
        assert await contents(other) == before
        assert await timescale.present(other)
        # Computed anew, for a dump has only what it is made of.
        assert await other.value(f"SELECT count(*) FROM {timescale.DAILY}") == (
            await plain.value(f"SELECT count(*) FROM {timescale.DAILY}")
        )
        for name in before:
            await other.execute(f"DELETE FROM {name}")
        await other.close()

    await restored(timescale_server, tmp_path / "plain.dump")
    other = await Database.open(timescale_server, clock)
    assert await timescale.compress(other, 2_000_000_000_000) > 4
    versions = (
        await other.value("SHOW server_version"),
        await plain.value("SHOW server_version"),
    )
    assert versions[0].partition(".")[0] != versions[1].partition(".")[0]
    await other.close()
    found = await inventory.look(timescale_server, clock, known)
    sizes = {each.name: each for each in found.tables}
    assert sizes["market_data"].rows == len(before["market_data"])
    assert sizes["market_data"].bytes > 500_000
    assert found.timescaledb is not None

    await dumped(timescale_server, tmp_path / "timescale.dump")
    await forget(plain.address)
    await restored(plain.address, tmp_path / "timescale.dump")
    assert await contents(plain) == before
