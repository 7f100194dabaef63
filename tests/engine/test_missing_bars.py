"""Bars that are missing, and what nobody may do meanwhile."""

from collections.abc import Awaitable, Callable, Sequence

import pytest

from rusy_tui.domain.candle import Candle, Interval
from rusy_tui.domain.modes import Mode
from rusy_tui.simulator.faults import Fault, Kind
from tests.engine.votes import LONG, START_MS, Scene, played
from tests.simulation.worlds import settings

BTC, ETH = "BTCUSDT", "ETHUSDT"
_SILENT = (Kind.CLOSE_MISSING, Kind.UNAVAILABLE)


def _silence(scene: Scene, from_minute: float, until_minute: float) -> None:
    """Neither the stream nor REST tells of bars that close meanwhile."""
    for kind in _SILENT:
        scene.here.server.faults.add(
            Fault(
                kind=kind,
                from_ms=START_MS + round(from_minute * 60_000),
                until_ms=START_MS + round(until_minute * 60_000),
            )
        )


def test_missing_bars_close_a_gate_and_their_repair_opens_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Within a bar; what was missed is voted on when it is there, and nothing old is traded."""

    async def act(scene: Scene) -> None:
        await scene.bar(1)
        scene.votes[BTC] = LONG
        _silence(scene, 29, 34)
        await scene.at(32.5)
        assert scene.gates() == ["bars missing"]
        (gate,) = scene.parts.publisher.state.gates
        assert f"{BTC} 15m" in gate.why
        assert not gate.halted
        assert await scene.proposed() == []
        await scene.bar(2)
        await scene.at(37)
        assert scene.gates() == []
        await scene.bar(3)
        assert await scene.proposed() != []
        votes = await scene.store.predictions.count(START_MS, START_MS + 3 * 900_000)
        assert votes == 3

    played(settings((BTC,), mode=Mode.APPROVE), act, monkeypatch)


def test_a_contract_that_has_ended_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    async def act(scene: Scene) -> None:
        await scene.bar(1)
        take, book = scene.parts.bars.take, scene.engine.book
        monkeypatch.setattr(
            scene.parts.bars, "take", lambda candle: candle.symbol == ETH or take(candle)
        )
        monkeypatch.setattr(
            scene.parts.exchange, "candles", _without(scene.parts.exchange.candles)
        )
        monkeypatch.setattr(
            scene.engine._lookout,
            "_book",
            lambda symbol: None if symbol == ETH else book(symbol),
        )
        await scene.at(31.5)
        assert sorted(scene.gates()) == ["bars missing", "stale data"]
        scene.exchange.change_instrument(ETH, status="SETTLING")
        await scene.at(34)
        assert scene.gates() == []

    played(settings((BTC, ETH), mode=Mode.APPROVE), act, monkeypatch)


def _without(candles: Callable[..., Awaitable[Sequence[Candle]]]) -> Callable[..., object]:
    """The exchange's candles, but none of ETH."""

    async def asked(symbol: str, *args: object, **named: object) -> Sequence[Candle]:
        return () if symbol == ETH else await candles(symbol, *args, **named)

    return asked


def test_no_vote_is_cast_while_the_last_hour_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def act(scene: Scene) -> None:
        await scene.bar(3)
        scene.votes[BTC] = LONG
        # Only the hour stays away: its quarter is told before the silence.
        take = scene.parts.bars.take
        monkeypatch.setattr(
            scene.parts.bars,
            "take",
            lambda candle: None if candle.interval is Interval.H1 else take(candle),
        )
        scene.here.server.faults.add(
            Fault(
                kind=Kind.UNAVAILABLE,
                from_ms=START_MS + 3_601_000,
                until_ms=START_MS + 3_840_000,
            )
        )
        await scene.bar(4)
        assert await scene.store.predictions.count(START_MS, START_MS * 2) == 3
        assert await scene.proposed() == []
        told = [line.text for line in scene.parts.publisher.state.log]
        assert any("no vote: its last hour is not there" in text for text in told)
        await scene.at(62.5)
        assert scene.gates() == ["bars missing"]
        (gate,) = scene.parts.publisher.state.gates
        assert f"{BTC} 1h" in gate.why
        await scene.bar(5)
        await scene.at(76)
        assert scene.gates() == []
        assert await scene.store.predictions.count(START_MS, START_MS * 2) == 4

    played(settings((BTC,), mode=Mode.APPROVE), act, monkeypatch)
