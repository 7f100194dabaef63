"""What the engine holds in the database: its account, and the symbols it collects itself.

Another engine or collector, here or on another machine, is refused while we hold them. When we
lose one, entries pause until it is ours again; protection and exits never wait for it.
"""

from collections.abc import Awaitable, Callable

from rusy_tui.desk.gates import Gates
from rusy_tui.domain.clock import Clock
from rusy_tui.store.locks import LOCK, Lock
from rusy_tui.store.store import Store
from rusy_tui.tasks import Work
from rusy_tui.teller import Teller

ACCOUNT, COLLECTOR = "account lock", "collector lock"
_OPENS = "when this engine holds it again"


class Ownership:
    """Takes the locks, watches over them, and closes a gate while one is lost.

    Args:
        symbols: whose market data this engine collects; empty: somebody else does.
        look_every_s: how often the server is asked, wall seconds.
        spawn: runs something beside all else.
        with_database: does what needs the database, and shows when it is away.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        gates: Gates,
        teller: Teller,
        *,
        symbols: tuple[str, ...],
        look_every_s: float,
        spawn: Callable[[Work], object],
        with_database: Callable[[Awaitable[None]], Work],
    ) -> None:
        self._store = store
        self._clock = clock
        self._gates = gates
        self._teller = teller
        self._symbols = symbols
        self._look_every_s = look_every_s
        self._spawn = spawn
        self._with_database = with_database
        self._locks: dict[str, Lock] = {}
        # By gate, since when it is closed and why at last.
        self._lost: dict[str, tuple[int, str]] = {}

    async def take(self) -> None:
        """Become the one engine of the account, and the one collector of its symbols.

        Raises:
            StorageError: another one is, with its host, process and start; or no answer.
        """
        self._locks[ACCOUNT] = await self._store.lock_account()
        if self._symbols:
            self._locks[COLLECTOR] = await self._store.lock_collector(self._symbols)

    async def keep_account(self) -> None:
        """Watch over the account's lock for ever."""
        await self._keep(ACCOUNT)

    async def keep_symbols(self) -> None:
        """Watch over the symbols' locks for ever, where this engine collects."""
        if COLLECTOR in self._locks:
            await self._keep(COLLECTOR)

    async def release(self) -> None:
        """Let others have them."""
        for lock in self._locks.values():
            await lock.release()

    async def _keep(self, gate: str) -> None:
        await self._locks[gate].keep(self._look_every_s, lambda why: self._told(gate, why))

    def _told(self, gate: str, why: str | None) -> None:
        now_ms = self._clock.market_ms()
        lost_ms, before = self._lost.get(gate, (now_ms, ""))
        if why is None:
            self._lost.pop(gate, None)
            self._gates.end_pause(gate)
            self._teller.say("engine", f"the {gate} is held again", "info")
            self._halt_if_overtaken(gate, now_ms)
        else:
            self._lost[gate] = (lost_ms, why)
            self._gates.pause(gate, why, _OPENS, now_ms)
            self._gates.explain(gate, why)
            self._teller.say("engine", f"no entries: {gate} lost: {why}", "down")
        # The loss itself can't be noted when the whole database went: its return tells all.
        payload = {"held": why is None, "lost_ms": lost_ms, "why": why or before}
        self._spawn(self._with_database(self._note(gate, payload, now_ms)))

    def _halt_if_overtaken(self, gate: str, now_ms: int) -> None:
        """What another engine did with the account is not in our memory; a start reads it."""
        others = self._locks[gate].others_meanwhile
        if gate == ACCOUNT and others:
            why = f"{', '.join(others)} ran this account meanwhile: restart this engine"
            self._gates.halt(gate, why, now_ms)
            self._teller.say("risk", f"HALTED: {why}", "down")

    async def _note(self, gate: str, payload: dict[str, object], at_ms: int) -> None:
        await self._store.journal.append(LOCK, gate, payload, at_ms)
