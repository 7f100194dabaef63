"""A watcher's copy of the state after each event, and what may be conflated."""

from decimal import Decimal

import msgspec
import pytest

from rusy_tui.domain.events import (
    CHART_BARS,
    CLOSED_TRADES,
    LOG_LINES,
    BarClosed,
    CandleMoved,
    ChartLoaded,
    GatesChanged,
    HoldingsChanged,
    Logged,
    PhaseChanged,
    ProposalChanged,
    QuoteMoved,
    Snapshot,
    TradeChanged,
    apply,
    conflation_key,
)
from rusy_tui.domain.modes import Mode
from rusy_tui.domain.proposal import ProposalState
from rusy_tui.domain.state import (
    Account,
    Chart,
    ChartBar,
    Indicators,
    LogLine,
    Quote,
    State,
)
from tests.execution.plans import proposal
from tests.execution.stage import trade

EMPTY = State(venue="demo", version="1", model_version="m", mode=Mode.APPROVE)


def bar(number: int, close: float = 1.0) -> ChartBar:
    return ChartBar(number * 900_000, 1.0, 2.0, 0.5, close, 10.0)


def closed(number: int, close: float = 1.0) -> BarClosed:
    return BarClosed("BTCUSDT", "15m", bar(number, close), Indicators())


def chart(state: State) -> Chart:
    return state.charts["BTCUSDT 15m"]


def quote(symbol: str, last: str) -> QuoteMoved:
    price = Decimal(last)
    made = Quote(
        symbol=symbol,
        tick_size=Decimal("0.1"),
        last=price,
        bid=price,
        ask=price,
        mark=price,
        funding_rate=Decimal(0),
        next_funding_ms=0,
        day_change=0.0,
        event_ms=0,
        age_s=0.0,
    )
    return QuoteMoved(made, 5)


def test_a_forming_bar_becomes_a_closed_one() -> None:
    state = apply(EMPTY, CandleMoved("BTCUSDT", "15m", bar(1, 1.5)))
    assert chart(state).forming == bar(1, 1.5)
    state = apply(state, closed(1, 1.7))
    assert chart(state).forming is None
    assert chart(state).bars == (bar(1, 1.7),)


def test_a_forming_bar_that_is_newer_stays_when_the_one_before_it_closes() -> None:
    state = apply(EMPTY, CandleMoved("BTCUSDT", "15m", bar(2)))
    state = apply(state, closed(1))
    assert chart(state).forming == bar(2)


def test_a_late_event_of_a_closed_bar_does_not_form_it_again() -> None:
    state = apply(EMPTY, closed(1))
    state = apply(state, CandleMoved("BTCUSDT", "15m", bar(1)))
    assert chart(state).forming is None
    state = apply(state, CandleMoved("BTCUSDT", "15m", bar(2)))
    state = apply(state, CandleMoved("BTCUSDT", "15m", bar(1)))
    assert chart(state).forming == bar(2)


def test_a_bar_told_twice_stands_once_and_a_chart_has_an_end() -> None:
    state = EMPTY
    for number in range(CHART_BARS + 50):
        state = apply(state, closed(number))
        state = apply(state, closed(number, 1.1))
    times = [each.open_time_ms for each in chart(state).bars]
    assert len(times) == CHART_BARS
    assert times == sorted(set(times))
    assert chart(state).bars[-1].close == 1.1


def test_a_chart_loaded_anew_replaces_the_one_before() -> None:
    state = apply(EMPTY, closed(1))
    fresh = Chart(symbol="BTCUSDT", interval="15m", bars=(bar(7),))
    assert chart(apply(state, ChartLoaded(fresh))) == fresh


def test_a_proposal_is_shown_while_it_pends() -> None:
    pending = msgspec.structs.replace(proposal(), state=ProposalState.PENDING)
    later = msgspec.structs.replace(pending, proposal_id=2)
    state = apply(apply(EMPTY, ProposalChanged(later)), ProposalChanged(pending))
    assert [p.proposal_id for p in state.proposals] == [1, 2]
    state = apply(state, ProposalChanged(proposal()))
    assert [p.proposal_id for p in state.proposals] == [2]


def test_a_trade_stands_once_and_only_the_newest_are_kept() -> None:
    state = EMPTY
    for number in range(CLOSED_TRADES + 5):
        one = msgspec.structs.replace(trade(), trade_id=str(number))
        state = apply(apply(state, TradeChanged(one)), TradeChanged(one))
    assert len(state.trades) == CLOSED_TRADES
    assert state.trades[-1].trade_id == str(CLOSED_TRADES + 4)


def test_the_log_has_an_end() -> None:
    state = EMPTY
    for number in range(LOG_LINES + 5):
        state = apply(state, Logged(LogLine(at_ms=number, topic="bar", text="x")))
    assert len(state.log) == LOG_LINES
    assert state.log[0].at_ms == 5


def test_a_snapshot_is_the_whole_state() -> None:
    other = msgspec.structs.replace(EMPTY, venue="live")
    assert apply(EMPTY, Snapshot(other)) == other


def test_quotes_of_symbols_are_apart() -> None:
    state = apply(apply(EMPTY, quote("BTCUSDT", "1")), quote("ETHUSDT", "2"))
    state = apply(state, quote("BTCUSDT", "3"))
    assert {name: each.last for name, each in state.quotes.items()} == {
        "BTCUSDT": 3,
        "ETHUSDT": 2,
    }
    assert state.market_ms == 5


def test_an_event_leaves_the_former_state_alone() -> None:
    before = apply(EMPTY, quote("BTCUSDT", "1"))
    apply(before, quote("BTCUSDT", "2"))
    assert before.quotes["BTCUSDT"].last == 1


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (quote("BTCUSDT", "1"), quote("BTCUSDT", "2"), True),
        (quote("BTCUSDT", "1"), quote("ETHUSDT", "2"), False),
        (
            CandleMoved("BTCUSDT", "15m", bar(1)),
            CandleMoved("BTCUSDT", "1h", bar(1)),
            False,
        ),
    ],
)
def test_market_data_of_one_thing_is_conflated(
    one: QuoteMoved | CandleMoved, other: QuoteMoved | CandleMoved, same: bool
) -> None:
    assert (conflation_key(one) == conflation_key(other)) is same
    assert conflation_key(one) is not None


def test_trading_events_are_never_dropped() -> None:
    for event in (
        closed(1),
        ProposalChanged(proposal()),
        TradeChanged(trade()),
        GatesChanged(Mode.AUTO, ()),
        PhaseChanged("running", ""),
        Logged(LogLine(at_ms=1, topic="exec", text="x")),
    ):
        assert conflation_key(event) is None
    assert conflation_key(HoldingsChanged((), (), Account())) == "holdings"
