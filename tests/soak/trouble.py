"""A day of trouble: a market, an engine that trades it, and faults of every kind in between.

At its end what the engine believes must be what the exchange's books hold, to the last digit:
every fill once, every position, the wallet.
"""

import asyncio
from collections import Counter
from decimal import Decimal

import msgspec

from rusy_tui.domain.candle import Interval
from rusy_tui.domain.commands import Resume
from rusy_tui.domain.money import ZERO
from rusy_tui.launch_lockstep import World
from rusy_tui.simulator.account import Account
from rusy_tui.simulator.faults import Kind
from rusy_tui.simulator.faults.draw import random_faults
from rusy_tui.simulator.feeds.synthetic import SyntheticFeed
from rusy_tui.simulator.wire.account_replies import entry_price
from tests.simulation.worlds import BALANCE, play_in
from tests.soak.runs import FIRST_START_MS, SYMBOLS, busy, judge_flat, judge_orders

HOURS = 24
FAULTS = 200
_HOUR_MS = Interval.H1.ms
# As in life: the engine compares its account with a reading by REST this often; wall seconds.
_CHECK_S = 300.0
# Nothing goes wrong any more for so long before the end: what was missed is read by then. The
# longest is what only the next comparison by REST finds: a listen key that ended in silence.
_QUIET_MS = 6 * 60_000
# An operator looks at what has halted this often; wall seconds.
_LOOKS_EVERY_S = 120.0
# Movements of the wallet that the engine keeps, fill by fill and payment by payment; the
# others are the exchange's own acts.
_KEPT_KINDS = ("TRANSFER", "REALIZED_PNL", "COMMISSION", "FUNDING_FEE")


class Day(msgspec.Struct, frozen=True, kw_only=True):
    """What a day brought, counted in the exchange's books, and what was wrong at its end."""

    seed: int
    faults: int
    struck: int
    kinds: tuple[str, ...]
    effects: int
    met: dict[str, int]
    orders: int
    fills: int
    positions: int
    wallet: Decimal
    violations: tuple[str, ...]

    def in_one_line(self) -> str:
        """The figures, for whoever reads the run."""
        met = ", ".join(f"{name} {count}" for name, count in self.met.items())
        return (
            f"day of trouble, seed {self.seed}: {self.struck} of {self.faults} faults struck, "
            f"of {len(self.kinds)} kinds, {self.effects} effects, "
            f"orders that met a state of the market: {met}, "
            f"{self.orders} orders, {self.fills} fills, "
            f"{self.positions} positions at the end, wallet {self.wallet} USDT, "
            f"{len(self.violations)} differences"
        )


def play_day(seed: int, *, hours: int = HOURS, count: int = FAULTS) -> Day:
    """Play a day with so many faults, and hold the engine's picture against the books."""
    start_ms = FIRST_START_MS + seed % 24 * _HOUR_MS
    end_ms = start_ms + hours * _HOUR_MS
    feed = SyntheticFeed(seed, start_ms, SYMBOLS, step_ms=60_000)

    async def day(here: World) -> Day:
        clock, faults = here.parts.clock, here.server.faults
        drawn = random_faults(seed, count, start_ms, end_ms - _QUIET_MS, SYMBOLS)
        faults.add(*drawn)
        operator = asyncio.create_task(_resume_what_halts(here))
        await clock.sleep_until_market(end_ms)
        await here.engine.decided(end_ms)
        operator.cancel()
        await asyncio.gather(operator, return_exceptions=True)
        account = here.exchange.books.accounts[0]
        positions = len(account.open_positions())
        wrong = [*await differences(here, account), *_sent_while_banned(here)]
        flattened = await here.engine.flatten(None)
        await clock.sleep(10.0)
        wrong += [] if flattened.flat else [f"flatten: {flattened.in_words()}"]
        wrong += judge_flat(here.exchange)
        wrong += judge_orders(here.exchange)
        wrong += await differences(here, account)
        books = here.exchange.books
        return Day(
            seed=seed,
            faults=len(drawn),
            struck=len(faults.struck),
            kinds=tuple(sorted(faults.counts)),
            effects=sum(faults.counts.values()),
            met=dict(sorted(books.trouble.met.items())),
            orders=len(books.orders_of(account)) + len(books.algos_of(account)),
            fills=len(account.trades),
            positions=positions,
            wallet=account.wallet,
            violations=tuple(f"seed {seed}: {text}" for text in wrong),
        )

    return play_in(feed, busy(), day, seed=seed, check_s=_CHECK_S)


async def _resume_what_halts(here: World) -> None:
    """An operator who reads why something has halted, and lets it go on."""
    for number in range(1_000_000):
        await here.parts.clock.sleep(_LOOKS_EVERY_S)
        if any(gate.halted for gate in here.parts.publisher.state.gates):
            await here.engine.handle(Resume(f"resume-{number}"), "operator")


# What must hold --------------------------------------------------------------------------


async def differences(here: World, account: Account) -> list[str]:
    """Where the engine's picture of its account is not the exchange's."""
    return [
        *await _fills(here, account),
        *_positions(here, account),
        *await _balance(here, account),
    ]


async def _fills(here: World, account: Account) -> list[str]:
    kept = Counter(
        (f.symbol, f.exchange_trade_id, f.side, f.price, f.quantity, f.fee, f.realised_pnl)
        for f in [row.fill for row in await here.parts.store.fills.since(0)]
    )
    done = Counter(
        (t.symbol, t.trade_id, t.side, t.price, t.quantity, t.commission, t.realised_pnl)
        for t in account.trades
    )
    return [
        *(f"a fill of the exchange is not kept: {fill}" for fill in done - kept),
        *(f"a kept fill is not the exchange's: {fill}" for fill in kept - done),
    ]


def _positions(here: World, account: Account) -> list[str]:
    told = {
        view.symbol: (view.quantity, view.entry_price)
        for view in here.parts.publisher.state.positions
    }
    true = {
        position.symbol: (position.quantity, entry_price(position))
        for position in account.open_positions()
    }
    return [] if told == true else [f"positions {told}, the exchange holds {true}"]


async def _balance(here: World, account: Account) -> list[str]:
    wallet = here.parts.publisher.state.account.wallet
    wrong = []
    if wallet != account.wallet:
        wrong.append(f"wallet {wallet}, the exchange says {account.wallet}")
    fills = [row.fill for row in await here.parts.store.fills.since(0)]
    funding = await here.parts.store.funding.since(0)
    rows = sum((f.realised_pnl - f.fee for f in fills), ZERO)
    rows += sum((row.income.amount for row in funding), ZERO)
    others = sum((e.amount for e in account.ledger if e.kind not in _KEPT_KINDS), ZERO)
    if rows + others != account.wallet - BALANCE:
        change = account.wallet - BALANCE
        wrong.append(f"fills and funding sum to {rows}, and {others}; the change is {change}")
    return wrong


def _sent_while_banned(here: World) -> list[str]:
    return [f"sent while it had to wait: {each}" for each in here.server.limits.violations]


RARE_KINDS = (Kind.LIQUIDATED, Kind.DELEVERAGED, Kind.SETTLED)


def common_kinds() -> set[str]:
    """The kinds of which every day is full; the others end positions, and are rare."""
    return {kind.value for kind in Kind if kind not in RARE_KINDS}
