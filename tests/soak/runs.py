"""One soak run: a synthetic market for some hours, then the books held against each other."""

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Decimal

import msgspec
import numpy as np

from rusy_tui.domain.bars import COLUMNS
from rusy_tui.domain.candle import Interval
from rusy_tui.domain.money import ZERO
from rusy_tui.domain.settings import Settings
from rusy_tui.execution.ids import purpose_of
from rusy_tui.launch_lockstep import World
from rusy_tui.simulator.account import Account
from rusy_tui.simulator.candles import Bar
from rusy_tui.simulator.core import SimulatedExchange
from rusy_tui.simulator.feeds.synthetic import SyntheticFeed
from rusy_tui.simulator.orders import Trade as ExchangeTrade
from rusy_tui.store.store import Store
from tests.simulation.worlds import BALANCE, play_in, settings
from tests.soak.observer import Witness

SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
HOURS = 6
# 2024-03-04 00:00 UTC. Each seed begins at another hour, so that most runs meet a funding time.
FIRST_START_MS = 1_709_510_400_000
# Market ms between two steps of the market, in turn.
STEPS_MS = (60_000, 15_000)
# What is on its way when all is flat (the last fills' events) has arrived after this.
SETTLE_S = 5.0
_HOUR_MS = Interval.H1.ms
_ALL = 1_000_000
_LAST_DIGIT = Decimal("1e-8")


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a run did, counted in the exchange's books, and what was wrong with it."""

    seed: int
    orders: int
    fills: int
    stops_triggered: int
    trades: int
    funding_payments: int
    longest_bare_s: float
    violations: tuple[str, ...]


def in_one_line(outcomes: list[Outcome]) -> str:
    """What many runs did, together."""

    def total(name: str) -> int:
        return sum(getattr(outcome, name) for outcome in outcomes)

    broken = sum(len(outcome.violations) for outcome in outcomes)
    longest_s = max((outcome.longest_bare_s for outcome in outcomes), default=0.0)
    return (
        f"soak: {len(outcomes)} runs, {total('orders')} orders, {total('fills')} fills, "
        f"{total('stops_triggered')} stops triggered, {total('trades')} trades, "
        f"{total('funding_payments')} funding payments, longest without a stop "
        f"{longest_s:.3f} s, {broken} violations"
    )


def busy() -> Settings:
    """Settings that trade often, are stopped often, and never stop for the day's loss."""
    made = settings(SYMBOLS)
    return dataclasses.replace(
        made,
        strategy=dataclasses.replace(made.strategy, stop_atr=0.7, target_atr=1.2, hold_bars=3),
        risk=dataclasses.replace(made.risk, max_daily_loss_percent=Decimal(90)),
    )


def run(seed: int, hours: int = HOURS) -> Outcome:
    """Play one seed's market for some hours, flatten, and judge the books."""
    start_ms = FIRST_START_MS + seed % 24 * _HOUR_MS
    feed = SyntheticFeed(seed, start_ms, SYMBOLS, step_ms=STEPS_MS[seed % len(STEPS_MS)])

    async def play(here: World) -> Outcome:
        clock, witness = here.parts.clock, Witness(here.exchange)
        end_ms = start_ms + hours * _HOUR_MS
        await clock.sleep_until_market(end_ms)
        await here.engine.decided(end_ms)
        flattened = await here.engine.flatten(None)
        await clock.sleep(SETTLE_S)
        witness.finish()
        wrong = [] if flattened.flat else [f"flatten: {flattened.in_words()}"]
        wrong += [f"bare position: {bare}" for bare in witness.too_long()]
        wrong += judge_flat(here.exchange)
        wrong += judge_money(here.exchange.books.accounts[0])
        wrong += judge_orders(here.exchange)
        store = here.parts.store
        wrong += await judge_ledger(store, here.exchange.books.accounts[0])
        wrong += await judge_intents(store, here.exchange)
        wrong += await judge_bars(store, here.exchange, start_ms, end_ms)
        wrong += await judge_votes(store, start_ms, end_ms)
        wrong += [
            f"gate halted: {gate.name}: {gate.why}"
            for gate in here.parts.publisher.state.gates
            if gate.halted
        ]
        return await _outcome(here, seed, witness, wrong)

    return play_in(feed, busy(), play, seed=seed)


