"""A database that stops, fills up or is cut off while bars come in."""

from pathlib import Path

import pytest

from rusy_tui.domain.history import FindingKind
from rusy_tui.store.address import DatabaseAddress
from rusy_tui.store.embedded import EmbeddedServer
from tests.data_faults.proxy import Proxy
from tests.data_faults.scene import START_MS, STEP, Scene, under


def test_a_database_that_is_stopped_for_a_minute_loses_nothing(
    database_address: DatabaseAddress, tmp_path: Path
) -> None:
    """Over the close of an hour, so that quarters and hours wait; they are on the disk."""

    async def act(scene: Scene) -> None:
        proxy = Proxy(database_address)
        await proxy.start()
        scene.address = proxy.address
        await scene.start()
        await scene.minute(59.5)
        await proxy.stop()
        await scene.minute(60.5)
        assert scene.spool.rows == 4
        assert len(scene.passed) == 2 * 3
        assert set(scene.service.behind())
        await proxy.start()
        await scene.minute(62)
        assert len(scene.passed) == 2 * 5
        await scene.minute(76)
        await scene.must_hold()
        # What waited was written; the exchange was asked for nothing.
        assert await scene.sources() == ["stream"]
        assert await scene.noted(state="away")
        (back,) = await scene.noted(state="back")
        assert back["after_s"] < 60
        await scene.stop()
        await proxy.close()

    under(act, database_address, tmp_path)


def test_hours_without_a_database_and_a_kill_in_between_lose_nothing(
    database_address: DatabaseAddress, tmp_path: Path
) -> None:
    """What waits on the disk is read by the next start, before anything else; it is history
    then, which nobody votes on.
    """

    async def act(scene: Scene) -> None:
        proxy = Proxy(database_address)
        await proxy.start()
        scene.address = proxy.address
        await scene.start()
        await scene.minute(20)
        await proxy.stop()
        await scene.minute(200)
        waiting = scene.spool.rows
        assert waiting == 2 * (12 + 3)
        await scene.stop()
        scene.passed.clear()
        await proxy.start()
        await scene.start()
        assert await scene.noted(written=waiting)
        assert await scene.table() == scene.truth()
        assert await scene.sources() == ["stream"]
        await scene.minute(226)
        assert await scene.table() == scene.truth()
        closed = {(bar.close_time_ms - START_MS) // 60_000 for bar in scene.passed}
        assert closed == {210, 225}
        await scene.stop()
        await proxy.close()

    under(act, database_address, tmp_path)


def test_a_full_disk_of_the_database_holds_bars_back_until_it_has_room(
    database_address: DatabaseAddress, tmp_path: Path
) -> None:
    """SQLSTATE 53100, raised by a trigger from one row on to another."""

    async def act(scene: Scene) -> None:
        await scene.start()
        execute = scene.store.database.execute
        await execute("CREATE SEQUENCE rows_given")
        await execute(
            """
            CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF nextval('rows_given') BETWEEN 5 AND 60 THEN
                    RAISE 'could not extend file: No space left' USING ERRCODE = '53100';
                END IF;
                RETURN NEW;
            END $$
            """
        )
        await execute(
            "CREATE TRIGGER no_room BEFORE INSERT ON market_data "
            "FOR EACH ROW EXECUTE FUNCTION no_room()"
        )
        await scene.minute(76)
        await scene.must_hold()
        away = await scene.noted(state="away")
        assert any("53100" in note["why"] for note in away)
        assert await scene.noted(state="back")
        await scene.stop()

    under(act, database_address, tmp_path)


@pytest.mark.parametrize("state", ["25006", "40P01", "55P03", "57014"])
def test_a_database_that_takes_no_writes_for_a_while_holds_bars_back(
    database_address: DatabaseAddress, tmp_path: Path, state: str
) -> None:
    """A hosted one whose disk is nearly full, a deadlock, a limit of the server's own: the bar
    is not at fault, so it waits on the disk and is not set aside.
    """

    async def act(scene: Scene) -> None:
        await scene.start()
        await scene.minute(14)
        execute = scene.store.database.execute
        await execute(
            f"""
            CREATE FUNCTION not_now() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN RAISE 'not now' USING ERRCODE = '{state}'; END $$
            """
        )
        await execute(
            "CREATE TRIGGER not_now BEFORE INSERT ON market_data "
            "FOR EACH ROW EXECUTE FUNCTION not_now()"
        )
        await scene.minute(15.5)
        assert scene.spool.rows == 2
        assert await scene.cures(FindingKind.BROKEN) == []
        await execute("DROP TRIGGER not_now ON market_data")
        await scene.minute(31)
        await scene.must_hold()
        assert await scene.cures(FindingKind.BROKEN) == []
        assert await scene.noted(state="back")
        await scene.stop()

    under(act, database_address, tmp_path)


@pytest.mark.parametrize("sent", [1, 2_000, 20_000])
def test_a_connection_that_is_cut_in_a_copy_leaves_no_half_page(
    database_address: DatabaseAddress, tmp_path: Path, sent: int
) -> None:
    """In the past that is fetched beside: all of it is there in the end."""

    async def act(scene: Scene) -> None:
        proxy = Proxy(database_address)
        await proxy.start()
        scene.address = proxy.address
        await scene.start()
        proxy.cut_in_copy = sent
        await scene.minute(3)
        assert proxy.cuts == 1
        assert await scene.noted(state="stopped")
        await scene.minute(16)
        assert scene.service.history() is None
        since_ms = START_MS - 20 * 96 * STEP
        assert len(await scene.table(since_ms)) > 2 * 20 * 96
        assert await scene.table(since_ms) == scene.truth(since_ms)
        await scene.must_hold()
        await scene.stop()
        await proxy.close()

    under(act, database_address, tmp_path, history_days=20)


@pytest.mark.slow
def test_a_server_that_is_really_stopped_and_started_loses_nothing(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        server = EmbeddedServer(tmp_path / "database", scene.clock)
        scene.address = await server.start()
        await scene.start()
        await scene.minute(29.5)
        await server.stop()
        await scene.minute(30.5)
        assert scene.spool.rows == 2
        await server.start()
        await scene.minute(46)
        await scene.must_hold()
        assert await scene.sources() == ["stream"]
        assert await scene.noted(state="back")
        await scene.stop()
        await server.stop()

    under(act, DatabaseAddress(), tmp_path / "bars")
