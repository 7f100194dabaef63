"""A PostgreSQL server of our own, started and stopped by the engine.

It listens on a Unix socket in a folder that only its user can open, and lets in whoever the
kernel says is that user (*peer*): no password, no port. It outlives a killed engine and is
then taken over by the next one.
"""

import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

import asyncpg

from rusy_tui.domain.clock import Clock
from rusy_tui.domain.errors import StorageError
from rusy_tui.store.address import DatabaseAddress
from rusy_tui.store.errors import DatabaseLost, translated
from rusy_tui.store.postmaster import Postmaster
from rusy_tui.store.programs import Programs, last_lines
from rusy_tui.store.server_user import ServerUser, place, server_user

ROLE = "rusy"
DATABASE = "rusy"
# A Unix socket's path ends at 108 bytes on Linux and 104 elsewhere.
_SOCKET_PATH_LIMIT = 100
_SOCKET_NAME = ".s.PGSQL.5432"
_LOG_LIMIT_BYTES = 4_000_000
# A file system in memory; making the thousand files of a database is ten times faster there.
_MEMORY = Path("/dev/shm")
_MEMORY_FREE_BYTES = 2_000_000_000
_POLL_S = 0.005
_START_LIMIT_S = 60.0
_STOP_LIMIT_S = 30.0
_END_LIMIT_S = 2.0
_CONNECT_LIMIT_S = 10.0
_LEAVING_TRIES = 5
_BETWEEN_LEAVING_S = 0.1
_TRIES = 10
_BETWEEN_TRIES_S = 0.3

# Any number will do, as long as every version of Rusy uses the same one.
_MAKING = 0x72757379
_OTHERS = """
SELECT count(*) > 0 FROM pg_stat_activity
WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
"""

_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "jit": "off",
    "shared_buffers": "32MB",
    "max_connections": "40",
    "io_method": "sync",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_parallel_workers_per_gather": "0",
    "log_checkpoints": "off",
    "logging_collector": "off",
}
_TEMPORARY_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "max_wal_size": "256MB",
    "dynamic_shared_memory_type": "mmap",  # lies in the data folder and goes with it
}