async def _outcome(here: World, seed: int, witness: Witness, wrong: list[str]) -> Outcome:
    books = here.exchange.books
    account = books.accounts[0]
    trades = await here.parts.store.trades.all()
    return Outcome(
        seed=seed,
        orders=len(books.orders_of(account)) + len(books.algos_of(account)),
        fills=len(account.trades),
        stops_triggered=sum(algo.order_id != 0 for algo in books.algos_of(account)),
        trades=sum(trade.entered_quantity > 0 for trade in trades),
        funding_payments=sum(entry.kind == "FUNDING_FEE" for entry in account.ledger),
        longest_bare_s=witness.longest_s,
        violations=tuple(f"seed {seed}: {text}" for text in wrong),
    )


# What must hold --------------------------------------------------------------------------


def judge_flat(exchange: SimulatedExchange) -> list[str]:
    """After a flatten nothing is held and nothing rests, in either book."""
    books = exchange.books
    account = books.accounts[0]
    left = [f"{p.symbol} {p.quantity}" for p in account.open_positions()]
    left += [order.client_id for order in books.open_orders_of(account)]
    left += [algo.client_id for algo in books.open_algos_of(account)]
    return [f"left after flatten: {name}" for name in left]


def judge_money(account: Account) -> list[str]:
    """The wallet is what it began with and its income, whose profits follow from its trades."""
    wrong = []
    by_kind: defaultdict[str, Decimal] = defaultdict(Decimal)
    for entry in account.ledger:
        by_kind[entry.kind] += entry.amount
    income = sum((e.amount for e in account.ledger if e.kind != "TRANSFER"), ZERO)
    if account.wallet != BALANCE + income:
        wrong.append(f"wallet {account.wallet} is not {BALANCE} + income {income}")
    realised = sum((realised_of(trades) for trades in _by_symbol(account.trades)), ZERO)
    commission = sum((trade.commission for trade in account.trades), ZERO)
    for kind, amount in (("REALIZED_PNL", realised), ("COMMISSION", -commission)):
        if by_kind[kind] != amount:
            wrong.append(f"{kind} entries sum to {by_kind[kind]}, its trades to {amount}")
    return wrong


def judge_orders(exchange: SimulatedExchange) -> list[str]:
    """No client order id of ours came twice, in either book, whatever became of the first."""
    books = exchange.books
    account = books.accounts[0]
    ids = Counter(order.client_id for order in books.orders_of(account))
    ids.update(algo.client_id for algo in books.algos_of(account))
    return [
        f"order sent {count} times: {name}"
        for name, count in ids.items()
        # The exchange gives its own closing orders one name.
        if count > 1 and purpose_of(name) is not None
    ]


async def judge_ledger(store: Store, account: Account) -> list[str]:
    """The engine's fills, funding and trades are the exchange's, to the last digit."""
    wrong = []
    fills = [row.fill for row in await store.fills.since(0)]
    told = {(f.symbol, f.exchange_trade_id): _money(f.price, f.quantity, f.fee) for f in fills}
    done = {
        (t.symbol, t.trade_id): _money(t.price, t.quantity, t.commission)
        for t in account.trades
    }
    wrong += [f"fill {key} is not as at the exchange" for key in told.items() ^ done.items()]
    funding = await store.funding.since(0)
    paid = Counter((r.income.symbol, r.income.time_ms, r.income.amount) for r in funding)
    owed = Counter(
        (e.symbol, e.time_ms, e.amount) for e in account.ledger if e.kind == "FUNDING_FEE"
    )
    if paid != owed:
        wrong.append(f"funding {paid} is not the exchange's {owed}")
    change = account.wallet - BALANCE
    rows = sum((f.realised_pnl - f.fee for f in fills), ZERO)
    rows += sum((row.income.amount for row in funding), ZERO)
    if rows != change:
        wrong.append(f"fills and funding sum to {rows}, the wallet changed by {change}")
    trades = await store.trades.all()
    net = sum((trade.net_pnl for trade in trades), ZERO)
    if net != change:
        wrong.append(f"trades made {net}, the wallet changed by {change}")
    wrong += [f"trade {t.trade_id} is {t.state}" for t in trades if not t.state.is_final]
    return wrong


