"""The life of a trade, told as scenes: what happens, and what it then wants done."""

from decimal import Decimal

import msgspec
import pytest

from rusy_tui.domain.errors import Defect
from rusy_tui.domain.order import (
    Cause,
    Denied,
    OrderKind,
    OrderState,
    Purpose,
    Side,
    TimeInForce,
    Unresolved,
)
from rusy_tui.domain.trade import ExitReason, TradeState
from rusy_tui.execution.life import Life
from rusy_tui.execution.messages import (
    Absent,
    Answered,
    Bar,
    Begin,
    CancelAnswered,
    ExitAsked,
    FundingPaid,
    Halt,
    Send,
    Tick,
)
from tests.execution.stage import INSTRUMENT, START_MS, UNKNOWN, Stage, book

SIDES = pytest.mark.parametrize("side", [Side.BUY, Side.SELL])


# Entering -----------------------------------------------------------------------------


@SIDES
def test_an_entry_rests_post_only_at_the_near_side(side: Side) -> None:
    entry = Stage(side).begin()
    assert entry.side is side
    assert entry.kind is OrderKind.LIMIT
    assert entry.time_in_force is TimeInForce.POST_ONLY
    assert entry.price == (Decimal("100.0") if side is Side.BUY else Decimal("100.1"))
    assert entry.quantity == Decimal("1.000")
    assert not entry.reduce_only


@SIDES
def test_a_later_try_follows_the_price_to_the_worst_and_no_further(side: Side) -> None:
    stage = Stage(side)
    first = stage.begin()
    stage.book = book("110.0", "110.1") if side is Side.BUY else book("90.0", "90.1")
    stage.refuse(first, Cause.WOULD_TAKE)
    stage.advance(0.6)
    worst = Decimal("100.3") if side is Side.BUY else Decimal("99.8")
    assert stage.last(Purpose.ENTRY).price == worst


def test_a_post_only_entry_that_would_take_is_quoted_again_up_to_its_tries() -> None:
    stage = Stage(tries=3)
    intent = stage.begin()
    for tried in range(1, 4):
        assert len(stage.all(Purpose.ENTRY)) == tried
        stage.refuse(stage.last(Purpose.ENTRY), Cause.WOULD_TAKE)
        stage.advance(0.4)
        assert len(stage.all(Purpose.ENTRY)) == tried  # not before its pause is over
        stage.advance(0.2)
    assert intent.client_order_id != stage.last(Purpose.ENTRY).client_order_id
    assert stage.life.trade.state is TradeState.FAILED
    assert stage.life.trade.exit_reason is ExitReason.NOT_FILLED
    assert stage.halts == []


def test_a_halt_cancels_the_entry_that_rests_and_no_other_is_tried() -> None:
    stage = Stage()
    entry = stage.begin()
    stage.confirm(entry)
    stage.gate, stage.halted = "operator", True
    stage.tell(Tick())
    assert stage.cancelled == [entry.client_order_id]
    stage.confirm_cancel(entry)
    stage.advance(600)
    assert stage.all(Purpose.ENTRY) == [entry]
    assert stage.life.trade.state is TradeState.FAILED


def test_what_was_filled_before_a_halt_keeps_its_stop_and_its_target() -> None:
    stage = Stage()
    entry = stage.begin()
    stage.confirm(entry)
    stage.fill(entry, "0.400")
    stage.confirm(stage.last(Purpose.STOP))
    stage.gate, stage.halted = "operator", True
    stage.tell(Tick())
    stage.confirm_cancel(entry, "0.400")
    assert stage.life.protected
    assert stage.last(Purpose.TARGET).quantity == Decimal("0.400")
    assert stage.life.trade.state is TradeState.OPEN


def test_a_closed_gate_lets_no_further_try_go() -> None:
    stage = Stage(tries=3)
    first = stage.begin()
    stage.gate = "reconciling"
    stage.refuse(first, Cause.WOULD_TAKE)
    stage.advance(10)
    assert stage.all(Purpose.ENTRY) == [first]
    assert stage.life.trade.exit_reason is ExitReason.NOT_FILLED


def test_openings_that_the_exchange_bars_close_the_contract_and_halt_nothing() -> None:
    stage = Stage(tries=3)
    actions = stage.refuse(stage.begin(), Cause.BARRED)
    assert Bar(str(Cause.BARRED)) in actions
    assert not any(isinstance(action, Halt) for action in actions)
    assert stage.life.trade.exit_reason is ExitReason.ENTRY_REJECTED


def test_the_stop_is_wanted_before_a_word_is_said() -> None:
    stage = Stage()
    entry = stage.begin()
    stage.confirm(entry)
    actions = stage.fill(entry, "1.000")
    assert isinstance(actions[0], Send)
    assert actions[0].intent.purpose is Purpose.STOP


