"""What later votes do to an open trade, and what comes of a vote in the end."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import pytest

from rusy_tui.domain.candle import Candle, Interval
from rusy_tui.domain.errors import UnreachableError
from rusy_tui.domain.modes import Mode
from rusy_tui.domain.trade import ExitReason, Trade, TradeState
from tests.engine.votes import BAR_MS, LONG, NEITHER, SHORT, START_MS, Scene, played, wide
from tests.simulation.worlds import settings

BTC, ETH = "BTCUSDT", "ETHUSDT"
# So many bars are enough for an entry of these markets to be filled.
_ENTERED_BY = 6


async def _entered(scene: Scene, vote: float) -> tuple[Trade, int]:
    """A trade that is open right after a bar, and that bar's number."""
    scene.votes[BTC] = vote
    for number in range(1, _ENTERED_BY + 1):
        await scene.bar(number)
        trade = await scene.open_trade()
        if trade is not None:
            return trade, number
    raise AssertionError("no entry was filled")


@pytest.mark.parametrize(("vote", "against"), [(LONG, SHORT), (SHORT, LONG)])
def test_a_sure_vote_for_the_other_side_ends_the_trade(
    vote: float, against: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One for the same side, and an unsure one, leave it alone."""

    async def act(scene: Scene) -> None:
        trade, number = await _entered(scene, vote)
        scene.votes[BTC] = NEITHER
        await scene.bar(number + 1)
        await scene.clock.sleep(30)
        assert await scene.open_trade() is not None

        scene.votes[BTC] = against
        await scene.bar(number + 2)
        await scene.clock.sleep(30)
        ended = await scene.store.trades.get(trade.trade_id)
        assert ended is not None
        assert (ended.state, ended.exit_reason) == (
            TradeState.CLOSED,
            ExitReason.OPPOSITE_SIGNAL,
        )
        assert scene.exchange.books.accounts[0].open_positions() == []

    played(wide((BTC,), Mode.AUTO), act, monkeypatch)


def test_where_it_is_configured_off_no_vote_ends_a_trade(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nor does one make a second trade beside it."""

    async def act(scene: Scene) -> None:
        trade, number = await _entered(scene, LONG)
        scene.votes[BTC] = SHORT
        await scene.bar(number + 1)
        await scene.clock.sleep(30)
        still = await scene.open_trade()
        assert still is not None
        assert still.trade_id == trade.trade_id
        proposals = await scene.proposals()
        assert {card.plan.side for card in proposals} == {trade.side}

    made = wide((BTC,), Mode.AUTO)
    off = dataclasses.replace(made.strategy, opposite_signal_exit=False)
    played(dataclasses.replace(made, strategy=off), act, monkeypatch)


def test_a_vote_on_a_bar_that_came_late_ends_no_trade(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As after a long sleep: what an old bar said does not count, what the newest says does."""

    async def act(scene: Scene) -> None:
        trade, number = await _entered(scene, LONG)
        exchange, bars = scene.parts.exchange, scene.parts.bars
        candles, take = exchange.candles, bars.take
        until_ms = START_MS + (number + 8) * BAR_MS + 6 * 60_000

        def silent() -> bool:
            return scene.clock.market_ms() < until_ms

        async def unreachable(*args: Any, **named: Any) -> Sequence[Candle]:
            if silent():
                raise UnreachableError("no answer")
            return await candles(*args, **named)

        monkeypatch.setattr(exchange, "candles", unreachable)
        monkeypatch.setattr(bars, "take", lambda each: None if silent() else take(each))
        scene.votes[BTC] = SHORT
        await scene.clock.sleep_until_market(until_ms)
        await scene.bar(number + 8)
        await scene.clock.sleep(10)
        still = await scene.open_trade()
        assert still is not None
        assert still.trade_id == trade.trade_id

        await scene.bar(number + 9)
        await scene.clock.sleep(30)
        assert await scene.open_trade() is None

    played(wide((BTC,), Mode.AUTO), act, monkeypatch)


def test_the_return_over_its_horizon_is_written_beside_each_prediction(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """From the next bar's open to the close of the horizon's last bar; none before that."""

    async def act(scene: Scene) -> None:
        horizon = scene.parts.ensemble.manifest.horizon.bars
        bars = horizon + 3
        await scene.bar(bars)
        end_ms = START_MS + bars * BAR_MS
        for symbol in (BTC, ETH):
            window = await scene.store.candles.window(symbol, Interval.M15, end_ms, bars)
            assert window.open_time_ms[0] == START_MS
            rows = await scene.store.predictions.between(symbol, Interval.M15, START_MS, end_ms)
            assert len(rows) == bars
            for number, row in enumerate(rows):
                last = number + horizon
                if last >= bars:
                    assert (row.outcome, row.outcome_ms) == (None, None)
                    continue
                assert row.outcome_ms == START_MS + (last + 1) * BAR_MS
                made = float(window.close[last]) / float(window.open[number + 1]) - 1
                assert row.outcome == pytest.approx(made, abs=1e-12)
                assert abs(made) > 1e-6

    played(settings((BTC, ETH), mode=Mode.MANUAL), act, monkeypatch)
