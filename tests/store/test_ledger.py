"""Proposals, trades, orders, fills, funding, predictions, journal, commands."""

import math
from decimal import Decimal

import msgspec
import pytest

from rusy_tui.domain.account import Income
from rusy_tui.domain.candle import Interval
from rusy_tui.domain.commands import Halt, Reply
from rusy_tui.domain.errors import Defect
from rusy_tui.domain.order import (
    Fill,
    OrderIntent,
    OrderKind,
    OrderState,
    Purpose,
    Side,
    TimeInForce,
)
from rusy_tui.domain.proposal import (
    Plan,
    PlannedEntry,
    PlannedTarget,
    Proposal,
    ProposalState,
    RiskVerdict,
    Verdict,
)
from rusy_tui.domain.signal import MemberVote, Prediction
from rusy_tui.domain.trade import ExitReason, Trade, TradeState
from rusy_tui.store.errors import DatabaseRefused
from rusy_tui.store.pool import Database
from rusy_tui.store.store import Store

NOW = 1_746_057_600_000
# Every digit counts: more of them than a float has, trailing zeros, both ends of the scale.
LONG = Decimal("123456789012345678901234567890.123456789012345678901234567890")
EXACT = (LONG, -LONG, Decimal("0.10"), Decimal("1E-20"), Decimal("94251.70"), Decimal(0))

PREDICTION = Prediction(
    symbol="BTCUSDT",
    interval=Interval.M15,
    bar_open_ms=NOW,
    model_version="2026-11a",
    members=(
        MemberVote(member="lstm", probability=0.1 + 0.2, weight=0.5),
        MemberVote(member="dnn", probability=1 / 3, weight=0.5),
    ),
    score=-0.123456789012345678,
    probability=0.49,
    large_move=0.3,
    flow_present=False,
)

PROPOSAL = Proposal(
    proposal_id=1,
    revision="ab12",
    plan=Plan(
        symbol="BTCUSDT",
        side=Side.SELL,
        entries=(
            PlannedEntry(
                quantity=Decimal("0.010"),
                price=Decimal("94251.70"),
                worst_price=Decimal("94200.10"),
                kind=OrderKind.LIMIT,
                time_in_force=TimeInForce.POST_ONLY,
            ),
        ),
        stop_price=Decimal("95000.0"),
        targets=(PlannedTarget(quantity=Decimal("0.010"), price=Decimal("93000.0")),),
        quantity=Decimal("0.010"),
        notional_usd=Decimal("942.517"),
        leverage=3,
        risk_usd=Decimal("7.483"),
        risk_percent=Decimal("0.50"),
        reward_risk=Decimal("1.6"),
        expected_cost_usd=Decimal("0.38"),
        expected_cost_bps=Decimal("4.0"),
        liquidation_price=Decimal("124000"),
        atr=Decimal("301.25"),
        exposure_after_usd=Decimal("942.517"),
        exposure_limit_usd=Decimal(5000),
        premise_ends_ms=NOW + 900_000,
        time_exit_ms=NOW + 7_200_000,
        prediction=PREDICTION,
        verdicts=(RiskVerdict(rule="exposure", verdict=Verdict.ALLOW, figures="942/5000"),),
    ),
    state=ProposalState.PENDING,
    created_ms=NOW,
    expires_ms=NOW + 900_000,
    created_monotonic_s=12345.678,
    wall_seconds=120.0,
)

TRADE = Trade(
    trade_id="01TRADE",
    proposal_id=1,
    symbol="BTCUSDT",
    side=Side.SELL,
    state=TradeState.ENTERING,
    planned_quantity=Decimal("0.010"),
    planned_entry=Decimal("94251.70"),
    stop_price=Decimal("95000.0"),
    target_price=Decimal("93000.0"),
    risk_usd=Decimal("7.483"),
    leverage=3,
    time_exit_ms=NOW + 7_200_000,
    created_ms=NOW,
    entry_reason="score -0.4",
)