def test_an_entry_that_rests_too_long_is_cancelled_and_quoted_again() -> None:
    stage = Stage(tries=2)
    first = stage.begin()
    stage.confirm(first)
    stage.advance(179)
    assert stage.cancelled == []
    stage.advance(2)
    assert stage.cancelled == [first.client_order_id]
    assert len(stage.sent) == 1  # the second try waits until the first is gone
    stage.confirm_cancel(first)
    second = stage.last(Purpose.ENTRY)
    assert second is not first
    stage.confirm(second)
    stage.advance(181)
    stage.confirm_cancel(second)
    assert stage.life.trade.exit_reason is ExitReason.NOT_FILLED
    assert stage.life.done


def test_without_a_fresh_book_no_entry_is_sent() -> None:
    stage = Stage()
    stage.book = None
    stage.tell(Begin())
    assert stage.sent == []
    assert stage.life.trade.exit_reason is ExitReason.NOT_FILLED


@pytest.mark.parametrize(
    ("cause", "halts"),
    [
        (Cause.FUNDS, False),
        (Cause.BARRED, False),
        (Cause.PRICE_BAND, False),
        (Cause.KEY, True),
        (Cause.DEFECT, True),
        (Cause.CLOSED, True),
        (Cause.DUPLICATE, True),
    ],
)
def test_a_refused_entry_ends_the_trade(cause: Cause, halts: bool) -> None:
    stage = Stage()
    stage.refuse(stage.begin(), cause)
    assert stage.life.trade.state is TradeState.FAILED
    assert stage.life.trade.exit_reason is ExitReason.ENTRY_REJECTED
    assert bool(stage.halts) is halts


def test_a_denied_entry_ends_the_trade() -> None:
    stage = Stage()
    stage.tell(Answered(stage.begin(), Denied("filter", "not on the step")))
    assert stage.life.trade.exit_reason is ExitReason.ENTRY_REJECTED


def test_an_unresolved_entry_is_asked_about_and_goes_on_when_found() -> None:
    stage = Stage()
    entry = stage.begin()
    stage.lose(entry)
    assert stage.asked == [entry.client_order_id]
    stage.advance(100)
    assert stage.sent == [entry]
    stage.report(entry, OrderState.NEW)
    stage.fill(entry, "1.000")
    assert stage.last(Purpose.STOP).close_position


def test_an_unresolved_entry_proven_absent_is_replaced_under_a_new_id() -> None:
    stage = Stage()
    entry = stage.begin()
    stage.lose(entry)
    stage.tell(Absent(entry.client_order_id))
    assert len({intent.client_order_id for intent in stage.sent}) == 2


def test_an_entry_is_not_absent_while_the_position_is_another_than_its_fills_make() -> None:
    """Its fill may be hidden yet; a second entry would make the position twice as large."""
    stage = Stage()
    entry = stage.begin()
    stage.lose(entry)
    asked = len(stage.asked)
    stage.tell(Absent(entry.client_order_id, held=Decimal("1.000")))
    assert stage.sent == [entry]
    assert stage.asked[asked:] == [entry.client_order_id]
    assert not stage.life.done
    stage.tell(Absent(entry.client_order_id, held=Decimal(0)))
    assert len(stage.all(Purpose.ENTRY)) == 2


def test_while_an_entry_is_unresolved_no_other_is_sent_whatever_time_passes() -> None:
    stage = Stage()
    entry = stage.begin()
    stage.lose(entry)
    stage.advance(3600)
    assert stage.sent == [entry]
    assert not stage.life.done


def test_an_entry_without_a_reply_is_not_cancelled_until_there_is_one() -> None:
    """Its request may still wait to be sent: unknown to the exchange proves nothing yet."""
    stage = Stage()
    entry = stage.begin()
    stage.advance(500)
    assert stage.cancelled == []
    stage.confirm(entry)
    assert stage.cancelled == [entry.client_order_id]


def test_a_fill_before_the_reply_is_protected_at_once() -> None:
    stage = Stage()
    entry = stage.begin()
    stage.fill(entry, "1.000")
    stop = stage.last(Purpose.STOP)
    stage.confirm(entry, OrderState.FILLED)
    stage.confirm(stop)
    assert stage.life.protected
    assert len(stage.all(Purpose.STOP)) == 1


def test_an_unresolved_entry_is_known_by_its_fill_when_rest_names_no_client_id() -> None:
    """Fills read over REST carry the exchange's number alone, and it is not known yet."""
    stage = Stage()
    entry = stage.begin()
    stage.lose(entry)
    stage.fill(entry, "0.400", client_order_id="")
    assert stage.life.open
    assert stage.last(Purpose.STOP).close_position
    stage.fill(entry, "0.600", client_order_id="")
    stage.report(entry, OrderState.FILLED, "1.000")
    assert stage.life.entry_done


