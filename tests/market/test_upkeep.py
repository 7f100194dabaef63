"""Who collects does the daily task too, as long as it runs."""

import asyncio
from pathlib import Path
from typing import cast

from rusy_tui.clock import LockstepClock
from rusy_tui.domain.candle import Interval
from rusy_tui.exchange.port import ExchangePort
from rusy_tui.market.service import MarketService
from rusy_tui.store.market_data import MarketData
from rusy_tui.store.retention import AFTER_MIDNIGHT_MS, DAY_MS, Upkeep
from rusy_tui.store.spool import Spool
from tests.lockstep import START_MS, in_lockstep
from tests.market.row import CandleExchange, Tables


class Noted(Upkeep):
    """Only notes when it would have been done."""

    def __init__(self, clock: LockstepClock) -> None:
        self._clock = clock
        self.seen: list[int] = []

    async def once(self, now_ms: int) -> dict[str, int]:
        self.seen.append(now_ms)
        return {}


def test_a_market_service_looks_after_what_is_stored(tmp_path: Path) -> None:
    midnight = START_MS - START_MS % DAY_MS

    async def main(clock: LockstepClock) -> list[int]:
        upkeep = Noted(clock)
        spool = Spool(tmp_path)
        service = MarketService(
            cast(ExchangePort, CandleExchange(clock)),
            cast(MarketData, Tables()),
            clock,
            symbols=["BTCUSDT"],
            warmup_bars={Interval.M15: 1},
            spool=spool,
            upkeep=upkeep,
        )
        await service.start(lambda text: None)
        running = asyncio.create_task(service.run())
        await clock.sleep_until_market(midnight + 2 * DAY_MS)
        running.cancel()
        await asyncio.wait([running])
        spool.close()
        return upkeep.seen

    started, following = in_lockstep(main)
    assert START_MS <= started < START_MS + 60_000
    assert following == midnight + DAY_MS + AFTER_MIDNIGHT_MS
