"""A whole world whose ensemble votes as a test says."""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import TypeVar

import msgspec
import pytest

from rusy_tui.domain.bars import Bars
from rusy_tui.domain.candle import Interval
from rusy_tui.domain.clock import Clock
from rusy_tui.domain.modes import Mode
from rusy_tui.domain.proposal import Proposal
from rusy_tui.domain.settings import Settings
from rusy_tui.domain.signal import Prediction
from rusy_tui.domain.trade import Trade, TradeState
from rusy_tui.launch_lockstep import World
from rusy_tui.simulator.feeds import Feed
from rusy_tui.simulator.feeds.synthetic import SyntheticFeed
from tests.simulation.worlds import play_in, settings

T = TypeVar("T")

START_MS = 1_709_539_200_000  # 2024-03-04 08:00 UTC
BAR_MS = Interval.M15.ms
MINUTE_MS = 60_000
LONG, SHORT, NEITHER = 0.9, 0.1, 0.5


class Scene:
    """A running world; each symbol's vote is ``votes[symbol]``, a toss-up where none is set.

    ``vote_takes_s`` is how long the networks take to vote, wall seconds.
    """

    def __init__(self, here: World, start_ms: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.here = here
        self.engine, self.exchange, self.parts = here.engine, here.exchange, here.parts
        self.clock, self.store = here.parts.clock, here.parts.store
        self.start_ms = start_ms
        self.votes: dict[str, float] = {}
        self.vote_takes_s = 0.0
        self._judge = here.parts.ensemble.judge
        monkeypatch.setattr(here.parts.ensemble, "judge", self._vote)

    async def _vote(
        self, symbol: str, bars_15m: Bars, bars_1h: Bars, clock: Clock
    ) -> tuple[Prediction, dict[str, float | None]]:
        prediction, features = await self._judge(symbol, bars_15m, bars_1h, clock)
        await clock.sleep(self.vote_takes_s)
        probability = self.votes.get(symbol, NEITHER)
        return msgspec.structs.replace(prediction, probability=probability), features

    async def bar(self, number: int) -> None:
        """Wait until the bar of this number, 1 for the first, was handled in every symbol."""
        await self.engine.decided(self.start_ms + number * BAR_MS)

    async def at(self, minutes: float) -> None:
        """Wait until so many market minutes after the start, all that is due then done."""
        await self.clock.sleep_until_market(self.start_ms + round(minutes * MINUTE_MS))
        await asyncio.sleep(0)

    async def proposals(self) -> list[Proposal]:
        """Every proposal so far, oldest first."""
        return await self.store.proposals.since(0)

    async def proposed(self) -> list[str]:
        """The symbols of all proposals, oldest first."""
        return [proposal.plan.symbol for proposal in await self.proposals()]

    async def refused(self) -> list[tuple[str, str]]:
        """Symbol and rule of every plan that came to nothing, as the journal has them."""
        return [
            (entry.subject.split()[0], entry.payload["rule"])
            for entry in await self.store.journal.since(0)
            if entry.kind == "refusal"
        ]

    async def open_trade(self) -> Trade | None:
        """The trade that has a position and does not end yet."""
        running = await self.store.trades.running()
        return next((t for t in running if t.state is TradeState.OPEN and t.quantity), None)

    def gates(self) -> list[str]:
        """The closed gates, as watchers see them."""
        return [gate.name for gate in self.parts.publisher.state.gates]

    def take_away(self, amount: str) -> None:
        """The account loses so many USDT on the exchange, which tells nobody of it."""
        account = self.exchange.books.accounts[0]
        account.wallet -= Decimal(amount)


def played(
    configured: Settings,
    act: Callable[[Scene], Awaitable[T]],
    monkeypatch: pytest.MonkeyPatch,
    feed: Feed | None = None,
) -> T:
    """Play a scene in a seeded market that moves once a minute."""
    symbols = configured.data.symbols
    market = feed or SyntheticFeed(5, START_MS, symbols, step_ms=MINUTE_MS)

    async def scene(here: World) -> T:
        return await act(Scene(here, market.start_ms, monkeypatch))

    return play_in(market, configured, scene)


def wide(symbols: tuple[str, ...], mode: Mode) -> Settings:
    """Settings of trades that neither stop nor target ends within a test."""
    made = settings(symbols, mode=mode)
    strategy = dataclasses.replace(
        made.strategy,
        stop_atr=12.0,
        target_atr=24.0,
        hold_bars=64,
        min_reward_risk=0.0,
        entry_tries=20,
        entry_chase_bps=Decimal(100),
    )
    return dataclasses.replace(made, strategy=strategy)