async def judge_intents(store: Store, exchange: SimulatedExchange) -> list[str]:
    """Each order of ours at the exchange was made durable no later than it came there (P1)."""
    wrong = []
    books = exchange.books
    account = books.accounts[0]
    came = [(order.client_id, order.created_ms) for order in books.orders_of(account)]
    came += [(algo.client_id, algo.created_ms) for algo in books.algos_of(account)]
    for client_id, created_ms in came:
        if purpose_of(client_id) is None:
            continue  # the exchange's own name for what a triggered stop became
        row = await store.orders.get(client_id)
        if row is None:
            wrong.append(f"order {client_id} was never made durable")
        elif row.intent.created_ms > created_ms:
            wrong.append(f"order {client_id} came before it was made durable")
        elif not row.state.is_final:
            wrong.append(f"order {client_id} is left {row.state}")
    return wrong


async def judge_bars(
    store: Store, exchange: SimulatedExchange, start_ms: int, end_ms: int
) -> list[str]:
    """The bars kept, the past before play among them, are the market's own, each once."""
    wrong = []
    for symbol in SYMBOLS:
        for interval in (Interval.M15, Interval.H1):
            kept = await store.candles.window(symbol, interval, end_ms, _ALL)
            series = exchange.markets[symbol].series[interval]
            first_ms = int(kept.open_time_ms[0]) if len(kept) else start_ms
            true = series.between(first_ms, end_ms - 1, _ALL)
            columns = [kept.open_time_ms, *(getattr(kept, name) for name in COLUMNS)]
            found = np.stack([np.asarray(column, float) for column in columns], axis=1)
            if first_ms >= start_ms:
                wrong.append(f"{symbol} {interval}: no past was fetched")
            if not np.array_equal(found, np.array([_row(bar) for bar in true])):
                wrong.append(f"{symbol} {interval}: bars differ from the market's")
            if revised := await store.candles.revised(symbol, interval):
                wrong.append(f"{symbol} {interval}: {revised} bars were written twice")
    return wrong


async def judge_votes(store: Store, start_ms: int, end_ms: int) -> list[str]:
    """Every closed 15m bar was voted on, by every member."""
    expected = (end_ms - start_ms) // Interval.M15.ms * len(SYMBOLS)
    votes = await store.predictions.votes(start_ms, end_ms)
    return [f"{who} voted {n} of {expected}" for who, n in votes.items() if n != expected]


# Sums --------------------------------------------------------------------------------------


def realised_of(trades: Iterable[ExchangeTrade]) -> Decimal:
    """The price differences of one symbol's trades, worked out anew from price and quantity."""
    held, paid, realised = ZERO, ZERO, ZERO
    for trade in trades:
        signed = trade.quantity * trade.side.sign
        if held * signed >= 0:
            held, paid = held + signed, paid + signed * trade.price
            continue
        released = paid if -signed == held else paid * -signed / held
        gain = (-signed * trade.price - released).quantize(
            _LAST_DIGIT, rounding=ROUND_HALF_EVEN
        )
        realised += gain
        held, paid = held + signed, paid + signed * trade.price + gain
    return realised


def _by_symbol(trades: list[ExchangeTrade]) -> list[list[ExchangeTrade]]:
    return [[trade for trade in trades if trade.symbol == symbol] for symbol in SYMBOLS]


def _money(*amounts: Decimal) -> tuple[Decimal, ...]:
    return amounts


def _row(bar: Bar) -> list[float]:
    return [float(bar.open_time_ms), *(float(getattr(bar, name)) for name in COLUMNS)]
