import pytest

from rusy_tui.domain.candle import Candle, Interval
from rusy_tui.domain.signal import MemberVote, Prediction
from rusy_tui.ensemble.scoreboard import ENSEMBLE, Scoreboard

STEP = Interval.M15.ms


def prediction(bar: int, lstm: float, probability: float, symbol: str = "A") -> Prediction:
    return Prediction(
        symbol=symbol,
        interval=Interval.M15,
        bar_open_ms=bar * STEP,
        model_version="v",
        members=(MemberVote(member="lstm", probability=lstm, weight=1.0),),
        score=2 * lstm - 1,
        probability=probability,
        large_move=0.4,
        flow_present=True,
    )


def candle(
    bar: int, open_: float, close: float, interval: Interval = Interval.M15, symbol: str = "A"
) -> Candle:
    return Candle(
        symbol=symbol,
        interval=interval,
        open_time_ms=bar * STEP,
        open=open_,
        high=max(open_, close),
        low=min(open_, close),
        close=close,
        volume=1.0,
        quote_volume=1.0,
        trades=1.0,
        taker_buy_volume=1.0,
        closed=True,
    )


def test_a_prediction_is_judged_from_the_next_open_to_the_close_at_the_horizon() -> None:
    board = Scoreboard(horizon_bars=4)
    said = prediction(10, lstm=0.6, probability=0.7)
    board.predicted(said)
    # It falls to the first open, then rises to the horizon's close: up, by the label.
    assert not board.closed(candle(11, 90.0, 91.0))
    assert not board.closed(candle(12, 91.0, 80.0))
    assert not board.closed(candle(13, 80.0, 85.0))
    assert board.closed(candle(14, 85.0, 92.0)) == ((said, True),)
    lstm, ensemble = board.records()
    assert (lstm.member, lstm.judged, lstm.hit_rate) == ("lstm", 1, 1.0)
    assert lstm.brier == pytest.approx(0.16)
    assert lstm.drift == pytest.approx(-0.4)
    assert ensemble.member == ENSEMBLE
    assert ensemble.brier == pytest.approx(0.09)
    assert not board.closed(candle(15, 92.0, 99.0))


def test_other_intervals_and_symbols_judge_nothing() -> None:
    board = Scoreboard(horizon_bars=1)
    board.predicted(prediction(10, 0.6, 0.7))
    assert not board.closed(candle(11, 1.0, 2.0, symbol="B"))
    assert not board.closed(candle(11, 1.0, 2.0, interval=Interval.H1))
    assert board.closed(candle(11, 1.0, 2.0))


def test_a_missed_entry_bar_leaves_the_prediction_unjudged_and_forgotten() -> None:
    board = Scoreboard(horizon_bars=2)
    board.predicted(prediction(10, 0.6, 0.7))
    assert not board.closed(candle(12, 1.0, 2.0))
    assert board.records() == ()
    assert not board.closed(candle(11, 1.0, 2.0))


def test_no_move_is_not_judged() -> None:
    board = Scoreboard(horizon_bars=1)
    board.predicted(prediction(10, 0.6, 0.7))
    assert not board.closed(candle(11, 5.0, 5.0))
    assert board.records() == ()


def test_only_the_last_judgements_count() -> None:
    board = Scoreboard(horizon_bars=1, keep=2)
    for bar, close in enumerate((0.5, 2.0, 2.0)):
        board.predicted(prediction(bar, 0.6, 0.7))
        board.closed(candle(bar + 1, 1.0, close))
    (lstm, _) = board.records()
    assert (lstm.judged, lstm.hit_rate) == (2, 1.0)