class EmbeddedServer:
    """One server and its data directory.

    Args:
        directory: ours alone; made if it doesn't exist. As root it may have to be moved: see
            :attr:`home`.
        clock: starting and stopping are work outside the event loop.
        temporary: nothing is made to survive a power cut, and the directory is removed at
            the end, also when this process is killed.
    """

    def __init__(self, directory: Path, clock: Clock, *, temporary: bool = False) -> None:
        self._asked = directory
        self._clock = clock
        self._temporary = temporary
        self._home: Path | None = None
        self._postmaster: Postmaster | None = None
        self._watch: subprocess.Popen[bytes] | None = None
        self._sync: subprocess.Popen[bytes] | None = None
        self.adopted = False

    @property
    def home(self) -> Path:
        """Where the files are; known once the server was started."""
        return self._home or self._asked

    async def start(self) -> DatabaseAddress:
        """Start the server, or take over the one that already runs on these files.

        Raises:
            StorageError: it can't be, with the path and what to do.
        """
        try:
            address = await self._clock.in_thread(self._start_now)
            try:
                await self._make_database(address)
            except DatabaseLost:
                # One that was taken over may have been about to end.
                if not self.adopted or not await self._clock.in_thread(self._is_gone):
                    raise
                address = await self._clock.in_thread(self._start_now)
                await self._make_database(address)
        except StorageError:
            if not self.adopted:
                await self.stop()
            raise
        return address

    async def stop(self) -> None:
        """End the server: connections are cut, what was committed is written."""
        await self._clock.in_thread(self._stop_now)

    async def release(self) -> None:
        """End the server unless another program is connected to it: the last one out does."""
        for _ in range(_LEAVING_TRIES):
            if self._postmaster is None or not await self._others_connected():
                await self.stop()
                return
            # Somebody who has just left, or was killed, is seen for a moment longer.
            await self._clock.sleep(_BETWEEN_LEAVING_S)

    async def remove(self) -> None:
        """End the server that runs on these files, if one does, and delete them."""
        await self._clock.in_thread(self._remove_now)

    async def __aenter__(self) -> DatabaseAddress:
        return await self.start()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    # What follows runs in a thread and counts in real time: it waits for real processes.

    def _start_now(self) -> DatabaseAddress:
        user = server_user()
        try:
            home = self._home = place(self._asked, user)
            with _alone(home):
                self._start_at(home, user)
        except OSError as error:
            raise StorageError(
                f"the database's directory {self._asked} can't be used: {error}; choose a "
                "folder that can be written to with database.directory"
            ) from error
        sockets = self._postmaster.socket_folder() if self._postmaster else None
        if self._postmaster is None or sockets is None:
            raise StorageError(f"the database in {home} ended as it started; see its log there")
        if self._temporary:
            self._watch = _remove_when_we_die(self._postmaster.pid, home)
        return DatabaseAddress(host=str(sockets), user=ROLE, database=DATABASE)

    def _start_at(self, home: Path, user: ServerUser) -> None:
        """Take over the server on the files of a folder, or make files and start one."""
        data = home / "data"
        living = Postmaster.living(data)
        self.adopted = living is not None and living.wait_ready(_START_LIMIT_S, _POLL_S)
        if self.adopted:
            self._postmaster = living
        elif living is not None and living.alive():
            raise StorageError(
                f"the database server {living.pid} on {data} takes no connections; "
                f"its log is {home / 'postgres.log'}"
            )
        else:
            programs = Programs.of_wheel(user)
            fresh = not (data / "PG_VERSION").exists()
            if fresh:
                self._make_cluster(programs, home)
            self._check_version(programs, data)
            self._postmaster = self._spawn(programs, home)
            if fresh and not self._temporary:
                # A thousand files reach the disk while the first candles are fetched.
                self._sync = programs.spawn(
                    "initdb", "--sync-only", f"--pgdata={data}", log=home / "postgres.log"
                )

    def _is_gone(self) -> bool:
        return self._postmaster is None or self._postmaster.gone(_END_LIMIT_S, _POLL_S)

    def _make_cluster(self, programs: Programs, home: Path) -> None:
        # Made beside and renamed: a half-made one, left by a kill, is never started.
        half = home / "data.new"
        shutil.rmtree(half, ignore_errors=True)
        programs.user.private_folder(half)
        try:
            programs.run(
                "initdb",
                f"--pgdata={half}",
                f"--username={ROLE}",
                "--auth=peer",
                "--encoding=UTF8",
                "--locale=C",
                "--no-instructions",
                "--no-sync",
                *(["--no-data-checksums"] if self._temporary else []),
            )
        except StorageError as error:
            raise StorageError(
                f"no database can be made in {home}: {error}; is its disk full? Choose another "
                "folder with database.directory"
            ) from error
        names = {programs.user.name, "root"} if programs.user.other else {programs.user.name}
        (half / "pg_hba.conf").write_text("local all all peer map=rusy\n")
        (half / "pg_ident.conf").write_text(
            "".join(f'rusy "{name}" {ROLE}\n' for name in sorted(names))
        )
        half.rename(home / "data")

    def _check_version(self, programs: Programs, data: Path) -> None:
        made_by = (data / "PG_VERSION").read_text().strip()
        if made_by != programs.major:
            raise StorageError(
                f"the files in {data} are PostgreSQL {made_by}'s and this Rusy brings "
                f"{programs.major}: dump them with the Rusy that wrote them and restore the "
                "dump here, or choose another database.directory"
            )

    def _spawn(self, programs: Programs, home: Path) -> Postmaster:
        sockets = _socket_folder(home, programs.user)
        log = home / "postgres.log"
        if log.exists() and log.stat().st_size > _LOG_LIMIT_BYTES:
            log.replace(home / "postgres.log.1")
        log.touch(mode=0o600)
        before = log.stat().st_size
        settings = _SETTINGS | (_TEMPORARY_SETTINGS if self._temporary else {})
        settings["unix_socket_directories"] = str(sockets)
        arguments = [f"--{name}={value}" for name, value in settings.items()]
        data = home / "data"
        for _ in range(_TRIES):
            Postmaster.forget_dead(data, sockets)
            process = programs.spawn("postgres", "-D", str(data), *arguments, log=log)
            postmaster = Postmaster(data, process.pid, process)
            if postmaster.wait_ready(_START_LIMIT_S, _POLL_S):
                return postmaster
            postmaster.stop(signal.SIGQUIT, _STOP_LIMIT_S, _POLL_S)
            with log.open("rb") as written:
                written.seek(before)
                said = last_lines(written.read().decode(errors="replace"))
            # Helpers of a server that was killed take a moment to notice; then it is free.
            if "shared memory block" not in said:
                break
            threading.Event().wait(_BETWEEN_TRIES_S)
        raise StorageError(f"the database in {home} does not start: {said}; its log is {log}")

    def _stop_now(self) -> None:
        if self._sync is not None:
            self._sync.wait()
            self._sync = None
        if self._postmaster is not None:
            sockets = self._postmaster.socket_folder()
            # What will be removed needs no writing to disk first.
            how = signal.SIGQUIT if self._temporary else signal.SIGINT
            if not self._postmaster.stop(how, _STOP_LIMIT_S, _POLL_S):
                self._postmaster.stop(signal.SIGQUIT, _STOP_LIMIT_S, _POLL_S)
            self._postmaster = None
            if sockets is not None and sockets.parent != self._home:
                with suppress(OSError):  # an empty folder left behind does no harm
                    sockets.rmdir()
        if self._watch is not None:
            self._watch.kill()
            self._watch.wait()
            if self._watch.stdin is not None:
                self._watch.stdin.close()
            self._watch = None
        if self._temporary and self._home is not None:
            shutil.rmtree(self._home, ignore_errors=True)
            shutil.rmtree(self._asked, ignore_errors=True)

    def _remove_now(self) -> None:
        try:
            home = self._home = place(self._asked, server_user())
            self._postmaster = self._postmaster or Postmaster.living(home / "data")
            self._stop_now()
            shutil.rmtree(home)
            if self._asked.exists():
                shutil.rmtree(self._asked)
        except OSError as error:
            raise StorageError(f"{self._asked} can't be removed: {error}") from error

    async def _others_connected(self) -> bool:
        """Whether anybody else uses the server; one that does not answer is used by nobody."""
        sockets = self._postmaster.socket_folder() if self._postmaster else None
        if sockets is None:
            return False
        address = DatabaseAddress(host=str(sockets), user=ROLE, database=DATABASE)
        try:
            with self._clock.outside_work(), translated(address):
                connection = await asyncpg.connect(
                    **address.arguments(), timeout=_CONNECT_LIMIT_S
                )
                try:
                    return bool(await connection.fetchval(_OTHERS))
                finally:
                    await connection.close(timeout=_CONNECT_LIMIT_S)
        except StorageError:
            return False

    async def _make_database(self, address: DatabaseAddress) -> None:
        with self._clock.outside_work(), translated(address):
            connection = await asyncpg.connect(
                **address.with_database("postgres").arguments(), timeout=_CONNECT_LIMIT_S
            )
            try:
                # Two programs may begin at once; the lock goes with the connection.
                await connection.execute(f"SELECT pg_advisory_lock({_MAKING})")
                if not await connection.fetchval(
                    "SELECT true FROM pg_database WHERE datname = $1", DATABASE
                ):
                    await connection.execute(f"CREATE DATABASE {DATABASE}")
            finally:
                await connection.close(timeout=_CONNECT_LIMIT_S)