def test_a_partial_fill_then_time_out_keeps_what_was_filled() -> None:
    stage = Stage()
    entry = stage.begin()
    stage.confirm(entry)
    stage.fill(entry, "0.400")
    stop = stage.last(Purpose.STOP)
    stage.confirm(stop)
    assert stage.all(Purpose.TARGET) == []  # the entry still works
    stage.advance(181)
    assert stage.cancelled == [entry.client_order_id]
    stage.confirm_cancel(entry, filled="0.400")
    assert stage.last(Purpose.TARGET).quantity == Decimal("0.400")
    assert len(stage.all(Purpose.ENTRY)) == 1


def test_a_fill_that_came_after_the_cancel_counts_before_anything_else_is_sent() -> None:
    stage = Stage()
    entry = stage.begin()
    stage.confirm(entry)
    stage.advance(181)
    stage.confirm_cancel(entry, filled="0.300")
    assert stage.all(Purpose.ENTRY) == [entry]  # told of a fill it has not seen: it waits
    stage.fill(entry, "0.300")
    stage.confirm(stage.last(Purpose.STOP))
    assert stage.all(Purpose.ENTRY) == [entry]
    assert stage.last(Purpose.TARGET).quantity == Decimal("0.300")


def test_a_fill_that_was_reported_but_never_came_is_asked_for() -> None:
    stage = Stage()
    entry = stage.begin()
    stage.confirm(entry)
    stage.report(entry, OrderState.FILLED, "1.000")
    stage.advance(1.1)
    assert stage.asked == [entry.client_order_id]
    stage.advance(3)
    assert len(stage.asked) >= 3
    assert not stage.life.done


def test_a_cancel_that_is_refused_is_asked_about_and_not_pressed_at_once() -> None:
    stage = Stage()
    entry = stage.begin()
    stage.confirm(entry)
    stage.advance(181)
    stage.cancel_answer(entry, UNKNOWN)
    assert stage.asked == [entry.client_order_id]
    assert stage.cancelled == [entry.client_order_id]
    stage.report(entry, OrderState.FILLED, "1.000")
    stage.fill(entry, "1.000")
    assert stage.life.trade.state is TradeState.OPEN


def test_a_cancel_that_was_lost_while_the_order_rests_is_sent_again() -> None:
    stage = Stage()
    entry = stage.begin()
    stage.confirm(entry)
    stage.advance(181)
    stage.cancel_answer(entry, Unresolved("time-out"))
    stage.report(entry, OrderState.NEW)
    stage.advance(3)
    assert stage.cancelled == [entry.client_order_id] * 2


# Protection ---------------------------------------------------------------------------


@SIDES
def test_a_fill_sends_one_closing_stop_on_the_other_side(side: Side) -> None:
    stage = Stage(side)
    entry = stage.begin()
    stage.confirm(entry)
    stage.fill(entry, "0.400")
    stop = stage.last(Purpose.STOP)
    assert stop.side is side.opposite
    assert stop.close_position
    assert stop.quantity is None
    assert stop.trigger_price == Decimal(100 - 2 * side.sign)
    assert stop.recv_window_ms == 1000
    stage.fill(entry, "0.600")
    assert len(stage.all(Purpose.STOP)) == 1


@SIDES
def test_with_the_stop_resting_the_target_rests_too(side: Side) -> None:
    stage = Stage(side)
    entry, stop, target = stage.protected()
    assert target.side is side.opposite
    assert target.reduce_only
    assert target.price == Decimal(100 + 4 * side.sign)
    assert target.quantity == entry.quantity
    assert stage.life.trade.stop_order_id == stop.client_order_id
    assert stage.life.trade.target_order_id == target.client_order_id
    assert stage.life.trade.seconds_to_stop == pytest.approx(0.1)


def open_unprotected(stage: Stage) -> None:
    """A filled entry whose stop was sent and not answered."""
    entry = stage.begin()
    stage.confirm(entry)
    stage.fill(entry, "1.000")
    stage.report(entry, OrderState.FILLED, "1.000")


@pytest.mark.parametrize("cause", [Cause.DEFECT, Cause.TOO_MANY, Cause.OTHER, Cause.KEY])
def test_a_refused_stop_closes_the_position_and_halts(cause: Cause) -> None:
    stage = Stage()
    open_unprotected(stage)
    stage.refuse(stage.last(Purpose.STOP), cause)
    leave = stage.last(Purpose.EXIT)
    assert leave.kind is OrderKind.MARKET
    assert leave.reduce_only
    assert leave.quantity == Decimal("1.000")
    assert stage.halts == ["refused stop"]
    stage.fill(leave, "1.000", "99.0")
    stage.confirm(leave, OrderState.FILLED)
    assert stage.life.trade.exit_reason is ExitReason.UNPROTECTED


