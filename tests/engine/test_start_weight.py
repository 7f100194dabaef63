"""What a start asks of the exchange, besides backfill."""

from collections import Counter

import pytest

from rusy_tui.domain.modes import Mode
from tests.engine.votes import Scene, played
from tests.simulation.worlds import settings

PAIRS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
# The weight that a start may cost with one pair, and each further one.
ONE_PAIR, FURTHER_PAIR = 140, 30


def weighed(symbols: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Weight by path of a start with these symbols, as the exchange counts it."""

    async def act(scene: Scene) -> Counter[str]:
        await scene.clock.sleep(20)
        counted = Counter(scene.here.server.limits.weight_by_path)
        del counted["/fapi/v1/klines"]
        return counted

    return played(settings(symbols, mode=Mode.APPROVE, busy=False), act, monkeypatch)


def test_a_start_is_light(monkeypatch: pytest.MonkeyPatch) -> None:
    one, two, three = (weighed(PAIRS[:n], monkeypatch) for n in (1, 2, 3))
    # Both books and the account were read, or nothing was counted.
    assert one.total() > 100
    assert one.total() <= ONE_PAIR, one
    assert two.total() - one.total() <= FURTHER_PAIR, two - one
    assert three.total() - two.total() <= FURTHER_PAIR, three - two
