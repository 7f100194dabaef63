"""Carries out what operators command; every command gets one reply, and is kept.

Repeating a command id returns the first reply and does nothing again, also across a restart.
Only an approval needs the database: all else is carried out without it (promise P6), and
kept as soon as it answers.
"""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import structlog

from rusy_tui.desk.desk import Desk
from rusy_tui.desk.gates import Gates
from rusy_tui.domain.clock import Clock
from rusy_tui.domain.commands import (
    Approve,
    Attend,
    CloseTrade,
    Command,
    Flatten,
    Halt,
    Reject,
    Reply,
    Resume,
    SetMode,
    StopEngine,
)
from rusy_tui.domain.errors import StorageError
from rusy_tui.domain.modes import Mode
from rusy_tui.domain.proposal import Proposal
from rusy_tui.domain.trade import ExitReason
from rusy_tui.execution.executor import Executor
from rusy_tui.execution.flatten import Flattened
from rusy_tui.store.store import Store

log = structlog.get_logger("engine")

OPERATOR = "operator"
FLATTENED = "flatten"
# A command waits this long for the database, wall seconds, and is carried out without it.
DATABASE_S = 1.0


class Commanding:
    """The one place where commands become deeds.

    Args:
        store: keeps each command with its reply.
        flatten: closes one symbol or all, and verifies.
        stop: ends the engine.
        attend: a watcher opened or closed a card.
        mode_changed: tells watchers of the mode.
        say: a line for the log.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        desk: Desk,
        gates: Gates,
        executor: Executor,
        *,
        flatten: Callable[[str | None], Awaitable[Flattened]],
        stop: Callable[[], None],
        attend: Callable[[str, bool], None],
        mode_changed: Callable[[], None],
        say: Callable[[str, str], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._desk = desk
        self._gates = gates
        self._executor = executor
        self._flatten = flatten
        self._stop = stop
        self._attend = attend
        self._mode_changed = mode_changed
        self._say = say
        self._replies: dict[str, asyncio.Future[Reply]] = {}

    async def handle(self, command: Command, who: str) -> Reply:
        """Carry a command out, once, and reply."""
        if isinstance(command, Attend):
            self._attend(who, command.card_open)
            return Reply(command.command_id, True, "done", "noted")
        running = self._replies.get(command.command_id)
        if running is not None:
            return await asyncio.shield(running)
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._replies[command.command_id] = future
        try:
            reply = await self._first_reply(command)
            if reply is None:
                reply = await self._carry_out(command, who)
                log.info("command", kind=type(command).__name__, who=who, answer=reply.answer)
                reply = await self._recorded(command, reply, who)
            future.set_result(reply)
        except BaseException as error:
            future.set_exception(error)
            future.exception()
            del self._replies[command.command_id]
            raise
        if isinstance(command, StopEngine) and reply.ok:
            self._stop()
        return reply

    async def _first_reply(self, command: Command) -> Reply | None:
        """What the same command was answered before a restart; None also when out of reach.

        Raises:
            StorageError: it can't be known, and the command is an approval.
        """
        looking = asyncio.ensure_future(self._store.commands.reply(command.command_id))
        if isinstance(command, Approve):
            return await looking
        try:
            # Shielded: to cancel a call that hangs takes longer than anybody may wait.
            return await self._clock.within(DATABASE_S, asyncio.shield(looking))
        except (StorageError, TimeoutError) as error:
            looking.add_done_callback(_seen)
            log.warning("command carried out unseen", id=command.command_id, why=repr(error))
            return None

    async def _recorded(self, command: Command, reply: Reply, who: str) -> Reply:
        """Keep a command with its reply; the reply, which says so when that must wait."""
        now_ms = self._clock.market_ms()
        what = f"command {command.command_id}"
        kept = await self._store.writes.keep(
            lambda: self._store.commands.record(
                command, reply, who=who, origin=who, at_ms=now_ms
            ),
            what,
            DATABASE_S,
        )
        if kept:
            return reply
        log.error("not recorded: the database is away", what=what, answer=reply.answer)
        text = f"{reply.message} (not recorded: the database is away)"
        return msgspec.structs.replace(reply, message=text)

    def _keep(self, decided: Proposal) -> None:
        """Have a decision on a proposal written; nobody waits for it."""
        what = f"proposal {decided.proposal_id} {decided.state}"
        self._store.writes.put(lambda: self._desk.keep(decided), what)

    async def _carry_out(self, command: Command, who: str) -> Reply:
        command_id, now_ms = command.command_id, self._clock.market_ms()
        match command:
            case Approve(proposal_id=proposal_id, revision=revision):
                return await self._desk.approve(proposal_id, revision, command_id, who)
            case Reject(proposal_id=proposal_id):
                reply, decided = self._desk.reject(proposal_id, command_id, who)
                if decided is not None:
                    self._keep(decided)
                return reply
            case SetMode(mode=mode):
                return self._set_mode(command_id, mode, who)
            case Halt():
                self._gates.halt(OPERATOR, f"halted by {who}", now_ms)
                return Reply(command_id, True, "done", "halted: no entries until resume")
            case Resume():
                opened = self._gates.resume()
                text = f"opened: {', '.join(opened)}" if opened else "no gate was halted"
                return Reply(command_id, True, "done", text)
            case Flatten(symbol=symbol):
                return await self._carry_out_flatten(command_id, symbol, who)
            case CloseTrade(symbol=symbol):
                if self._executor.ask_exit(symbol, ExitReason.OPERATOR):
                    return Reply(command_id, True, "done", f"closing {symbol}")
                return Reply(command_id, False, "unknown", f"no trade of ours in {symbol}")
            case StopEngine(flatten=flatten):
                if flatten:
                    return await self._carry_out_flatten(command_id, None, who)
                return Reply(command_id, True, "done", "stopping; stops keep resting")
            case Attend():
                return Reply(command_id, True, "done", "noted")

    def _set_mode(self, command_id: str, mode: Mode, who: str) -> Reply:
        before, self._desk.mode = self._desk.mode, mode
        self._mode_changed()
        self._say(f"mode {before} → {mode} by {who}; what pends is not touched", "info")
        return Reply(command_id, True, "done", f"mode {mode}")

    async def _carry_out_flatten(self, command_id: str, symbol: str | None, who: str) -> Reply:
        self._gates.halt(FLATTENED, f"flatten by {who}", self._clock.market_ms())
        for withdrawn in self._desk.withdraw_all("flatten"):
            self._keep(withdrawn)
        self._say(f"flatten {symbol or 'everything'} by {who}", "down")
        result = await self._flatten(symbol)
        self._say(result.in_words(), "up" if result.flat else "down")
        answer = "done" if result.flat else "failed"
        return Reply(command_id, result.flat, answer, result.in_words())


def _seen(looking: "asyncio.Future[Reply | None]") -> None:
    """Look at how a look-up ended that nobody waits for any more."""
    if not looking.cancelled():
        looking.exception()
