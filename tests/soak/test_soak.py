"""Whole systems over many synthetic markets; the exchange's books are the judge.

``make verify`` plays a few markets, ``make soak`` as many as it is told to: ``SEEDS=100`` the
first hundred, ``SEED=7`` that one, both together so many from that one on.
"""

import asyncio
import os

import pytest

from rusy_tui.domain.order import OrderIntent, Outcome, Purpose
from rusy_tui.exchange.binance import BinanceExchange
from tests.soak import runs

DEFAULT_SEEDS = 10
# One with each step of the market; in the second a trade ends while its funding is being read.
VERIFIED = (3, 4)


def _seeds() -> list[int]:
    first, count = (os.environ.get(name, "").strip() for name in ("SEED", "SEEDS"))
    many = int(count) if count else 1 if first else DEFAULT_SEEDS
    start = int(first) if first else 0
    return list(range(start, start + many))


def _soak(seed: int, outcomes: list[runs.Outcome]) -> None:
    outcome = runs.run(seed)
    outcomes.append(outcome)
    assert outcome.violations == ()
    assert outcome.trades > 0, f"seed {seed} traded nothing, so it showed nothing"


@pytest.mark.soak
@pytest.mark.parametrize("seed", _seeds())
def test_the_books_agree(seed: int, outcomes: list[runs.Outcome]) -> None:
    """Six hours of a market, then every invariant of :mod:`tests.soak.runs`."""
    _soak(seed, outcomes)


@pytest.mark.verify
@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", VERIFIED)
def test_the_books_agree_for_a_few(seed: int, outcomes: list[runs.Outcome]) -> None:
    """The same, few enough for every day."""
    _soak(seed, outcomes)


@pytest.mark.verify
@pytest.mark.timeout(300)
def test_a_stop_that_comes_late_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The witness is not blind: stops that are held up for three seconds break the promise."""
    place = BinanceExchange.place

    async def late(self: BinanceExchange, intent: OrderIntent) -> Outcome:
        if intent.purpose is Purpose.STOP:
            await asyncio.sleep(3)  # on lockstep's clock
        return await place(self, intent)

    monkeypatch.setattr(BinanceExchange, "place", late)
    outcome = runs.run(2, hours=1)
    assert outcome.violations
    assert any("bare position" in text for text in outcome.violations)
