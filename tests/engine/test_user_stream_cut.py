"""A cut stream of the account: no entries until all that was missed has been read."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from rusy_tui.domain.account import Balance, UserEvent
from rusy_tui.domain.errors import ExchangeError
from rusy_tui.domain.market import StreamInterrupted
from rusy_tui.domain.modes import Mode
from rusy_tui.exchange.port import UserSink
from rusy_tui.exchange.streams import Stream
from rusy_tui.exchange.user_stream import UserStream
from rusy_tui.simulator.feeds.synthetic import SyntheticFeed
from tests.engine.votes import BAR_MS, LONG, MINUTE_MS, START_MS, Scene, played, wide
from tests.simulation.worlds import settings

BTC = "BTCUSDT"
# 15:00 UTC of the same day: funding is paid an hour later.
_BEFORE_FUNDING_MS = START_MS + 7 * 3_600_000
_FUNDING_MINUTE = 60


class _Line:
    """What lies between exchange and engine, and can be cut: events then are lost."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._is_cut = False
        self._stream: Stream | None = None
        self._sink: UserSink | None = None
        line = self

        class Through(UserStream):
            """Passes events on as long as the line is whole."""

            def __init__(self, *args: Any, sink: UserSink, **kwargs: Any) -> None:
                line._sink = sink
                super().__init__(*args, sink=line._pass_on, **kwargs)
                line._stream = self.stream

        monkeypatch.setattr("rusy_tui.exchange.feeds.UserStream", Through)

    def _pass_on(self, event: UserEvent) -> None:
        if not self._is_cut:
            self._tell(event)

    def _tell(self, event: UserEvent) -> None:
        assert self._sink is not None
        self._sink(event)

    def cut(self, now_ms: int) -> None:
        """Lose every event from now on."""
        self._tell(StreamInterrupted("private", now_ms, "cut by the test"))
        self._is_cut = True

    def mend(self) -> None:
        """Let events through again, over another connection."""
        assert self._stream is not None
        self._is_cut = False
        self._stream.reconnect("mended by the test")


def test_a_cut_closes_a_gate_that_opens_when_all_was_read_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A stream that is back is not enough: the account must have been read."""
    line = _Line(monkeypatch)

    async def act(scene: Scene) -> None:
        scene.votes[BTC] = LONG
        await scene.at(5)
        assert scene.gates() == []
        line.cut(scene.clock.market_ms())
        scene.take_away("100")
        await scene.at(10)
        (gate,) = scene.parts.publisher.state.gates
        assert (gate.name, gate.why, gate.halted) == ("reconciling", "cut by the test", False)
        assert not scene.parts.publisher.state.connection.user_stream
        await scene.bar(1)
        assert await scene.store.predictions.count(0, START_MS * 2) == 1
        assert await scene.proposals() == []

        async def unreadable(asset: str) -> Balance:
            raise ExchangeError("not now")

        with monkeypatch.context() as patch:
            patch.setattr(scene.parts.exchange, "balance", unreadable)
            line.mend()
            await scene.at(20)
            assert scene.gates() == ["reconciling"]
        await scene.at(21)
        assert scene.gates() == []
        state = scene.parts.publisher.state
        assert state.connection.user_stream
        assert state.account.wallet == Decimal(9_900)
        await scene.bar(2)
        assert await scene.proposed() == [BTC]

    played(settings((BTC,), mode=Mode.APPROVE), act, monkeypatch)


def _funding_fees(scene: Scene) -> Sequence[Decimal]:
    """What the exchange's own ledger says."""
    ledger = scene.exchange.books.accounts[0].ledger
    return [entry.amount for entry in ledger if entry.kind == "FUNDING_FEE"]


def test_funding_paid_while_the_stream_was_cut_counts_to_its_trade(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is read from the exchange's ledger, for no event will tell of it."""
    line = _Line(monkeypatch)

    async def act(scene: Scene) -> None:
        scene.votes[BTC] = LONG
        await scene.at(_FUNDING_MINUTE - 1)
        trade = await scene.open_trade()
        assert trade is not None
        line.cut(scene.clock.market_ms())
        await scene.at(_FUNDING_MINUTE + 1)
        assert len(_funding_fees(scene)) == 1
        assert await scene.store.funding.since(0) == []

        line.mend()
        await scene.at(_FUNDING_MINUTE + 2)
        (kept,) = await scene.store.funding.by_trade(trade.trade_id)
        assert [kept.income.amount] == _funding_fees(scene)
        after = await scene.store.trades.get(trade.trade_id)
        assert after is not None
        assert after.funding == kept.income.amount != 0

    feed = SyntheticFeed(5, _BEFORE_FUNDING_MS, (BTC,), step_ms=MINUTE_MS)
    assert _BEFORE_FUNDING_MS % BAR_MS == 0
    played(wide((BTC,), Mode.AUTO), act, monkeypatch, feed)