INTENT = OrderIntent(
    client_order_id="rusy-e-01ORDER",
    trade_id="01TRADE",
    purpose=Purpose.ENTRY,
    symbol="BTCUSDT",
    side=Side.SELL,
    kind=OrderKind.LIMIT,
    created_ms=NOW,
    quantity=Decimal("0.010"),
    price=Decimal("94251.70"),
    time_in_force=TimeInForce.POST_ONLY,
    recv_window_ms=1000,
)

STOP = OrderIntent(
    client_order_id="rusy-s-02ORDER",
    trade_id="01TRADE",
    purpose=Purpose.STOP,
    symbol="BTCUSDT",
    side=Side.BUY,
    kind=OrderKind.STOP_MARKET,
    created_ms=NOW + 1,
    trigger_price=Decimal("95000.0"),
    close_position=True,
)

FILL = Fill(
    symbol="BTCUSDT",
    exchange_trade_id=7_000_000_001,
    exchange_order_id="55",
    client_order_id="rusy-e-01ORDER",
    side=Side.SELL,
    price=Decimal("94251.70"),
    quantity=Decimal("0.010"),
    fee=Decimal("0.18850340"),
    fee_asset="USDT",
    realised_pnl=Decimal("0E-8"),
    is_maker=True,
    time_ms=NOW + 500,
)


@pytest.fixture
def store(database: Database) -> Store:
    return Store(database, "demo", "abc")


def spelt(value: object) -> list[str]:
    """A value with its numbers as written, since Decimal("1.0") equals Decimal("1")."""
    return [str(field) for field in msgspec.structs.astuple(value)]  # type: ignore[arg-type]


@pytest.mark.parametrize("amount", EXACT)
async def test_money_keeps_every_digit(store: Store, amount: Decimal) -> None:
    fill = msgspec.structs.replace(FILL, realised_pnl=amount, fee=-amount)
    await store.fills.add(fill, "01TRADE")
    read = (await store.fills.since(0))[0].fill
    assert read.realised_pnl == amount
    assert read.fee == -amount
    assert str(read.realised_pnl + 0) == str(amount + 0)


async def test_a_fill_is_kept_once(store: Store) -> None:
    assert await store.fills.add(FILL, "01TRADE")
    assert not await store.fills.add(FILL, "01TRADE")
    other = msgspec.structs.replace(FILL, exchange_trade_id=7_000_000_002, time_ms=NOW)
    assert await store.fills.add(other, "")
    assert [row.fill for row in await store.fills.since(0)] == [other, FILL]
    assert [row.fill for row in await store.fills.since(NOW + 1)] == [FILL]
    assert [row.fill for row in await store.fills.by_trade("01TRADE")] == [FILL]
    assert await store.fills.last_exchange_trade_id("BTCUSDT") == 7_000_000_002
    assert await store.fills.last_exchange_trade_id("ETHUSDT") is None


async def test_accounts_are_kept_apart(store: Store, database: Database) -> None:
    other = Store(database, "demo", "another")
    await store.fills.add(FILL, "01TRADE")
    await store.trades.add(TRADE)
    await store.orders.intend(INTENT)
    assert await other.fills.since(0) == []
    assert await other.trades.all() == []
    assert await other.orders.open_or_unresolved() == []
    assert await other.orders.intend(INTENT)


async def test_funding_is_kept_once(store: Store) -> None:
    paid = Income(
        income_id="9",
        symbol="BTCUSDT",
        kind="funding_fee",
        amount=Decimal("-0.09425170"),
        asset="USDT",
        time_ms=NOW,
    )
    assert await store.funding.last_ms() is None
    assert await store.funding.add(paid, "01TRADE")
    assert not await store.funding.add(paid, "01TRADE")
    (row,) = await store.funding.by_trade("01TRADE")
    assert spelt(row.income) == spelt(paid)
    assert [each.income for each in await store.funding.since(NOW)] == [paid]
    assert await store.funding.last_ms() == NOW


async def test_a_proposal_comes_back_as_it_was(store: Store, database: Database) -> None:
    assert await store.proposals.next_id() == 1
    assert await store.proposals.add(PROPOSAL)
    assert not await store.proposals.add(PROPOSAL)
    assert await store.proposals.next_id() == 2
    (read,) = await store.proposals.pending()
    assert read == PROPOSAL
    assert read.plan.revision == PROPOSAL.plan.revision
    row = await database.row("SELECT symbol, side FROM proposals")
    assert row is not None
    assert tuple(row) == ("BTCUSDT", "sell")


