"""What the database tells by itself: NOTIFY, heard on a connection of its own."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import structlog

from rusy_tui.domain.clock import Clock
from rusy_tui.domain.errors import StorageError
from rusy_tui.store.address import DatabaseAddress
from rusy_tui.store.pool import Session, connect

log = structlog.get_logger("store")

LISTENING = "rusy listens"
# A connection that a router has forgotten says nothing, for ever: it is asked this often.
# Wall seconds.
_ALIVE_EVERY_S = 30.0
_ANSWER_WITHIN_S = 5.0
_BACK_OFF_S = (0.25, 1.0, 5.0)


class Listener:
    """Hears one channel, and connects again for ever.

    What is said while there is no connection is lost: whoever listens must look for himself
    then, and now and again anyway.

    Args:
        address: of the database.
        clock: of the pauses. Not one in lockstep: a notice is work that nobody counts.
        channel: what is listened to.
        heard: is given the payload of each notice; must not wait.
        connected: is told of each new connection; must not wait.
    """

    def __init__(
        self,
        address: DatabaseAddress,
        clock: Clock,
        channel: str,
        heard: Callable[[str], None],
        connected: Callable[[], None],
    ) -> None:
        self._address = address
        self._clock = clock
        self._channel = channel
        self._heard = heard
        self._connected = connected
        self._failures = 0

    async def run(self) -> None:
        """Listen until cancelled."""
        while True:
            why = await self._listen()
            pause_s = _BACK_OFF_S[min(self._failures, len(_BACK_OFF_S) - 1)]
            self._failures += 1
            log.warning("not listening", channel=self._channel, why=why, again_in_s=pause_s)
            await self._clock.sleep(pause_s)

    async def _listen(self) -> str:
        """One connection, from its beginning to its end; why it ended."""
        session: Session | None = None
        try:
            session, ended = await connect(self._address, self._clock), asyncio.Event()
            session.on_end(ended.set)
            await session.listen(self._channel, self._heard)
            # For whoever looks at pg_stat_activity.
            await session.execute(f"SET application_name = '{LISTENING}'")
            self._failures = 0
            log.info("listening", channel=self._channel)
            self._connected()
            while not ended.is_set() and await session.answers(_ANSWER_WITHIN_S):
                with suppress(TimeoutError):
                    await self._clock.within(_ALIVE_EVERY_S, ended.wait())
            return "the connection ended"
        except StorageError as error:
            return str(error)
        finally:
            if session is not None:
                await session.close()
