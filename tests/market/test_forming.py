"""The running candle of a chart is what the trades were, or it is not there."""

from decimal import Decimal

from rusy_tui.domain.candle import Interval
from rusy_tui.domain.market import MarketTrade
from rusy_tui.market.forming import Forming

BOTH = (Interval.M15, Interval.H1)
HOUR = 1_749_999_600_000
QUARTER = Interval.M15.ms


def trade(at_ms: int, price: str, quantity: str = "1", *, sold: bool = False) -> MarketTrade:
    return MarketTrade(
        symbol="BTCUSDT",
        price=Decimal(price),
        quantity=Decimal(quantity),
        buyer_is_maker=sold,
        event_ms=at_ms,
        trades=2,
    )


def test_a_candle_is_its_trades() -> None:
    forming = Forming(BOTH)
    forming.heard_from(HOUR)
    given = [
        forming.traded(each)
        for each in (
            trade(HOUR, "100"),
            trade(HOUR + 5, "103", "2", sold=True),
            trade(HOUR + 9, "99"),
            trade(HOUR + QUARTER, "101"),
        )
    ]
    quarter, hour = given[2]
    assert (quarter.interval, hour.interval) == BOTH
    assert (quarter.open, quarter.high, quarter.low, quarter.close) == (100, 103, 99, 99)
    assert (quarter.volume, quarter.trades, quarter.taker_buy_volume) == (4, 6, 2)
    assert quarter.quote_volume == 100 + 206 + 99
    assert not quarter.closed
    quarter, hour = given[3]
    assert (quarter.open_time_ms, quarter.open, quarter.volume) == (HOUR + QUARTER, 101, 1)
    assert (hour.open_time_ms, hour.open, hour.close, hour.volume) == (HOUR, 100, 101, 5)


def test_a_bar_whose_begin_was_not_heard_is_left_out() -> None:
    forming = Forming(BOTH)
    assert forming.traded(trade(HOUR, "100")) == ()
    forming.heard_from(HOUR + 1)
    assert forming.traded(trade(HOUR + 2, "100")) == []
    (quarter,) = forming.traded(trade(HOUR + QUARTER, "100"))
    assert quarter.interval is Interval.M15
    forming.cut()
    assert forming.traded(trade(HOUR + QUARTER + 1, "100")) == ()
    forming.heard_from(HOUR + QUARTER + 2)
    assert forming.traded(trade(HOUR + QUARTER + 3, "100")) == []


def test_a_late_trade_of_a_bar_that_is_over_moves_nothing() -> None:
    forming = Forming([Interval.M15])
    forming.heard_from(HOUR)
    forming.traded(trade(HOUR + QUARTER, "100"))
    assert forming.traded(trade(HOUR + QUARTER - 1, "90")) == []
    (bar,) = forming.traded(trade(HOUR + QUARTER + 1, "101"))
    assert bar.low == 100


def test_without_intervals_nothing_is_made() -> None:
    forming = Forming(())
    forming.heard_from(HOUR)
    assert forming.traded(trade(HOUR, "100")) == []
