"""The database under real processes: a second engine on it, and dumps while one is at work."""

import asyncio
import json
import os
import signal
import subprocess
from collections.abc import Generator
from pathlib import Path
from urllib.parse import quote

import pytest

from rusy_tui.clock import SystemClock
from rusy_tui.launching import places
from rusy_tui.resources import sql_dir
from rusy_tui.store.address import DatabaseAddress
from rusy_tui.store.embedded import temporary_server
from rusy_tui.store.locks import Lock, account_of
from rusy_tui.store.migrations import migrate
from rusy_tui.store.pool import Database
from tests.store.filled import contents, fill
from tests.system.driving import Home, closing_all, wait_for

pytestmark = [pytest.mark.verify, pytest.mark.timeout(240)]


@pytest.fixture
def server() -> Generator[DatabaseAddress]:
    """A server of its own, as one that `database.url` names."""
    clock = SystemClock()
    made = temporary_server(clock)
    yield asyncio.run(made.start())
    asyncio.run(made.stop())


def _use(home: Home, address: DatabaseAddress) -> None:
    home.work.mkdir(exist_ok=True)
    (home.work / "configuration.yaml").write_text(
        "exchange:\n  venue: demo\ndata:\n  pairs:\n    - symbol: BTCUSDT\n"
    )
    home.environ["RUSY_DATABASE__URL"] = (
        f"postgresql://{address.user}@/{address.database}?host={quote(address.host)}"
    )


def _headless(home: Home) -> subprocess.Popen[bytes]:
    with (home.work / "headless.log").open("ab") as log:
        return subprocess.Popen(
            [*home.program, "headless"],
            env=home.environ,
            cwd=home.work,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )


def _runs(home: Home, process: subprocess.Popen[bytes], runs: int = 1) -> None:
    log = home.work / "headless.log"

    def look() -> bool:
        assert process.poll() is None, log.read_text()[-2000:]
        return log.read_text().count('"phase":"running"') >= runs

    wait_for(look, 90.0, "the engine runs", or_say=log.read_text)


def test_a_second_engine_of_another_home_is_refused_and_a_killed_one_makes_room(
    home: Home, server: DatabaseAddress, tmp_path: Path
) -> None:
    """Two homes are two machines to the files of an account: only the database sees both."""
    _use(home, server)
    first = _headless(home)
    _runs(home, first)
    (tmp_path / "other").mkdir()
    with closing_all(Home(tmp_path / "other" / "home")) as other:
        _use(other, server)
        done = other.rusy("headless", within_s=90)
        assert done.returncode == 1
        said = done.stderr
        assert "demo/BTCUSDT is collected by another" in said
        assert f"process {first.pid} on {os.uname().nodename}" in said
        assert "data.source: database" in said
        assert "Traceback" not in said

        first.kill()
        first.wait()
        second = _headless(other)
        _runs(other, second)
        second.send_signal(signal.SIGTERM)
        assert second.wait(60) == 0


async def test_an_engine_whose_account_is_held_elsewhere_ends_with_1(
    home: Home, server: DatabaseAddress
) -> None:
    _use(home, server)
    clock = SystemClock()
    database = await Database.open(server, clock)
    await migrate(database, sql_dir())
    account = places.account_of_folder("demo", home.folder / "engine")
    lock = await Lock.take(server, clock, account_of("demo", account))
    await database.execute("UPDATE lock_owners SET host = 'elsewhere', pid = 7")
    done = await asyncio.to_thread(home.rusy, "headless", within_s=90)
    assert done.returncode == 1
    assert (
        f"another engine runs the account demo/{account}: process 7 on elsewhere" in done.stderr
    )
    assert "Traceback" not in done.stderr
    await lock.release()
    await database.close()


def test_a_running_demo_is_dumped_and_goes_on(home: Home) -> None:
    engine = home.start()
    path = home.work / "a.dump"
    done = home.rusy("db", "dump", "--demo", str(path), "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["tables"]["market_data"] > 1000
    (lock, *_) = home.told("db", "status", "--demo")["locks"]
    assert lock["pid"] == engine.pid
    # Another directory is another demo, with a database of its own.
    other = str(home.work / "other")
    options = ("--demo", "--directory", other)
    done = home.rusy("db", "restore", str(path), *options)
    assert done.returncode == 0, done.stderr
    tables = {
        each["name"]: each["rows"] for each in home.told("db", "status", *options)["tables"]
    }
    assert tables == told["tables"]
    # The engine's own goes on, and with it the server that they shared.
    assert home.told("status")["connection"]["database"] is True
    assert engine.process.poll() is None
    assert not any(other in " ".join(each.cmdline()) for each in home.database_processes())


async def test_an_interrupted_dump_leaves_nothing_and_a_restore_can_be_repeated(
    home: Home, server: DatabaseAddress
) -> None:
    _use(home, server)
    clock = SystemClock()
    database = await Database.open(server, clock)
    await migrate(database, sql_dir())
    await fill(database)
    await database.execute(
        "INSERT INTO funding_rates SELECT 'live', n::text, 'epoch', 0, 1 "
        "FROM generate_series(1, 400000) AS n"
    )
    before = await contents(database)
    path = home.work / "a.dump"

    async def interrupted(*arguments: str, at: str, how: signal.Signals) -> str:
        process = await asyncio.create_subprocess_exec(
            *home.program,
            *arguments,
            env=home.environ,
            cwd=home.work,
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stderr is not None
        said = ""
        while line := (await process.stderr.readline()).decode():
            said += line
            if line.startswith(at):
                process.send_signal(how)
        assert await process.wait() == 130, said
        return said

    for how in (signal.SIGINT, signal.SIGTERM):
        said = await interrupted("db", "dump", str(path), at="market_data:", how=how)
        assert f"nothing is left of {path}" in said
        assert "Traceback" not in said
        assert [each.name for each in home.work.iterdir() if "dump" in each.name] == []
    done = await asyncio.to_thread(home.rusy, "db", "dump", str(path))
    assert done.returncode == 0, done.stderr

    for table in before:
        await database.execute(f"DELETE FROM {table}")
    said = await interrupted("db", "restore", str(path), at="market_data:", how=signal.SIGINT)
    assert "run the same command again" in said
    refused = await asyncio.to_thread(home.rusy, "headless")
    assert refused.returncode == 1
    assert f"rusy db restore {path}" in refused.stderr
    done = await asyncio.to_thread(home.rusy, "db", "restore", str(path))
    assert done.returncode == 0, done.stderr
    assert await contents(database) == before
    await database.close()
