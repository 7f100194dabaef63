"""What a start asks of the exchange, in the exchange's own count."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from rusy_tui.clock import LockstepClock
from rusy_tui.exchange.rest import Rest
from tests.simulation.worlds import play, settings

PAIRS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")


def weighed(symbols: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Weight by path of a start with these symbols, besides backfill."""
    asked: Counter[str] = Counter()
    real = Rest._send_once

    async def noted(
        self: Rest, method: str, path: str, params: Any, cost: Any, *rest: Any
    ) -> Any:
        if path != "klines":
            asked[f"{method} {path}"] += cost.weight
        return await real(self, method, path, params, cost, *rest)

    monkeypatch.setattr(Rest, "_send_once", noted)
    print(symbols)
    return asked