async def test_the_first_decision_holds(store: Store) -> None:
    await store.proposals.add(PROPOSAL)
    assert await store.proposals.decide(1, ProposalState.APPROVED, NOW + 5, "ann", "ok")
    assert not await store.proposals.decide(1, ProposalState.REJECTED, NOW + 6, "bob")
    assert await store.proposals.pending() == []
    read = await store.proposals.get(1)
    assert read is not None
    assert (read.state, read.decided_ms, read.decided_by, read.reason) == (
        ProposalState.APPROVED,
        NOW + 5,
        "ann",
        "ok",
    )
    assert await store.proposals.since(NOW) == [read]


async def test_a_trade_from_plan_to_end(store: Store, database: Database) -> None:
    assert await store.trades.add(TRADE)
    assert not await store.trades.add(TRADE)
    assert await store.trades.running() == [TRADE]
    closed = msgspec.structs.replace(
        TRADE,
        state=TradeState.CLOSED,
        entered_quantity=Decimal("0.010"),
        entered_notional=Decimal("942.517"),
        exited_quantity=Decimal("0.010"),
        exited_notional=Decimal("930.0"),
        realised_pnl=Decimal("12.51700000"),
        fees=Decimal("0.37450340"),
        funding=Decimal("-0.01"),
        opened_ms=NOW + 1,
        closed_ms=NOW + 2,
        exit_reason=ExitReason.TARGET,
        stop_order_id="s",
        target_order_id="t",
        seconds_to_stop=0.123,
    )
    await store.trades.update(closed)
    assert await store.trades.running() == []
    read = await store.trades.get("01TRADE")
    assert read is not None
    assert spelt(read) == spelt(closed)
    assert await store.trades.all() == [closed]
    row = await database.row("SELECT entry_price, exit_price, net_pnl FROM positions")
    assert row is not None
    assert tuple(row) == (closed.entry_average, closed.exit_average, closed.net_pnl)


async def test_a_trade_may_be_written_whole_without_having_been_added(store: Store) -> None:
    await store.trades.update(TRADE)
    assert await store.trades.running() == [TRADE]


async def test_an_intent_comes_back_as_it_was(store: Store) -> None:
    assert await store.orders.intend(INTENT)
    assert await store.orders.intend(STOP)
    rows = await store.orders.by_trade("01TRADE")
    assert [spelt(row.intent) for row in rows] == [spelt(INTENT), spelt(STOP)]
    assert {row.state for row in rows} == {OrderState.INTENDED}
    assert rows[0].sent_ms is None
    assert await store.orders.count() == 2


async def test_the_same_intent_again_is_no_second_order(store: Store) -> None:
    assert await store.orders.intend(INTENT)
    assert not await store.orders.intend(INTENT)
    with pytest.raises(Defect, match="two orders"):
        await store.orders.intend(msgspec.structs.replace(INTENT, quantity=Decimal("0.02")))


async def test_what_becomes_of_an_order(store: Store) -> None:
    await store.orders.intend(INTENT)
    await store.orders.intend(STOP)
    client = INTENT.client_order_id
    await store.orders.sent(client, NOW + 2)
    assert await store.orders.update(client, OrderState.UNRESOLVED, NOW + 3)
    assert await store.orders.update(
        client,
        OrderState.PARTIALLY_FILLED,
        NOW + 4,
        exchange_order_id="55",
        filled_quantity=Decimal("0.004"),
        average_price=Decimal("94251.70"),
    )
    read = await store.orders.get(client)
    assert read is not None
    assert read.sent_ms == NOW + 2
    assert read.exchange_order_id == "55"
    assert await store.orders.update(client, OrderState.CANCELED, NOW + 5)
    assert not await store.orders.update(client, OrderState.NEW, NOW + 6)
    assert await store.orders.update(
        client, OrderState.CANCELED, NOW + 7, filled_quantity=Decimal("0.006")
    )
    read = await store.orders.get(client)
    assert read is not None
    assert (read.state, read.filled_quantity) == (OrderState.CANCELED, Decimal("0.006"))
    assert [row.intent for row in await store.orders.open_or_unresolved()] == [STOP]
    assert not await store.orders.update("unknown", OrderState.NEW, NOW)


