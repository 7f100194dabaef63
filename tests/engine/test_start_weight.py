"""What a start asks of the exchange, besides backfill."""

from collections import Counter
from typing import Any

import pytest

from rusy_tui.domain.modes import Mode
from rusy_tui.exchange.rest import Rest
from tests.engine.votes import Scene, played
from tests.simulation.worlds import settings

PAIRS = ("BTCUSDT", "ETHUSDT")
# The weight that a start may cost with one pair, and each further one.
ONE_PAIR, FURTHER_PAIR = 140, 30


def weighed(symbols: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Weight by request of a start with these symbols, until its streams run."""
    asked: Counter[str] = Counter()
    send = Rest._send_once

    async def noted(self: Rest, method: str, path: str, *rest: Any) -> Any:
        params, cost = rest[:2]
        if path != "klines":
            asked[f"{method} {path} {'symbol' in params}"] += cost.weight
        return await send(self, method, path, *rest)

    async def act(scene: Scene) -> None:
        await scene.clock.sleep(20)

    with monkeypatch.context() as patched:
        patched.setattr(Rest, "_send_once", noted)
        played(settings(symbols, mode=Mode.APPROVE, busy=False), act, patched)
    return asked


def test_a_start_is_light(monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = (weighed(PAIRS[:n], monkeypatch) for n in (1, 2))
    assert one.total() <= ONE_PAIR, one
    assert two.total() - one.total() <= FURTHER_PAIR, two - one