def test_an_unanswered_stop_is_followed_by_a_reduce_only_one_after_a_second() -> None:
    stage = Stage()
    open_unprotected(stage)
    stage.advance(0.9)
    assert len(stage.all(Purpose.STOP)) == 1
    stage.advance(0.2)
    first, second = stage.all(Purpose.STOP)
    assert second.client_order_id != first.client_order_id
    assert second.reduce_only
    assert not second.close_position
    assert second.quantity == Decimal("1.000")
    stage.confirm(second)
    stage.advance(10)
    assert stage.all(Purpose.EXIT) == []


def test_without_a_resting_stop_the_position_is_closed_after_two_seconds() -> None:
    stage = Stage()
    open_unprotected(stage)
    stage.advance(1.9)
    assert stage.all(Purpose.EXIT) == []
    stage.advance(0.2)
    assert stage.last(Purpose.EXIT).reduce_only
    assert stage.life.exit_reason is ExitReason.UNPROTECTED


@pytest.mark.parametrize("start_s", [1000.0, 1234.567, 4321.9, 0.1 + 0.2])
def test_a_timer_that_fires_a_hair_early_is_on_time(start_s: float) -> None:
    stage = Stage()
    stage.now_s = start_s
    open_unprotected(stage)
    stage.now_s = start_s + 2 - 1e-9
    stage.tell(Tick())
    assert stage.life.exit_reason is ExitReason.UNPROTECTED


def test_a_stop_that_an_overloaded_exchange_refused_is_tried_again_after_a_pause() -> None:
    stage = Stage()
    open_unprotected(stage)
    stage.refuse(stage.last(Purpose.STOP), Cause.OVERLOADED)
    assert len(stage.all(Purpose.STOP)) == 1
    stage.advance(0.3)
    assert len(stage.all(Purpose.STOP)) == 2
    assert stage.life.exit_reason is None


def test_an_exchange_that_stays_overloaded_does_not_leave_the_position_naked() -> None:
    stage = Stage()
    open_unprotected(stage)
    for _ in range(20):
        for stop in stage.all(Purpose.STOP):
            if stage.life.slots[stop.client_order_id].live:
                stage.refuse(stop, Cause.OVERLOADED)
        stage.advance(0.125)
    assert stage.life.exit_reason is ExitReason.UNPROTECTED
    assert len(stage.all(Purpose.STOP)) <= 9


def test_a_stop_beyond_the_market_closes_the_position_as_it_would_have() -> None:
    stage = Stage()
    open_unprotected(stage)
    stage.refuse(stage.last(Purpose.STOP), Cause.WOULD_TRIGGER)
    leave = stage.last(Purpose.EXIT)
    stage.fill(leave, "1.000", "97.0")
    stage.confirm(leave, OrderState.FILLED)
    assert stage.life.trade.exit_reason is ExitReason.STOP
    assert stage.halts == []


@pytest.mark.parametrize(
    "state", [OrderState.CANCELED, OrderState.EXPIRED, OrderState.REJECTED]
)
def test_a_stop_that_the_exchange_dropped_is_replaced(state: OrderState) -> None:
    stage = Stage()
    _, stop, _ = stage.protected()
    stage.advance(600)
    stage.report(stop, state)
    assert len(stage.all(Purpose.STOP)) == 2
    assert stage.life.exit_reason is None
    stage.confirm(stage.last(Purpose.STOP))
    stage.advance(10)
    assert stage.all(Purpose.EXIT) == []
    assert stage.life.trade.stop_order_id == stage.last(Purpose.STOP).client_order_id


def test_of_two_stops_that_rest_the_closing_one_stays() -> None:
    stage = Stage()
    open_unprotected(stage)
    stage.advance(1.1)
    first, second = stage.all(Purpose.STOP)
    stage.confirm(second)
    stage.confirm(first)  # its reply came late
    stage.report(second, OrderState.NEW)
    stage.report(first, OrderState.NEW)
    assert stage.cancelled == [second.client_order_id]
    stage.confirm_cancel(second)
    assert stage.life.protected
    assert stage.life.trade.stop_order_id == first.client_order_id
    assert len(stage.all(Purpose.STOP)) == 2


def test_a_stop_for_a_part_does_not_count_as_protection_of_more() -> None:
    stage = Stage()
    entry = stage.begin()
    stage.confirm(entry)
    stage.fill(entry, "0.400")
    stage.advance(1.1)
    first, second = stage.all(Purpose.STOP)
    stage.confirm(second)
    stage.tell(Absent(first.client_order_id))
    assert stage.life.protected
    stage.fill(entry, "0.600")
    third = stage.last(Purpose.STOP)
    assert third.close_position
    assert third not in (first, second)
    stage.confirm(third)
    assert stage.cancelled == [second.client_order_id]