async def test_a_refusal_keeps_its_reason(store: Store) -> None:
    await store.orders.intend(INTENT)
    await store.orders.update(
        INTENT.client_order_id,
        OrderState.REJECTED,
        NOW,
        reject_code=-5022,
        reject_message="would take",
    )
    read = await store.orders.get(INTENT.client_order_id)
    assert read is not None
    assert (read.reject_code, read.reject_message) == (-5022, "would take")


@pytest.mark.parametrize(
    "nonsense",
    [
        {"quantity": Decimal(0)},
        {"quantity": None},
        {"price": None},
        {"price": Decimal("NaN")},
        {"trigger_price": Decimal(1)},
    ],
)
async def test_an_order_that_makes_no_sense_is_refused(
    store: Store, nonsense: dict[str, Decimal | None]
) -> None:
    with pytest.raises(DatabaseRefused, match="orders"):
        await store.orders.intend(msgspec.structs.replace(INTENT, **nonsense))


async def test_predictions_and_their_outcome(store: Store) -> None:
    later = msgspec.structs.replace(
        PREDICTION, bar_open_ms=NOW + 900_000, members=(), large_move=math.nan
    )
    assert await store.predictions.add(PREDICTION)
    assert not await store.predictions.add(PREDICTION)
    assert await store.predictions.add(later)
    assert await store.predictions.set_outcome(PREDICTION, -0.0012, NOW + 7_200_000)
    assert not await store.predictions.set_outcome(PREDICTION, 0.5, NOW + 7_200_001)
    first, second = await store.predictions.between(
        "BTCUSDT", Interval.M15, NOW, NOW + 1_800_000
    )
    assert first.prediction == PREDICTION
    assert (first.outcome, first.outcome_ms) == (-0.0012, NOW + 7_200_000)
    assert math.isnan(second.prediction.large_move)
    waiting = await store.predictions.without_outcome("BTCUSDT", Interval.M15, NOW + 1_800_000)
    assert [each.bar_open_ms for each in waiting] == [later.bar_open_ms]
    assert await store.predictions.count(NOW, NOW + 1_800_000) == 2
    assert await store.predictions.count(NOW, NOW + 900_000) == 1
    votes = await store.predictions.votes(NOW, NOW + 1_800_000)
    assert votes == {"lstm": 1, "cnn": 0, "dnn": 1}


async def test_a_vote_without_a_column_is_a_defect(store: Store) -> None:
    stranger = MemberVote(member="oracle", probability=1.0, weight=1.0)
    with pytest.raises(Defect, match="oracle"):
        await store.predictions.add(msgspec.structs.replace(PREDICTION, members=(stranger,)))


async def test_the_journal_keeps_what_it_was_told(store: Store) -> None:
    payload = {"plan": PROPOSAL.plan, "features": [1 / 3, math.nan], "words": "ü\\'"}
    first = await store.journal.append("decision", "01TRADE", payload, NOW)
    second = await store.journal.append("gate", "stale", {}, NOW)
    assert second > first
    (entry,) = await store.journal.about("01TRADE")
    assert entry.payload["features"] == [1 / 3, None]
    assert entry.payload["words"] == "ü\\'"
    assert msgspec.convert(entry.payload["plan"], Plan) == PROPOSAL.plan
    assert [each.entry_id for each in await store.journal.since(NOW)] == [first, second]


async def test_a_command_id_keeps_its_first_reply(store: Store) -> None:
    command = Halt(command_id="c1")
    reply = Reply(command_id="c1", ok=True, answer="done", message="halted")
    assert await store.commands.reply("c1") is None
    kept = {"who": "ann", "origin": "socket", "at_ms": NOW}
    assert await store.commands.record(command, reply, **kept)  # type: ignore[arg-type]
    other = msgspec.structs.replace(reply, ok=False)
    assert not await store.commands.record(command, other, **kept)  # type: ignore[arg-type]
    assert await store.commands.reply("c1") == reply
