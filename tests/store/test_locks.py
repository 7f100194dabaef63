"""One engine an account."""

import os
import socket

import pytest

from rusy_tui.domain.errors import StorageError
from rusy_tui.store.pool import Database
from rusy_tui.store.store import Store


async def test_the_second_engine_learns_who_the_first_is(database: Database) -> None:
    store = Store(database, "demo", "abc")
    first = await store.lock_account()
    assert first.held
    with pytest.raises(StorageError, match=f"process {os.getpid()} on {socket.gethostname()}"):
        await store.lock_account()
    other = await Store(database, "demo", "another").lock_account()
    await other.release()
    await first.release()
    again = await store.lock_account()
    await again.release()


async def test_a_lock_ends_with_its_connection(database: Database) -> None:
    lock = await Store(database, "demo", "abc").lock_account()
    await database.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_locks "
        "WHERE locktype = 'advisory' AND database = "
        "(SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    for _ in range(100):
        if not lock.held:
            break
        await database.value("SELECT pg_sleep(0.01)")
    assert not lock.held
    again = await Store(database, "demo", "abc").lock_account()
    await again.release()