def test_an_entry_fill_by_an_unknown_order_is_no_part_of_the_trade() -> None:
    stage = Stage()
    entry, _, _ = stage.protected()
    before = stage.life.trade
    with pytest.raises(Defect, match="no entry of ours"):
        stage.fill(entry, "0.500", client_order_id="web_1", exchange_order_id="77")
    assert stage.life.trade == before


# Leaving ------------------------------------------------------------------------------


@SIDES
def test_a_filled_target_sweeps_the_stop_and_ends_the_trade(side: Side) -> None:
    stage = Stage(side)
    entry, stop, target = stage.protected()
    stage.fill(target, "1.000", str(target.price))
    assert stage.cancelled == [stop.client_order_id]
    assert not stage.life.done
    stage.report(target, OrderState.FILLED, "1.000")
    stage.confirm_cancel(stop)
    ended = stage.life.trade
    assert ended.state is TradeState.CLOSED
    assert ended.exit_reason is ExitReason.TARGET
    assert ended.realised_pnl == 4  # both fills of `protected` are at 100
    assert ended.quantity == 0
    assert ended.cost_basis == 0
    assert entry.client_order_id not in stage.cancelled
    assert stage.all(Purpose.EXIT) == []


@pytest.mark.parametrize("own_id", [True, False], ids=["same client id", "another client id"])
@pytest.mark.parametrize("fill_first", [True, False], ids=["fill first", "report first"])
def test_a_triggered_stop_closes_the_trade_without_another_order(
    own_id: bool, fill_first: bool
) -> None:
    stage = Stage()
    _, stop, target = stage.protected()
    stage.advance(600)
    known = stop.client_order_id if own_id else "x-plain"

    def execution() -> None:
        stage.fill(stop, "1.000", "98.0", client_order_id=known, exchange_order_id="555")

    if fill_first:
        execution()
    stage.report(stop, OrderState.TRIGGERING)
    stage.report(stop, OrderState.TRIGGERED, triggered="555")
    stage.report(stop, OrderState.FINISHED, "1.000", triggered="555")
    if not fill_first:
        assert stage.all(Purpose.EXIT) == []
        execution()
    assert stage.cancelled == [target.client_order_id]
    stage.confirm_cancel(target)
    assert stage.all(Purpose.EXIT) == []
    assert stage.life.trade.state is TradeState.CLOSED
    assert stage.life.trade.exit_reason is ExitReason.STOP


@pytest.mark.parametrize(
    "state", [OrderState.TRIGGERING, OrderState.TRIGGERED, OrderState.FINISHED]
)
def test_a_triggered_stop_that_does_not_fill_is_followed_by_an_exit(state: OrderState) -> None:
    stage = Stage()
    _, stop, _ = stage.protected()
    stage.advance(600)
    stage.report(stop, state)
    assert stage.all(Purpose.EXIT) == []
    stage.advance(1.5)
    assert stop.client_order_id in stage.asked  # its fills may only have been missed
    assert stage.all(Purpose.EXIT) == []
    stage.advance(1)
    leave = stage.last(Purpose.EXIT)
    assert leave.reduce_only
    assert leave.quantity == Decimal("1.000")


def test_a_stop_stuck_after_a_part_of_the_target_was_filled_is_followed_by_an_exit() -> None:
    stage = Stage()
    _, stop, target = stage.protected()
    stage.fill(target, "0.300", "104.0")
    stage.report(target, OrderState.PARTIALLY_FILLED, "0.300")
    stage.advance(600)
    stage.report(stop, OrderState.TRIGGERING)
    stage.advance(3)
    assert stage.last(Purpose.EXIT).quantity == Decimal("0.700")


def test_time_ends_the_trade() -> None:
    stage = Stage()
    _, stop, target = stage.protected()
    stage.advance(7200)
    leave = stage.last(Purpose.EXIT)
    assert stage.cancelled == [target.client_order_id]  # the stop rests until it is flat
    stage.confirm_cancel(target)
    stage.confirm(leave, OrderState.FILLED)
    stage.fill(leave, "1.000", "101.0")
    assert stage.cancelled[-1] == stop.client_order_id
    stage.confirm_cancel(stop)
    assert stage.life.trade.exit_reason is ExitReason.TIME


