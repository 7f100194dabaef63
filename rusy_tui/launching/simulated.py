"""The simulated exchange as a process of its own: found again, or started; its pace asked for.

It outlives the engine that started it, and lets the next one on to the same account.
"""

import asyncio
import contextlib
import fcntl
import os
import subprocess
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import structlog

from rusy_tui.clock import PacedClock
from rusy_tui.domain.clock import Pace
from rusy_tui.domain.errors import RusyError, StorageError, UnreachableError, UsageError
from rusy_tui.domain.settings import Settings, Venue
from rusy_tui.launching import places
from rusy_tui.launching.addresses import ADDRESSES
from rusy_tui.launching.job import Job
from rusy_tui.launching.spawn import opened_log

if TYPE_CHECKING:
    import aiohttp

log = structlog.get_logger("exchange")

ADDRESS_FILE = "simulator.json"
LOG_FILE = "simulator.log"
_STARTING_FILE = "simulator.starting"
TOKEN_HEADER = "X-Control-Token"

_START_WITHIN_S = 30.0
_ANSWER_WITHIN_S = 5.0
_LOOK_EVERY_S = 0.02
# A market that runs at 60 times real time is 15 s away from where it is believed after this.
_FOLLOW_EVERY_S = 0.25


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a simulator is and how it is talked to: what its file tells."""

    pid: int
    rest_url: str
    ws_url: str
    control_url: str
    control_token: str
    api_key: str
    api_secret: str


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """A simulator that answers, and the pace its market runs at."""

    place: Place
    pace: Pace


class _State(msgspec.Struct, frozen=True):
    pace: Pace | None = None


async def running(job: Job, settings: Settings) -> Running:
    """The simulator of a job's market: the one that lives, else a new one.

    Raises:
        RusyError: it can't be started; with its own words.
    """
    folder = job.market_folder(settings)
    living = await _living(folder)
    if living is not None:
        return living
    async with _alone(folder):
        # Another program, a collector or an engine, may have started it meanwhile.
        return await _living(folder) or await _start(job, settings, folder)


@contextlib.asynccontextmanager
async def _alone(folder: Path) -> AsyncGenerator[None]:
    """Of two programs that start a simulator, the second finds the first one's."""

    def opened() -> int:
        places.make_private(folder)
        return os.open(folder / _STARTING_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    try:
        descriptor = await asyncio.to_thread(opened)
    except OSError as error:
        raise StorageError(
            f"{folder}: can't be written: {error.strerror}; name another folder with "
            "--directory, or set RUSY_HOME"
        ) from error
    try:
        while not _taken(descriptor):
            await asyncio.sleep(_LOOK_EVERY_S)
        yield
    finally:
        os.close(descriptor)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


async def forget(folder: Path) -> None:
    """End the simulator that lives in a folder, if one does."""
    living = await _living(folder)
    if living is None:
        return
    import aiohttp

    async with _session(living.place) as session:
        try:
            async with session.post(f"{living.place.control_url}/stop"):
                pass
        except aiohttp.ClientError:
            return  # it was about to end by itself
    while _alive(living.place.pid):
        await asyncio.sleep(_LOOK_EVERY_S)


async def _start(job: Job, settings: Settings, folder: Path) -> Running:
    def spawn() -> tuple[subprocess.Popen[bytes], int]:
        with opened_log(folder / LOG_FILE) as log:
            (folder / ADDRESS_FILE).unlink(missing_ok=True)
            log_from = log.tell()
            process = subprocess.Popen(
                _command(job, settings, folder),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return process, log_from

    process, log_from = await asyncio.to_thread(spawn)
    try:
        async with asyncio.timeout(_START_WITHIN_S):
            while (found := await _living(folder)) is None:
                if (code := process.poll()) is not None:
                    raise _did_not_start(folder / LOG_FILE, log_from, code)
                await asyncio.sleep(_LOOK_EVERY_S)
    except TimeoutError:
        process.kill()
        raise UnreachableError(
            f"the simulated exchange did not come up within {_START_WITHIN_S:g} s; "
            f"its log is {folder / LOG_FILE}"
        ) from None
    return found


def _command(job: Job, settings: Settings, folder: Path) -> list[str]:
    demo = settings.demo
    program = "rusy_tui.launching.exchange_process"
    command = [sys.executable, "-m", program, "--directory", str(folder)]
    options: dict[str, object] = {"seed": demo.seed, "balance": demo.balance}
    if settings.exchange.venue is Venue.PAPER:
        public, given = ADDRESSES[Venue.LIVE], settings.exchange
        options |= {
            "market": "mirror",
            "symbols": ",".join(settings.data.symbols),
            "source-rest": given.rest_url or public.rest_url,
            "source-ws": given.ws_url or public.ws_url,
        }
    elif job.replay is None:
        options["speed"] = demo.speed
        options |= {"market": "synthetic", "start": demo.start.isoformat()}
        options["symbols"] = ",".join(demo.symbols)
    else:
        replay = job.replay
        options |= {
            "speed": demo.speed,
            "market": "replay",
            "replay": replay.file,
            "symbol": demo.symbols[0],
            "interval": replay.interval,
            "from": replay.from_ms,
            "until": replay.until_ms,
            "funding": replay.funding,
        }
    for name, value in options.items():
        if value is not None:
            command += [f"--{name}", str(value)]
    return command


def _did_not_start(log: Path, log_from: int, code: int) -> RusyError:
    """Why a simulator ended at once, in its own words and with its own exit code."""
    with log.open("rb") as file:
        file.seek(log_from)
        lines = file.read().decode(errors="replace").strip().splitlines()
    said = lines[-1].removeprefix("rusy: ") if lines else "it said nothing"
    kind = UsageError if code == UsageError.exit_code else RusyError
    return kind(f"the simulated exchange did not start: {said} (its log is {log})")


async def _living(folder: Path) -> Running | None:
    """The simulator that lives in a folder: its process runs, and it answers to its token."""
    place = await asyncio.to_thread(_place, folder)
    if place is None or not _alive(place.pid):
        return None
    import aiohttp

    async with _session(place) as session:
        try:
            async with session.get(f"{place.control_url}/state") as reply:
                if reply.status != 200:
                    return None
                state = msgspec.json.decode(await reply.read(), type=_State)
        except (aiohttp.ClientError, TimeoutError, msgspec.DecodeError):
            return None  # a file that was left behind, and a process number used again
    return Running(place=place, pace=state.pace) if state.pace is not None else None


def _place(folder: Path) -> Place | None:
    try:
        return msgspec.json.decode((folder / ADDRESS_FILE).read_bytes(), type=Place)
    except (OSError, msgspec.DecodeError):
        return None


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    # A child of ours that has ended stays listed until somebody asks how.
    try:
        return os.waitpid(pid, os.WNOHANG) == (0, 0)
    except ChildProcessError:
        return True


def _session(place: Place) -> "aiohttp.ClientSession":
    import aiohttp

    return aiohttp.ClientSession(
        headers={TOKEN_HEADER: place.control_token},
        timeout=aiohttp.ClientTimeout(total=_ANSWER_WITHIN_S),
    )


class SimulatorPace:
    """Asks a simulator for another speed, or how fast it runs.

    Args:
        place: the simulator.
        clock: is told the new pace as well.
    """

    def __init__(self, place: Place, clock: PacedClock) -> None:
        self._place = place
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None

    async def set_speed(self, speed: float) -> Pace:
        pace = await self._asked("POST", f"speed {speed:g}", {"speed": speed})
        self._clock.set_pace(pace)
        return pace

    async def follow(self) -> None:
        """Keep the clock at the pace that others set; for ever."""
        known: Pace | None = None
        lost = False
        while True:
            try:
                pace = await self._asked("GET", "the pace")
                if pace != known:
                    self._clock.set_pace(pace)
                    known = pace
                lost = False
            except UnreachableError as error:
                # Said once: it is asked four times a second, and for hours where it is gone.
                if not lost:
                    log.warning("pace not known", why=str(error))
                lost = True
            await self._clock.sleep(_FOLLOW_EVERY_S)

    async def _asked(self, method: str, what: str, body: object = None) -> Pace:
        """The pace, as the simulator answers.

        Raises:
            UnreachableError: it does not, or refuses.
        """
        import aiohttp

        if self._session is None:
            self._session = _session(self._place)
        url = f"{self._place.control_url}/pace"
        try:
            async with self._session.request(method, url, json=body) as reply:
                answer = await reply.read()
                if reply.status != 200:
                    raise UnreachableError(
                        f"the simulated exchange refused {what}: {answer.decode()}"
                    )
                return msgspec.json.decode(answer, type=Pace)
        except (aiohttp.ClientError, TimeoutError, msgspec.DecodeError) as error:
            raise UnreachableError(
                f"the simulated exchange did not take {what}: {error!r}"
            ) from error

    async def close(self) -> None:
        """End the connection."""
        if self._session is not None:
            await self._session.close()
