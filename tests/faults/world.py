"""The adapter on a served exchange under faults, and what must hold of it."""

import asyncio
import math
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from rusy_tui.clock import LockstepClock
from rusy_tui.domain.candle import Interval
from rusy_tui.domain.order import Cause, Confirmed, Denied, Rejected, Unresolved
from rusy_tui.exchange.binance import BinanceExchange
from rusy_tui.simulator.core import AccountSpec, SimulatedExchange
from rusy_tui.simulator.faults import Fault, Kind
from rusy_tui.simulator.runner import play
from rusy_tui.simulator.server import SimulatorServer
from rusy_tui.simulator.switches import Switches
from tests.faults.market_view import MarketState, MarketView, market_truth
from tests.faults.trader import Trader
from tests.faults.view import SYMBOL, State, View, truth
from tests.simulator.support import KEY, SECRET, START_MS, D, ScriptedFeed, lockstep, traded

SECONDS = 1000
BEGIN_MS = START_MS + 10 * SECONDS
"""When faults begin."""

LASTS_S = 60
"""How long faults last, and trading goes on, unless a test says otherwise."""

SETTLED_WITHIN_S = 10
"""So long after a fault's end the state must be the exchange's."""

SWITCHES = [
    Switches(),
    Switches(
        countdown_cancels_algos=True, stops_need_position=True, accounts_start_isolated=True
    ),
]
"""What the exchange's documents leave open, one way and the other."""

in_force = SWITCHES[0]
"""How open questions are decided in :func:`under`."""

_FINISHED_WITHIN_S = 120
_STEP_S = 2.0
_QUIET_S = 2


def fault(kind: Kind, lasts_s: float | None = None, at_s: float = 0, **settings: Any) -> Fault:
    """A fault that begins with the trading, or so long after, and ends with it or before."""
    from_ms = BEGIN_MS + round(at_s * SECONDS)
    if lasts_s is None:
        lasts_s = LASTS_S - at_s
    until_ms = from_ms + round(lasts_s * SECONDS)
    return Fault(kind=kind, from_ms=from_ms, until_ms=until_ms, **settings)


class Run(msgspec.Struct):
    """What came of trading under faults."""

    seed: int
    trader: Trader
    view: View
    server: SimulatorServer
    exchange: SimulatedExchange
    believed: State
    """The state folded from events, 10 s after the faults' end."""
    true: State
    """The exchange's own at that moment."""
    trace: list[str]

    @property
    def struck(self) -> Counter[str]:
        """How often each kind of fault struck."""
        return self.server.faults.counts

    def outcomes(self, kind: type[Confirmed | Rejected | Denied | Unresolved]) -> int:
        """How many order commands ended in one of the four ways."""
        return sum(isinstance(attempt.outcome, kind) for attempt in self.trader.attempts)

    def rejected(self, cause: Cause) -> int:
        """How many were rejected for a cause."""
        outcomes = [attempt.outcome for attempt in self.trader.attempts]
        return sum(isinstance(o, Rejected) and o.cause is cause for o in outcomes)


def market(seconds: float) -> ScriptedFeed:
    """A market in a gentle wave, a trade every other second."""
    steps = int(seconds / _STEP_S)
    wave = [50_000 + round(40 * math.sin(n / 7)) for n in range(steps)]
    script = [(n * _STEP_S + 1, [traded(f"{price}.0")]) for n, price in enumerate(wave)]
    return ScriptedFeed(script)


Script = Callable[[Trader, int], Awaitable[None]]


async def _rounds(trader: Trader, until_ms: int) -> None:
    await trader.trade_until(until_ms)


