"""A whole engine with one trade open, for faults to strike, and what must hold after them."""

from collections.abc import Awaitable, Callable
from decimal import Decimal

import pytest

from rusy_tui.domain.commands import CloseTrade
from rusy_tui.domain.modes import Mode
from rusy_tui.domain.order import Side
from rusy_tui.domain.trade import Trade
from rusy_tui.simulator.orders import AlgoOrder, Order
from tests.engine.votes import LONG, Scene, played, wide
from tests.soak.runs import judge_orders
from tests.soak.trouble import differences

BTC = "BTCUSDT"
# Wall seconds: until an entry rests after its bar; until a fill and all it brings are done.
_RESTS_S, _DONE_S = 2.0, 3.0
_FILLING = Decimal("0.9995")
"""A small fall fills what rests at the bid."""


def scene_of(act: Callable[[Scene], Awaitable[None]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Play a scene of one contract; neither stop nor target ends its trade by itself."""

    async def checked(scene: Scene) -> None:
        await act(scene)
        assert await differences(scene.here, scene.exchange.books.accounts[0]) == []
        assert judge_orders(scene.exchange) == []

    played(wide((BTC,), Mode.AUTO), checked, monkeypatch)


async def wished(scene: Scene) -> None:
    """An entry is sent at the first bar's close, and rests."""
    scene.votes[BTC] = LONG
    await scene.bar(1)
    scene.votes.clear()
    await scene.clock.sleep(_RESTS_S)


async def entered(scene: Scene) -> Trade:
    """A trade is open, its stop and target rest."""
    await wished(scene)
    scene.exchange.move_price(BTC, _FILLING)
    await scene.clock.sleep(_DONE_S)
    trade = await scene.open_trade()
    assert trade is not None
    assert len(waiting_stops(scene)) == 1
    assert len(resting(scene)) == 1
    return trade


async def last_trade(scene: Scene) -> Trade:
    """The only trade that there was."""
    (trade,) = await scene.store.trades.all()
    return trade


async def close(scene: Scene) -> None:
    """An operator closes the trade."""
    reply = await scene.engine.handle(CloseTrade("close", BTC), "ann")
    assert reply.ok, reply.message


def held(scene: Scene) -> Decimal:
    """The position in the exchange's books, signed."""
    return scene.exchange.books.accounts[0].position(BTC).quantity


def orders(scene: Scene, side: Side) -> list[Order]:
    """Plain orders of a side that ever came to the exchange."""
    books = scene.exchange.books
    return [order for order in books.orders_of(books.accounts[0]) if order.side is side]


def stops(scene: Scene) -> list[AlgoOrder]:
    """Conditional orders that ever came to the exchange."""
    books = scene.exchange.books
    return books.algos_of(books.accounts[0])


def resting(scene: Scene) -> list[Order]:
    """Plain orders that rest."""
    books = scene.exchange.books
    return books.open_orders_of(books.accounts[0])


def waiting_stops(scene: Scene) -> list[AlgoOrder]:
    """Stops that rest and wait for their trigger."""
    return [algo for algo in stops(scene) if algo.is_waiting]


def swept(scene: Scene) -> None:
    """Nothing is held, and nothing rests in either book."""
    books = scene.exchange.books
    assert held(scene) == 0
    assert resting(scene) == []
    assert books.open_algos_of(books.accounts[0]) == []


def said(scene: Scene, words: str) -> bool:
    """Whether watchers were told so."""
    return any(words in line.text for line in scene.parts.publisher.state.log)


async def until(scene: Scene, done: Callable[[], bool], within_s: float) -> float:
    """Wait, looking each tenth of a second; the seconds it took."""
    for tenths in range(round(within_s * 10)):
        if done():
            return tenths / 10
        await scene.clock.sleep(0.1)
    raise AssertionError(f"not within {within_s} s")
