"""Hundreds of callers at once on the simulated exchange, whose own limits are never hit."""

import asyncio
import logging
from decimal import Decimal
from pathlib import Path

import pytest

from rusy_tui.clock import LockstepClock
from rusy_tui.domain.order import Cause, OrderBook, OrderKind, Rejected, Side, TimeInForce
from rusy_tui.exchange.binance import BinanceExchange
from rusy_tui.simulator.core import SimulatedExchange
from tests.exchange.test_against_simulator import intent, on_simulator, recording

__all__ = ["recording"]


def test_limits_are_reached_and_not_broken(
    recording: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(
        exchange: BinanceExchange, simulated: SimulatedExchange, clock: LockstepClock
    ) -> int:
        began_s = clock.monotonic_s()
        await exchange.instruments()
        top = await exchange.book_top("BTCUSDT")
        greatest = 0

        async def order(number: int) -> None:
            far = intent(
                f"rusy-{number}", OrderKind.LIMIT, Side.BUY, price=top.bid - 900,
                quantity=Decimal("0.010"), time_in_force=TimeInForce.POST_ONLY,
            )  # fmt: skip
            outcome = await exchange.place(far)
            assert not isinstance(outcome, Rejected) or outcome.cause is not Cause.LIMITS

        async def look() -> None:
            nonlocal greatest
            while True:
                await clock.sleep(0.5)
                greatest = max(greatest, exchange.status().weight_used)

        looking = asyncio.create_task(look())
        await asyncio.gather(
            *(exchange.open_orders(OrderBook.PLAIN, None) for _ in range(100)),
            *(exchange.positions() for _ in range(200)),
            *(order(number) for number in range(400)),
        )
        looking.cancel()
        # 5,000 of weight are more than two windows hold.
        assert 60 < clock.monotonic_s() - began_s < 200
        return greatest

    with caplog.at_level(logging.WARNING):
        greatest = on_simulator(recording, scenario)
    assert "limit hit" not in caplog.text
    assert 2100 < greatest <= 2400