def under(
    *faults: Fault,
    seed: int = 1,
    lasts_s: float = LASTS_S,
    script: Script = _rounds,
    trader_of: type[Trader] = Trader,
    check_s: float = 300.0,
) -> Run:
    """Trade under faults, and see what is believed 10 s after their end.

    Args:
        faults: put in force at the start; all must be over ``lasts_s`` after ``BEGIN_MS``.
        seed: of the exchange and of the adapter.
        lasts_s: how long trading goes on after the faults began.
        script: what is traded, until an instant (wall ms).
        trader_of: who trades.
        check_s: wall seconds between the adapter's comparisons with a reading.
    """
    end_ms = BEGIN_MS + round(lasts_s * SECONDS)

    for fault in faults:
        assert fault.until_ms is not None
        assert fault.until_ms <= end_ms

    async def run(clock: LockstepClock) -> Run:
        specs = [AccountSpec(api_key=KEY, api_secret=SECRET, balance=D("10000"))]
        feed = market(lasts_s + _FINISHED_WITHIN_S + 60)
        exchange = SimulatedExchange(feed, clock, specs, seed, in_force)
        server = SimulatorServer(exchange, clock, lockstep=True, control_token="t")
        await server.start()
        adapter = BinanceExchange(
            server.rest_url,
            server.ws_url,
            KEY,
            SECRET,
            clock,
            seed=seed,
            check_s=check_s,
            ping_interval_s=None,
        )
        trader, view = trader_of(adapter, clock), View()
        playing = asyncio.create_task(play(exchange, feed, clock))
        await adapter.connect()
        listening = [
            asyncio.create_task(adapter.run_user_stream([SYMBOL], view.sink)),
        ]
        try:
            await clock.sleep(5)
            server.faults.add(*faults)
            await clock.sleep_until_market(BEGIN_MS)
            trading = asyncio.create_task(_trade(script, trader, end_ms))
            settled_ms = end_ms + SETTLED_WITHIN_S * SECONDS
            # Events take their time: the last command's are through when books are compared.
            await clock.sleep_until_market(settled_ms - _QUIET_S * SECONDS)
            trader.may_send.clear()
            await clock.sleep_until_market(settled_ms)
            account = exchange.books.accounts[0]
            believed, true = view.state, truth(exchange, account)
            trader.may_send.set()
            await clock.within(_FINISHED_WITHIN_S, trading)
            await clock.sleep(2)
            trace = [str(attempt) for attempt in trader.attempts]
            return Run(seed, trader, view, server, exchange, believed, true, trace)
        finally:
            await adapter.close()
            for task in (*listening, playing):
                task.cancel()
            await asyncio.gather(*listening, playing, return_exceptions=True)
            await server.stop()

    return lockstep(run)


class MarketRun(msgspec.Struct):
    """What came of listening to the market under faults."""

    server: SimulatorServer
    view: MarketView
    believed: MarketState
    true: MarketState

    @property
    def struck(self) -> Counter[str]:
        """How often each kind of fault struck."""
        return self.server.faults.counts


def listening_under(*faults: Fault, seed: int = 1, lasts_s: float = 200) -> MarketRun:
    """Listen to the market under faults, and see what is believed 10 s after their end."""
    end_ms = BEGIN_MS + round(lasts_s * SECONDS)
    for each in faults:
        assert each.until_ms is not None
        assert each.until_ms <= end_ms

    async def run(clock: LockstepClock) -> MarketRun:
        feed = market(lasts_s + 120)
        exchange = SimulatedExchange(feed, clock, [], seed)
        server = SimulatorServer(exchange, clock, lockstep=True, control_token="t")
        await server.start()
        adapter = BinanceExchange(
            server.rest_url, server.ws_url, "", "", clock, seed=seed, ping_interval_s=None
        )
        view = MarketView(adapter, clock)
        await adapter.connect()
        server.faults.add(*faults)
        tasks = [
            asyncio.create_task(play(exchange, feed, clock)),
            asyncio.create_task(adapter.run_market_streams([SYMBOL], [Interval.M1], view.sink)),
            asyncio.create_task(view.keep()),
        ]
        try:
            await clock.sleep_until_market(end_ms + SETTLED_WITHIN_S * SECONDS)
            return MarketRun(server, view, view.state, market_truth(exchange))
        finally:
            await adapter.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await server.stop()

    return lockstep(run)


async def _trade(script: Script, trader: Trader, end_ms: int) -> None:
    await script(trader, end_ms)


def must_hold(run: Run) -> None:
    """What must hold whatever went wrong."""
    account = run.exchange.books.accounts[0]
    books = run.exchange.books
    seed = f"seed {run.seed}"
    # No client order id was taken twice, and no wish became two orders.
    sent = {attempt.client_order_id for attempt in run.trader.attempts}
    plain = [order.client_id for order in books.orders_of(account)]
    conditional = [algo.client_id for algo in books.algos_of(account)]
    for names in (plain, conditional):
        # The exchange's own names, as adl_autoclose, may repeat.
        twice = [name for name, count in Counter(names).items() if count > 1 and name in sent]
        assert not twice, f"{seed}: {twice}"
    wishes = Counter(name.rpartition(".")[0] for name in sent & {*plain, *conditional})
    assert not [wish for wish, count in wishes.items() if count > 1], f"{seed}: {wishes}"
    # Ten seconds after the fault's end, the state is the exchange's.
    assert run.believed == run.true, seed
    # In the end all is flat, and every fill was counted once.
    final = truth(run.exchange, account)
    assert final.held == {}, seed
    assert final.orders == frozenset(), seed
    assert run.view.state == final, seed
    for trade in account.trades:
        fill = run.view.fills[trade.trade_id]
        assert (fill.price, fill.quantity, fill.fee) == (
            trade.price, trade.quantity, trade.commission,
        ), seed  # fmt: skip
    assert max(run.view.told.values(), default=0) <= 1, f"{seed}: told twice {run.view.told}"
    # Nothing was sent while the exchange had said stop.
    assert run.server.limits.violations == [], seed
