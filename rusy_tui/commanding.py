"""Carries out what operators command; every command gets one reply, and is kept.

Repeating a command id returns the first reply and does nothing again, also across a restart.
"""

import asyncio
from collections.abc import Awaitable, Callable

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
from rusy_tui.domain.modes import Mode
from rusy_tui.domain.trade import ExitReason
from rusy_tui.execution.executor import Executor
from rusy_tui.execution.flatten import Flattened
from rusy_tui.store.store import Store

log = structlog.get_logger("engine")

OPERATOR = "operator"
FLATTENED = "flatten"


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
            reply = await self._store.commands.reply(command.command_id)
            if reply is None:
                reply = await self._carry_out(command, who)
                now_ms = self._clock.market_ms()
                await self._store.commands.record(
                    command, reply, who=who, origin=who, at_ms=now_ms
                )
                log.info("command", kind=type(command).__name__, who=who, answer=reply.answer)
            future.set_result(reply)
        except BaseException as error:
            future.set_exception(error)
            future.exception()
            del self._replies[command.command_id]
            raise
        if isinstance(command, StopEngine) and reply.ok:
            self._stop()
        return reply

    async def _carry_out(self, command: Command, who: str) -> Reply:
        command_id, now_ms = command.command_id, self._clock.market_ms()
        match command:
            case Approve(proposal_id=proposal_id, revision=revision):
                return await self._desk.approve(proposal_id, revision, command_id, who)
            case Reject(proposal_id=proposal_id):
                return await self._desk.reject(proposal_id, command_id, who)
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
        await self._desk.withdraw_all("flatten")
        self._say(f"flatten {symbol or 'everything'} by {who}", "down")
        result = await self._flatten(symbol)
        self._say(result.in_words(), "up" if result.flat else "down")
        answer = "done" if result.flat else "failed"
        return Reply(command_id, result.flat, answer, result.in_words())