def temporary_server(clock: Clock) -> EmbeddedServer:
    """A server on a fresh directory that goes away with it: tests and ``--speed max``.

    Raises:
        StorageError: no folder for temporary files can be written.
    """
    try:
        folder = Path(tempfile.mkdtemp(prefix="rusy-", dir=_temporary_base()))
        # Another user may have to pass through it to the data, which only that user can open.
        folder.chmod(0o711)
    except OSError as error:
        raise StorageError(
            f"no folder for a temporary database can be made: {error}; set TMPDIR"
        ) from error
    return EmbeddedServer(folder, clock, temporary=True)


def _temporary_base() -> Path | None:
    """Memory, where there is plenty, unless the operator chose; None: the system's own."""
    try:
        roomy = shutil.disk_usage(_MEMORY).free >= _MEMORY_FREE_BYTES
    except OSError:
        return None
    return _MEMORY if roomy and "TMPDIR" not in os.environ else None


@contextmanager
def _alone(home: Path) -> Generator[None]:
    """Of two programs that start a server on one folder, the second finds the first one's."""
    descriptor = os.open(home, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _socket_folder(home: Path, user: ServerUser) -> Path:
    """A private folder for the socket: with the data, or nearer to / if its path is long."""
    inside = home / "socket"
    if len(os.fsencode(inside / _SOCKET_NAME)) < _SOCKET_PATH_LIMIT:
        user.private_folder(inside)
        return inside
    # Its name is the data folder's number on this machine: the same at each start.
    status = home.stat()
    name = f"rusy-database-{status.st_dev:x}-{status.st_ino:x}"
    runtime = "/run" if user.other else os.environ.get("XDG_RUNTIME_DIR", "")
    for base in (runtime, tempfile.gettempdir(), "/tmp"):
        folder = Path(base) / name
        fits = len(os.fsencode(folder / _SOCKET_NAME)) < _SOCKET_PATH_LIMIT
        if base and fits and os.access(base, os.W_OK) and user.reaches(Path(base)):
            user.private_folder(folder)
            return folder
    raise StorageError(
        f"{inside} is too long for a socket's path, and there is no shorter folder for it: "
        "set database.directory to a shorter path"
    )


def _remove_when_we_die(pid: int, home: Path) -> subprocess.Popen[bytes]:
    """A shell that waits for the end of this process, then ends the server and cleans up.

    It sees the end by its standard input, which only this process holds open.
    """
    script = (
        'read -r _; kill -QUIT "$1" 2>/dev/null; n=0; '
        'while [ $n -lt 50 ] && kill -0 "$1" 2>/dev/null; do n=$((n+1)); sleep 0.1; done; '
        'rm -rf -- "$2"'
    )
    return subprocess.Popen(
        ["/bin/sh", "-c", script, "rusy-watch", str(pid), str(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,
    )
