"""Calls: in order, whole, and with errors that say what to do."""

import asyncio
import os
import signal

import pytest

from rusy_tui.clock import SystemClock
from rusy_tui.domain.errors import ConfigurationError, Defect, StorageError
from rusy_tui.store.address import DatabaseAddress
from rusy_tui.store.errors import DatabaseLost, DatabaseRefused
from rusy_tui.store.pool import Database


async def test_times_are_milliseconds_at_both_ends(database: Database) -> None:
    for instant in (1_746_057_600_123, 0, -1, 946_684_800_000):
        assert await database.value("SELECT $1::timestamptz", instant) == instant
        text = "SELECT (extract(epoch FROM $1::timestamptz) * 1000)::bigint"
        assert await database.value(text, instant) == instant
    assert await database.value("SELECT $1::timestamptz[]", [5, 6]) == [5, 6]
    assert await database.value("SHOW timezone") == "UTC"


async def test_a_transaction_is_kept_whole_or_not_at_all(database: Database) -> None:
    await database.execute("CREATE TABLE t (a int)")
    async with database.transaction() as session:
        await session.execute("INSERT INTO t VALUES (1)")

    async def fail() -> None:
        async with database.transaction() as session:
            await session.execute("INSERT INTO t VALUES (2)")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    rows = await database.rows("SELECT a FROM t")
    assert [row["a"] for row in rows] == [1]


async def test_a_cancelled_call_still_runs_to_its_end(database: Database) -> None:
    await database.execute("CREATE TABLE t (a int)")
    call = asyncio.create_task(database.execute("INSERT INTO t SELECT 1 FROM pg_sleep(0.1)"))
    await asyncio.sleep(0.03)
    call.cancel()
    await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert await database.value("SELECT count(*) FROM t") == 1


async def test_one_connection_runs_calls_in_the_order_made(
    database_address: DatabaseAddress,
) -> None:
    database = await Database.open(database_address, SystemClock(), size=1)
    done: list[int] = []

    async def call(number: int) -> None:
        await database.value("SELECT pg_sleep($1)", 0.02 if number % 2 else 0)
        done.append(number)

    await asyncio.gather(*(call(number) for number in range(10)))
    await database.close()
    assert done == list(range(10))


async def test_a_lost_connection_is_told_and_made_anew(database: Database) -> None:
    async with database.session() as session:
        own = await session.value("SELECT pg_backend_pid()")
        await database.value("SELECT pg_terminate_backend($1)", own)
        with pytest.raises(DatabaseLost):
            await session.value("SELECT pg_sleep(1)")
        assert session.lost
    assert await database.value("SELECT 1") == 1


async def test_a_server_that_hangs_counts_as_lost(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rusy_tui.store.pool._CALL_LIMIT_S", 0.3)
    one = await Database.open(database.address, SystemClock())
    backend = await one.value("SELECT pg_backend_pid()")
    os.kill(backend, signal.SIGSTOP)
    try:
        with pytest.raises(DatabaseLost, match="in time"):
            await one.value("SELECT 1")
        assert await one.value("SELECT 2") == 2
    finally:
        os.kill(backend, signal.SIGCONT)
        await one.close()


async def test_arguments_that_do_not_fit_are_our_own_mistake(database: Database) -> None:
    with pytest.raises(DatabaseRefused, match="seven"):
        await database.value("SELECT $1::int", "seven")
    with pytest.raises(Defect):
        await database.value("SELECT $1::int")
    assert await database.value("SELECT 1") == 1


async def test_a_refusal_names_its_code(database: Database) -> None:
    with pytest.raises(DatabaseRefused, match="22012") as refused:
        await database.value("SELECT 1/0")
    assert refused.value.sqlstate == "22012"


async def test_a_server_out_of_reach_is_named_without_its_password() -> None:
    address = DatabaseAddress.of_url("postgresql://ann:secret@127.0.0.1:9/rusy")
    with pytest.raises(DatabaseLost, match=r"127\.0\.0\.1:9/rusy") as lost:
        await Database.open(address, SystemClock())
    assert isinstance(lost.value, StorageError)
    assert lost.value.exit_code == 3
    assert "secret" not in f"{lost.value} {address} {address!r}"


def test_an_address_of_another_kind_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError) as wrong:
        DatabaseAddress.of_url("mysql://ann:secret@host/rusy")
    assert "secret" not in str(wrong.value)


def test_another_database_of_the_same_server() -> None:
    url = DatabaseAddress.of_url("postgresql://ann@host:5433/rusy?sslmode=require")
    assert url.with_database("x").url == "postgresql://ann@host:5433/x?sslmode=require"
    local = DatabaseAddress(host="/run/x", user="rusy", database="rusy")
    assert local.with_database("x").arguments()["database"] == "x"


async def test_a_full_disk_may_pass(database: Database) -> None:
    with pytest.raises(DatabaseLost, match="53100"):
        await database.execute("DO $$ BEGIN RAISE 'full' USING ERRCODE = '53100'; END $$")
    assert await database.value("SELECT 1") == 1


@pytest.mark.parametrize("state", ["25006", "40001", "40P01", "55P03", "57014", "57P01"])
async def test_a_server_that_can_not_just_now_is_asked_again(
    database: Database, state: str
) -> None:
    with pytest.raises(DatabaseLost, match=state):
        await database.execute(f"DO $$ BEGIN RAISE 'not now' USING ERRCODE = '{state}'; END $$")


async def test_a_server_that_only_reads_is_asked_again(database: Database) -> None:
    """As a hosted one whose disk is nearly full, or a primary that was demoted."""
    await database.execute("CREATE TABLE t (a int)")
    async with database.session() as session:
        await session.execute("SET default_transaction_read_only = on")
        with pytest.raises(DatabaseLost, match="25006"):
            await session.execute("INSERT INTO t VALUES (1)")
