"""Executor, database and an exchange in memory, joined as the engine joins them."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import TypeVar

from rusy_tui.clock import LockstepClock
from rusy_tui.domain.account import OrderChanged, UserEvent
from rusy_tui.domain.order import OrderIntent, OrderState, Purpose
from rusy_tui.domain.settings import StrategySettings
from rusy_tui.domain.trade import Trade
from rusy_tui.execution.account import AccountKeeper
from rusy_tui.execution.executor import Executor, Wiring
from rusy_tui.execution.flatten import Flattened, flatten
from rusy_tui.execution.ids import Ids
from rusy_tui.execution.recover import Recovered, recover
from rusy_tui.store.address import DatabaseAddress
from rusy_tui.store.store import Store
from tests.execution.exchange import MemoryExchange
from tests.execution.plans import proposal
from tests.execution.stage import INSTRUMENT, book
from tests.lockstep import in_lockstep

T = TypeVar("T")


class World:
    """One account; :meth:`start_engine` may be called again after :meth:`kill`."""

    def __init__(self, clock: LockstepClock, store: Store) -> None:
        self.clock = clock
        self.store = store
        self.exchange = MemoryExchange(clock)
        self.halts: list[str] = []
        self.said: list[str] = []
        self.closed: dict[str, str] = {}
        self.ids = Ids(clock, random.Random(1))
        self.trade_id = ""
        self._listener: asyncio.Task[None] | None = None
        self.start_engine()

    def start_engine(self) -> None:
        """An executor that knows nothing yet, listening to the account's events."""
        self.events: asyncio.Queue[UserEvent] = asyncio.Queue()
        self.exchange.sink = self.events.put_nowait
        self.executor = Executor(
            self.exchange,
            self.store,
            self.clock,
            self.ids,
            StrategySettings(),
            Wiring(
                book=lambda symbol: book(),
                mark=lambda symbol: Decimal(100),
                gates=lambda: (),
                closed=lambda: self.closed,
                barred=self.closed.__setitem__,
                changed=lambda trade: None,
                halt=lambda gate, why: self.halts.append(gate),
                say=lambda text, tone: self.said.append(text),
            ),
        )
        self.executor.instruments = {INSTRUMENT.symbol: INSTRUMENT}
        self._listener = asyncio.get_running_loop().create_task(self._listen())

    async def _listen(self) -> None:
        while True:
            event = await self.events.get()
            if isinstance(event, OrderChanged):
                if event.fill is not None:
                    self.executor.on_fill(event.fill)
                self.executor.on_report(event.report)

    async def kill(self) -> None:
        """End the engine at once; what is on the exchange stays there."""
        self.exchange.sink = None
        if self._listener is not None:
            self._listener.cancel()
        await self.executor.close()

    async def restart(self) -> Recovered:
        """A new engine, started by recovery."""
        await self.kill()
        await self.store.writes.settled()
        self.start_engine()
        return await self.recover()

    async def recover(self) -> Recovered:
        account = AccountKeeper(
            self.exchange, self.store, self.clock, self.executor, ("BTCUSDT",), _say_nothing
        )
        await account.read_missed_funding()
        await account.read()
        resting = tuple(account.open_orders.values())
        held = tuple(account.book.held)
        return await recover(
            self.exchange, self.store, self.executor, self.clock, resting, held
        )

    async def enter(self) -> None:
        """Start the trade and let its entry rest."""
        self.trade_id = await self.executor.enter(proposal())
        await self.pass_s(0.3)

    async def open(self) -> None:
        """Enter, be filled, and let stop and target rest."""
        await self.enter()
        self.exchange.fill(self.exchange.resting(Purpose.ENTRY)[0], "1.000", "100.0")
        await self.pass_s(0.5)

    async def flatten(self) -> Flattened:
        return await flatten(
            self.exchange, self.store, self.executor, self.clock, self.ids, None
        )

    async def pass_s(self, wall_s: float) -> None:
        """Let time pass."""
        await self.clock.sleep(wall_s)

    async def trade(self) -> Trade:
        """The trade as the database has it."""
        kept = await self.store.trades.get(self.trade_id)
        assert kept is not None
        return kept

    async def state_of(self, intent: OrderIntent) -> OrderState:
        """An order's state as the database has it."""
        row = await self.store.orders.get(intent.client_order_id)
        assert row is not None
        return row.state

    def placed(self, purpose: Purpose) -> list[OrderIntent]:
        """Every order that was handed to the exchange for a purpose."""
        return [intent for intent in self.exchange.placed if intent.purpose is purpose]


def _say_nothing(text: str, tone: str) -> None:
    """The log of an account keeper that nobody reads."""


def play(address: DatabaseAddress, scene: Callable[[World], Awaitable[T]]) -> T:
    """Play a scene in a lockstep loop on a fresh database."""

    async def main(clock: LockstepClock) -> T:
        store = await Store.open(address, clock, "demo", "test")
        world = World(clock, store)
        try:
            return await scene(world)
        finally:
            await world.kill()
            await store.close()

    return in_lockstep(main)