@pytest.mark.parametrize(
    ("reason", "purpose"),
    [
        (ExitReason.OPPOSITE_SIGNAL, Purpose.EXIT),
        (ExitReason.OPERATOR, Purpose.EXIT),
        (ExitReason.FLATTEN, Purpose.FLATTEN),
    ],
)
def test_an_asked_exit_closes_at_the_market(reason: ExitReason, purpose: Purpose) -> None:
    stage = Stage()
    _, stop, target = stage.protected()
    stage.tell(ExitAsked(reason))
    stage.tell(ExitAsked(ExitReason.OPERATOR))
    assert stage.life.trade.state is TradeState.EXITING
    leave = stage.last(purpose)
    assert len([i for i in stage.sent if i.kind is OrderKind.MARKET]) == 1
    stage.fill(leave, "1.000", "101.0")
    stage.confirm(leave, OrderState.FILLED)
    stage.confirm_cancel(target)
    stage.confirm_cancel(stop)
    assert stage.life.trade.exit_reason is reason


def test_a_reply_that_outruns_its_fill_does_not_send_a_second_exit() -> None:
    stage = Stage()
    stage.protected()
    stage.tell(ExitAsked(ExitReason.OPERATOR))
    leave = stage.last(Purpose.EXIT)
    stage.confirm(leave, OrderState.FILLED)
    stage.advance(0.5)
    assert stage.all(Purpose.EXIT) == [leave]
    stage.fill(leave, "1.000", "101.0")
    assert stage.all(Purpose.EXIT) == [leave]


def test_what_an_exit_left_open_is_closed_by_the_next() -> None:
    stage = Stage()
    stage.protected()
    stage.tell(ExitAsked(ExitReason.OPERATOR))
    leave = stage.last(Purpose.EXIT)
    stage.fill(leave, "0.300", "101.0")
    stage.report(leave, OrderState.EXPIRED, "0.300")
    assert stage.last(Purpose.EXIT).quantity == Decimal("0.700")


def test_an_exit_is_split_where_the_exchange_takes_less_at_once() -> None:
    small = msgspec.structs.replace(INSTRUMENT, market_max_quantity=Decimal("0.600"))
    stage = Stage(instrument=small)
    stage.protected()
    stage.tell(ExitAsked(ExitReason.OPERATOR))
    first = stage.last(Purpose.EXIT)
    assert first.quantity == Decimal("0.600")
    stage.fill(first, "0.600", "101.0")
    stage.confirm(first, OrderState.FILLED)
    assert stage.last(Purpose.EXIT).quantity == Decimal("0.400")


def test_parts_of_an_exit_leave_nothing_that_is_too_small_to_close() -> None:
    odd = msgspec.structs.replace(
        INSTRUMENT,
        market_max_quantity=Decimal("0.600"),
        market_min_quantity=Decimal("0.500"),
    )
    stage = Stage(instrument=odd)
    stage.protected()
    stage.tell(ExitAsked(ExitReason.OPERATOR))
    first = stage.last(Purpose.EXIT)
    assert first.quantity == Decimal("0.500")
    stage.fill(first, "0.500", "101.0")
    stage.confirm(first, OrderState.FILLED)
    assert stage.last(Purpose.EXIT).quantity == Decimal("0.500")


@SIDES
def test_a_tick_that_changed_since_the_plan_moves_no_price_to_the_worse_side(
    side: Side,
) -> None:
    stage = Stage(side, instrument=INSTRUMENT)
    entry = stage.begin()
    stage.instrument = msgspec.structs.replace(INSTRUMENT, tick_size=Decimal(5))
    stage.fill(entry, "1.000", "100.0")
    stop = stage.last(Purpose.STOP)
    planned = stage.life.trade.stop_price
    assert stop.trigger_price is not None
    assert stop.trigger_price % 5 == 0
    # Never set off sooner.
    assert 0 < (planned - stop.trigger_price) * side.sign < 5
    stage.confirm(stop)
    stage.confirm(entry, OrderState.FILLED)
    target = stage.last(Purpose.TARGET)
    assert target.price is not None
    assert target.price % 5 == 0
    assert 0 <= (target.price - stage.life.trade.target_price) * side.sign < 5


def test_a_target_that_no_price_fits_is_said_once() -> None:
    stage = Stage()
    entry = stage.begin()
    stage.instrument = msgspec.structs.replace(INSTRUMENT, max_price=Decimal(101))
    stage.fill(entry, "1.000", "100.0")
    stage.confirm(stage.last(Purpose.STOP))
    stage.confirm(entry, OrderState.FILLED)
    stage.tell(Tick())
    stage.tell(Tick())
    assert stage.all(Purpose.TARGET) == []
    assert len([text for text in stage.said if "rests no target" in text]) == 1


@pytest.mark.parametrize("cause", [Cause.PRICE_BAND, Cause.OVERLOADED, Cause.NOTHING_TO_REDUCE])
def test_a_refused_exit_is_tried_again_after_a_pause_for_ever(cause: Cause) -> None:
    stage = Stage()
    stage.protected()
    stage.tell(ExitAsked(ExitReason.OPERATOR))
    for tried in range(1, 20):
        assert len(stage.all(Purpose.EXIT)) == tried
        stage.refuse(stage.last(Purpose.EXIT), cause)
        stage.advance(0.4)
        assert len(stage.all(Purpose.EXIT)) == tried
        stage.advance(0.2)
    assert not stage.life.done


