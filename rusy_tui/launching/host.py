"""An engine's process from the inside: the link first, then everything the engine needs.

Watchers are served from the first moment on, so that a console can show how the start goes.
"""

import asyncio
import contextlib
import logging
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import rusy_tui
from rusy_tui.clock import SystemClock
from rusy_tui.domain.commands import Command, Reply, StopEngine
from rusy_tui.domain.errors import RusyError
from rusy_tui.domain.events import PhaseChanged
from rusy_tui.domain.settings import Settings
from rusy_tui.domain.state import State
from rusy_tui.launching import places
from rusy_tui.launching.job import Job
from rusy_tui.launching.lock import AccountLock, Holder
from rusy_tui.launching.signals import stop_signals
from rusy_tui.link.hub import Publisher
from rusy_tui.link.server import LinkServer
from rusy_tui.monitoring import logs

if TYPE_CHECKING:
    from rusy_tui.engine import Engine

_log = logging.getLogger(__name__)


class EngineHost:
    """Runs one engine: its lock, its link, its parts, its end.

    Args:
        job: what to run.
        settings: the job's configuration.
        connected: half of a socket pair with a watcher at the other end, if any.
        log: where JSON lines go.
    """

    def __init__(
        self, job: Job, settings: Settings, connected: socket.socket | None, log: TextIO
    ) -> None:
        self._job = job
        self._settings = settings
        self._connected = connected
        self._log = log
        self._clock = SystemClock()
        self._lines = logs.set_up(log, settings.monitoring.log_level.value, self._clock)
        self._publisher = Publisher(
            State(
                venue=settings.exchange.venue.value,
                version=rusy_tui.__version__,
                model_version="",
                mode=settings.desk.mode,
                symbols=settings.data.symbols,
            )
        )
        self._engine: Engine | None = None
        self._life: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Run until the engine has stopped.

        Raises:
            RusyError: it could not start, or could not go on.
        """
        account = self._account()
        holder = Holder(
            account=account,
            pid=os.getpid(),
            started_ms=self._clock.wall_ms(),
            socket=str(self._socket_path(account)),
            venue=self._settings.exchange.venue.value,
            directory=str(self._job.folder),
            version=rusy_tui.__version__,
        )
        lock = await asyncio.to_thread(AccountLock.take, places.run_folder(), holder)
        try:
            async with contextlib.AsyncExitStack() as stack:
                await self._serve(Path(holder.socket), account, stack)
        finally:
            lock.release()

    async def _serve(self, path: Path, account: str, stack: contextlib.AsyncExitStack) -> None:
        logged = self._publisher.watch()
        writing = asyncio.create_task(logs.log_events(logged, self._lines))
        stack.push_async_callback(_ended, writing)
        stack.callback(logged.close)
        server = LinkServer(self._publisher, self._handle, self._clock)
        stack.push_async_callback(server.close)
        await server.serve_unix(path)
        if self._connected is not None:
            await server.serve_socket(self._connected)
        self._life = asyncio.create_task(self._live(account))
        with stop_signals(self.stop):
            await asyncio.wait([self._life])
        if self._life.cancelled():
            return  # told to stop before it had started
        if error := self._life.exception():
            self._say_why(error)
            raise error

    async def _live(self, account: str) -> None:
        """Put the parts together, and let the engine run on them."""
        from rusy_tui.launching import cleaning, parts

        if self._job.fresh:
            self._progress("forgetting the former account")
            folder = self._job.market_folder(self._settings)
            await asyncio.to_thread(cleaning.forget_market, folder)
        async with contextlib.AsyncExitStack() as stack:
            made = await parts.build(
                self._job, self._settings, account, self._publisher, stack, self._progress
            )
            self._lines.use(made.clock)
            from rusy_tui.engine import Engine

            self._engine = Engine(made)
            await self._engine.run()

    def stop(self) -> None:
        """End the engine; what is open stays protected on the exchange."""
        if self._engine is not None:
            self._engine.request_stop()
        elif self._life is not None:
            self._life.cancel()

    async def _handle(self, command: Command, who: str) -> Reply:
        if self._engine is not None:
            return await self._engine.handle(command, who)
        if isinstance(command, StopEngine) and not command.flatten:
            self.stop()
            return Reply(command.command_id, True, "done", "the start was given up")
        progress = self._publisher.state.progress
        return Reply(
            command.command_id, False, "denied", f"the engine is still starting: {progress}"
        )

    def _progress(self, text: str) -> None:
        self._publisher.publish(PhaseChanged(phase="starting", progress=text))

    def _say_why(self, error: BaseException) -> None:
        if isinstance(error, RusyError):
            text = str(error)
            _log.error("%s", text)
        else:
            text = f"a defect ended the engine: {type(error).__name__}: {error}"
            _log.error("%s", text, exc_info=error)
        self._publisher.publish(PhaseChanged(phase="stopping", progress=text))

    def _account(self) -> str:
        venue = self._settings.exchange.venue
        if venue.simulated:
            return places.account_of_folder(venue.value, self._job.folder)
        return places.account_of_key(venue.value, self._job.api_key())

    def _socket_path(self, account: str) -> Path:
        if named := self._settings.link.socket:
            return Path(named).expanduser().absolute()
        return places.socket_path(account)


async def _ended(task: asyncio.Task[None]) -> None:
    await asyncio.wait([task])
