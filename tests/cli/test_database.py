"""`rusy db` on a real server: what it prints, and its exit codes."""

import asyncio
import json
import os
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from urllib.parse import quote

import pytest

from rusy_tui.cli.main import main
from rusy_tui.clock import SystemClock
from rusy_tui.store.address import DatabaseAddress
from rusy_tui.store.locks import Lock, account_of
from rusy_tui.store.pool import Database
from tests.store.filled import contents, fill
from tests.store_fixtures import database_address, database_server

__all__ = ["database_address", "database_server"]

Run = Callable[..., tuple[int, str, str]]


def _url(address: DatabaseAddress) -> str:
    return f"postgresql://{address.user}@/{address.database}?host={quote(address.host)}"


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Runs a command on a database: its exit code, and what it printed."""
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # main() replaces it
    monkeypatch.setenv("RUSY_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configuration.yaml").write_text("exchange:\n  venue: demo\n")

    def on(address: DatabaseAddress, *arguments: str) -> tuple[int, str, str]:
        monkeypatch.setenv("RUSY_DATABASE__URL", _url(address))
        code = main(["db", *arguments])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return on


@pytest.fixture
def empty(database_server: DatabaseAddress) -> Generator[DatabaseAddress]:
    """A database without any table."""

    async def run(statement: str) -> None:
        manager = await Database.open(database_server.with_database("postgres"), SystemClock())
        await manager.execute(statement)
        await manager.close()

    asyncio.run(run("CREATE DATABASE for_cli"))
    yield database_server.with_database("for_cli")
    asyncio.run(run("DROP DATABASE for_cli WITH (FORCE)"))


async def _filled(address: DatabaseAddress) -> None:
    database = await Database.open(address, SystemClock())
    await fill(database)
    await database.close()


async def _contents(address: DatabaseAddress) -> dict[str, list[str]]:
    database = await Database.open(address, SystemClock())
    found = await contents(database)
    await database.close()
    return found


def test_what_is_dumped_is_restored(
    run: Run, database_address: DatabaseAddress, empty: DatabaseAddress, tmp_path: Path
) -> None:
    asyncio.run(_filled(database_address))
    code, out, err = run(database_address, "dump", "a.dump", "--json")
    assert code == 0, err
    told = json.loads(out)
    assert told["file"] == str(tmp_path / "a.dump")
    assert told["venues"] == ["demo", "live", "paper"]
    assert told["tables"]["market_data"] == 40_001
    assert err.splitlines().count("market_data: 40,001 rows") == 1

    code, out, err = run(empty, "restore", "a.dump")
    assert code == 0, err
    assert "restored from" in out
    assert asyncio.run(_contents(empty)) == asyncio.run(_contents(database_address))

    code, out, err = run(empty, "restore", "a.dump")
    assert (code, out) == (1, "")
    assert "not empty: market_data (40,001 rows)" in err
    assert "Traceback" not in err


def test_status_tells_what_it_holds_and_who_works_on_it(
    run: Run, database_address: DatabaseAddress
) -> None:
    asyncio.run(_filled(database_address))
    code, out, err = run(database_address, "status", "--json")
    assert code == 0, err
    told = json.loads(out)
    tables = {each["name"]: each for each in told["tables"]}
    assert tables["market_data"]["rows"] == 40_001
    assert tables["market_data"]["bytes"] > 1_000_000
    assert told["rows"][0] == {
        "venue": "demo",
        "symbol": "BTCUSDT",
        "timeframe": "15m",
        "bars": 20_000,
        "oldest_ms": 1_740_788_100_001,
        "newest_ms": 1_740_787_200_001 + 20_000 * 900_000,
    }
    assert told["locks"] == []
    code, out, err = run(database_address, "status")
    assert "up to date" in out
    assert "no engine or collector works on it" in out


def test_who_holds_a_lock_is_listed(run: Run, database_address: DatabaseAddress) -> None:
    loop = asyncio.new_event_loop()
    lock = loop.run_until_complete(
        Lock.take(database_address, SystemClock(), account_of("demo", "a"))
    )
    code, out, _ = run(database_address, "status", "--json")
    loop.run_until_complete(lock.release())
    loop.close()
    assert code == 0
    (holder,) = json.loads(out)["locks"]
    assert (holder["subject"], holder["pid"]) == ("demo/a", os.getpid())


def test_migrate_lists_what_it_ran(run: Run, empty: DatabaseAddress) -> None:
    assert "schema 0: this program knows" in run(empty, "status")[1]
    code, out, _ = run(empty, "migrate")
    assert code == 0
    assert out.splitlines()[0] == "0001 market: done"
    assert run(empty, "migrate")[:2] == (0, "up to date: nothing to do\n")
    assert run(empty, "migrate", "--json")[:2] == (0, "[]\n")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["dump"], 2, "Missing argument 'FILE'"),
        (["dump", "a", "--directory", "x"], 2, "needs --demo"),
        (["dump", "no/such/folder/a.dump"], 1, "can't be written: No such file"),
        (["restore", "none.dump"], 1, "none.dump can't be read: No such file"),
        (["restore", "configuration.yaml"], 1, "no whole dump"),
        (["nothing"], 2, "No such command"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_bad_input(
    run: Run, database_address: DatabaseAddress, arguments: list[str], code: int, said: str
) -> None:
    ended, out, err = run(database_address, *arguments)
    assert (ended, out) == (code, "")
    assert said in err
    assert "Traceback" not in err


def test_a_server_that_is_not_there_ends_with_3(run: Run, tmp_path: Path) -> None:
    nowhere = DatabaseAddress(host=str(tmp_path), user="rusy", database="rusy")
    for arguments in (["status"], ["migrate"], ["dump", "a.dump"]):
        code, out, err = run(nowhere, *arguments)
        assert (code, out) == (3, "")
        assert "can't be reached" in err
    assert not (tmp_path / "a.dump").exists()


def test_an_embedded_database_that_is_not_there_yet(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("RUSY_DATABASE__URL", raising=False)
    assert main(["db", "status"]) == 1
    assert "there is no database yet" in capsys.readouterr().err