@SIDES
def test_an_exit_the_thin_book_refuses_goes_to_the_edge_of_the_price_band(side: Side) -> None:
    """It takes what it finds there and never rests; refused as well, the market is next."""
    stage = Stage(side)
    stage.protected()
    stage.tell(ExitAsked(ExitReason.OPERATOR))
    stage.refuse(stage.last(Purpose.EXIT), Cause.PRICE_BAND)
    stage.advance(0.6)
    edge = stage.last(Purpose.EXIT)
    assert (edge.kind, edge.time_in_force) == (OrderKind.LIMIT, TimeInForce.IOC)
    assert edge.reduce_only
    # Within 5 % of the mark price of 100.05, on the tick, never beyond.
    assert edge.price == (Decimal("95.1") if side is Side.BUY else Decimal("105.0"))
    stage.confirm(edge)
    stage.report(edge, OrderState.EXPIRED)
    assert stage.last(Purpose.EXIT) == edge, "nothing was filled: it waits before the next"
    stage.advance(0.6)
    again = stage.last(Purpose.EXIT)
    assert again.price == edge.price
    stage.refuse(again, Cause.PRICE_BAND)
    stage.advance(0.6)
    assert stage.last(Purpose.EXIT).kind is OrderKind.MARKET


def test_without_a_mark_price_a_refused_exit_is_tried_at_the_market_again() -> None:
    stage = Stage()
    stage.protected()
    stage.mark = None
    stage.tell(ExitAsked(ExitReason.OPERATOR))
    stage.refuse(stage.last(Purpose.EXIT), Cause.PRICE_BAND)
    stage.advance(0.6)
    assert stage.last(Purpose.EXIT).kind is OrderKind.MARKET


def test_nothing_to_reduce_asks_for_the_fills_since_the_trade_began() -> None:
    stage = Stage()
    entry, stop, _ = stage.protected()
    stage.tell(ExitAsked(ExitReason.OPERATOR))
    stage.report(stop, OrderState.EXPIRED)
    stage.refuse(stage.last(Purpose.EXIT), Cause.NOTHING_TO_REDUCE)
    assert entry.client_order_id in stage.asked


def test_an_unresolved_exit_is_asked_about_and_replaced_only_when_absent() -> None:
    stage = Stage()
    stage.protected()
    stage.tell(ExitAsked(ExitReason.OPERATOR))
    leave = stage.last(Purpose.EXIT)
    stage.lose(leave)
    stage.advance(2)
    assert stage.asked[-1] == leave.client_order_id
    assert stage.all(Purpose.EXIT) == [leave]
    stage.tell(Absent(leave.client_order_id))
    assert len(stage.all(Purpose.EXIT)) == 2


def test_a_fill_whose_order_is_not_known_yet_is_claimed_by_it_later() -> None:
    """Two orders without a number work: a fill read over REST could belong to either."""
    stage = Stage()
    entry = stage.begin()
    stage.confirm(entry)
    stage.fill(entry, "1.000")
    stage.confirm(stage.last(Purpose.STOP))
    stage.tell(ExitAsked(ExitReason.OPERATOR))
    leave = stage.last(Purpose.EXIT)
    stage.fill(leave, "0.500", "101.0", client_order_id="")
    stage.report(leave, OrderState.EXPIRED, "0.500")
    assert stage.last(Purpose.EXIT).quantity == Decimal("0.500")


def test_an_exit_without_a_reply_is_not_asked_about() -> None:
    """Nothing is proven of a request that may still wait to be sent."""
    stage = Stage()
    stage.protected()
    stage.tell(ExitAsked(ExitReason.OPERATOR))
    stage.advance(60)
    assert stage.last(Purpose.EXIT).client_order_id not in stage.asked


def test_an_exit_asked_while_entering_cancels_the_entry_and_fails_the_trade() -> None:
    stage = Stage()
    entry = stage.begin()
    stage.confirm(entry)
    stage.tell(ExitAsked(ExitReason.FLATTEN))
    assert stage.cancelled == [entry.client_order_id]
    stage.confirm_cancel(entry)
    assert stage.life.trade.state is TradeState.FAILED
    assert stage.life.trade.exit_reason is ExitReason.FLATTEN


def test_an_exit_asked_before_the_entry_was_answered_ends_it_once_it_is() -> None:
    stage = Stage()
    entry = stage.begin()
    stage.tell(ExitAsked(ExitReason.FLATTEN))
    assert stage.cancelled == []
    stage.confirm(entry)
    assert stage.cancelled == [entry.client_order_id]
    stage.fill(entry, "0.200")
    assert stage.last(Purpose.FLATTEN).quantity == Decimal("0.200")


def test_an_exit_with_a_partly_filled_entry_resting_cancels_what_is_left_of_it() -> None:
    stage = Stage()
    entry = stage.begin()
    stage.confirm(entry)
    stage.fill(entry, "0.400")
    stop = stage.last(Purpose.STOP)
    stage.confirm(stop)
    stage.fill(stop, "0.400", "98.0")
    assert entry.client_order_id in stage.cancelled


def test_duplicate_and_late_reports_change_nothing() -> None:
    stage = Stage()
    entry, stop, target = stage.protected()
    sent, cancelled = list(stage.sent), list(stage.cancelled)
    for intent, state in [
        (entry, OrderState.NEW),
        (entry, OrderState.PARTIALLY_FILLED),
        (entry, OrderState.FILLED),
        (stop, OrderState.NEW),
        (stop, OrderState.NEW),
        (target, OrderState.NEW),
    ]:
        stage.report(intent, state, "1.000" if intent is entry else "0")
    assert (stage.sent, stage.cancelled) == (sent, cancelled)
    assert stage.life.trade.state is TradeState.OPEN


def test_funding_is_counted_in_the_result() -> None:
    stage = Stage()
    stage.protected()
    stage.tell(FundingPaid(Decimal("-0.25")))
    stage.tell(FundingPaid(Decimal("0.10")))
    assert stage.life.trade.funding == Decimal("-0.15")
    assert stage.life.trade.net_pnl == Decimal("-0.15") - stage.life.trade.fees


def test_a_target_the_exchange_dropped_is_placed_again() -> None:
    stage = Stage()
    _, _, target = stage.protected()
    stage.report(target, OrderState.EXPIRED)
    assert len(stage.all(Purpose.TARGET)) == 2


def test_a_target_that_is_refused_again_and_again_is_given_up_and_the_rest_goes_on() -> None:
    stage = Stage()
    _, stop, target = stage.protected()
    stage.report(target, OrderState.EXPIRED)
    for _ in range(10):
        last = stage.last(Purpose.TARGET)
        if stage.life.slots[last.client_order_id].live:
            stage.refuse(last, Cause.PRICE_BAND)
    assert len(stage.all(Purpose.TARGET)) <= 3
    stage.advance(7200)
    assert stage.life.exit_reason is ExitReason.TIME
    assert stop.client_order_id not in stage.cancelled


# Recovered ----------------------------------------------------------------------------


def recovered(stage: Stage) -> Stage:
    """The same trade after a restart: orders as known, no rules, no wakes."""
    life = Life(stage.life.trade, rules=None)
    life.slots = stage.life.slots
    again = Stage(stage.side, life=life)
    again.now_s = stage.now_s
    again.tell(Tick())
    return again


def test_a_recovered_trade_still_ends_by_time() -> None:
    stage = Stage()
    stage.protected()
    again = recovered(stage)
    assert again.sent == []
    again.advance(7200)
    assert again.life.exit_reason is ExitReason.TIME
    assert again.last(Purpose.EXIT).quantity == Decimal("1.000")


def test_a_recovered_trade_cancels_the_entry_that_still_rests() -> None:
    stage = Stage()
    entry = stage.begin()
    stage.confirm(entry)
    stage.fill(entry, "0.400")
    stage.confirm(stage.last(Purpose.STOP))
    again = recovered(stage)
    assert again.cancelled == [entry.client_order_id]
    again.confirm_cancel(entry, filled="0.400")
    assert again.last(Purpose.TARGET).quantity == Decimal("0.400")


def test_a_recovered_position_without_a_stop_gets_one_at_once() -> None:
    stage = Stage()
    entry = stage.begin()
    stage.confirm(entry)
    stage.fill(entry, "1.000")
    del stage.life.slots[stage.last(Purpose.STOP).client_order_id]
    again = recovered(stage)
    assert again.last(Purpose.STOP).close_position
    again.advance(2.1)
    assert again.life.exit_reason is ExitReason.UNPROTECTED


def test_a_trade_recovered_before_anything_was_sent_has_failed() -> None:
    stage = Stage(life=Life(Stage().life.trade, rules=None))
    stage.tell(Tick())
    assert stage.life.trade.state is TradeState.FAILED
    assert stage.life.trade.closed_ms == START_MS


def test_an_answer_to_a_cancel_after_the_end_is_ignored() -> None:
    stage = Stage()
    _, stop, target = stage.protected()
    stage.fill(target, "1.000", "104.0")
    stage.report(stop, OrderState.CANCELED)
    assert stage.life.done
    assert stage.tell(CancelAnswered(stop.client_order_id, UNKNOWN)) == []
