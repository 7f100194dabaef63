"""A small trader that keeps to ``docs/order-outcomes.md``, whatever goes wrong."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any, TypeVar

import msgspec

from rusy_tui.clock import LockstepClock
from rusy_tui.domain.errors import ExchangeError, UnreachableError
from rusy_tui.domain.order import (
    Cause,
    Confirmed,
    Denied,
    OrderBook,
    OrderIntent,
    OrderKind,
    OrderReport,
    Outcome,
    Purpose,
    Rejected,
    Side,
    TimeInForce,
    Unresolved,
)
from rusy_tui.exchange.binance import BinanceExchange
from rusy_tui.execution.resolve import Resolver
from tests.faults.view import SYMBOL

T = TypeVar("T")
QUANTITY = Decimal("0.010")
_TICK = Decimal("0.1")
_AGAIN_S = 1.0
_PASSING = frozenset({Cause.OVERLOADED, Cause.LIMITS, Cause.CLOCK})
"""Rejections that say nothing about the order: it may be wished for again, by another id."""


class Attempt(msgspec.Struct, frozen=True):
    """One order sent for a wish, and what came of it."""

    wish: str
    client_order_id: str
    outcome: Outcome


class Trader:
    """Enters, protects, amends, cancels and exits, one round after the other."""

    def __init__(self, exchange: BinanceExchange, clock: LockstepClock) -> None:
        self._exchange = exchange
        self._clock = clock
        self._resolver = Resolver(exchange, clock)
        self.attempts: list[Attempt] = []
        self.rounds = 0
        self.may_send = asyncio.Event()
        """Cleared, it begins no further command, so that the books can be compared."""
        self.may_send.set()

    async def trade_until(self, wall_ms: int) -> None:
        """Trade rounds; none begins after an instant."""
        while self._clock.wall_ms() < wall_ms:
            self.rounds += 1
            await self.round(f"r{self.rounds}")
            await self._clock.sleep(1)

    async def round(self, name: str) -> None:
        """From entry to flat."""
        entry = await self.wish(f"{name}-entry", kind=OrderKind.MARKET, quantity=QUANTITY)
        if entry is not None:
            await self._protect(name, entry.average_price)
        await self.flatten(name)
        await self.cancel(f"{name}-stop", OrderBook.CONDITIONAL)

    async def rest_near(self, name: str) -> None:
        """Enter by a resting order just below the market, wait a while, give up the rest."""
        mark = await self.asked(self._mark)
        await self.wish(
            f"{name}-entry",
            kind=OrderKind.LIMIT,
            time_in_force=TimeInForce.POST_ONLY,
            quantity=QUANTITY,
            price=(mark * Decimal("0.9997")).quantize(_TICK),
        )
        await self._clock.sleep(20)
        await self.cancel(f"{name}-entry", OrderBook.PLAIN)
        await self.flatten(name)

    async def _protect(self, name: str, price: Decimal) -> None:
        stop = await self.wish(
            f"{name}-stop",
            purpose=Purpose.STOP,
            side=Side.SELL,
            kind=OrderKind.STOP_MARKET,
            trigger_price=(price * Decimal("0.97")).quantize(_TICK),
            close_position=True,
            recv_window_ms=1000,
        )
        if stop is None:
            return
        target = await self.wish(
            f"{name}-target",
            purpose=Purpose.TARGET,
            side=Side.SELL,
            kind=OrderKind.LIMIT,
            quantity=QUANTITY,
            price=(price * Decimal("1.02")).quantize(_TICK),
            reduce_only=True,
        )
        if target is not None:
            # Whatever comes of it, the order is asked for and cancelled below.
            await self.may_send.wait()
            await self._exchange.amend(
                SYMBOL,
                target.client_order_id,
                Side.SELL,
                QUANTITY,
                (price * Decimal("1.03")).quantize(_TICK),
            )
            await self.cancel(f"{name}-target", OrderBook.PLAIN)
        await self._clock.sleep(3)

    async def flatten(self, name: str) -> None:
        """Exit until the exchange says flat."""
        for number in itertools.count():
            held = await self.asked(self._held)
            if not held:
                return
            exit_: dict[str, Any] = {
                "purpose": Purpose.EXIT,
                "side": Side.SELL if held > 0 else Side.BUY,
                "quantity": abs(held),
                "reduce_only": True,
            }
            wish = f"{name}-exit{number}"
            await self.wish(wish, kind=OrderKind.MARKET, **exit_)
            if self._was_refused_by_the_band(wish):
                mark = await self.asked(self._mark)
                edge = Decimal("0.97") if held > 0 else Decimal("1.03")
                await self.wish(
                    f"{wish}-band",
                    kind=OrderKind.LIMIT,
                    time_in_force=TimeInForce.IOC,
                    price=(mark * edge).quantize(_TICK),
                    **exit_,
                )

    def _was_refused_by_the_band(self, wish: str) -> bool:
        outcome = self.attempts[-1].outcome
        return (
            self.attempts[-1].wish == wish
            and isinstance(outcome, Rejected)
            and outcome.cause is Cause.PRICE_BAND
        )

    async def wish(
        self,
        wish: str,
        *,
        purpose: Purpose = Purpose.ENTRY,
        side: Side = Side.BUY,
        **fields: Any,
    ) -> OrderReport | None:
        """Send what is wished for until the exchange has it, or says no for a reason.

        Sent again, by another id, only after it was proven that the former never came.
        """
        for number in itertools.count():
            intent = OrderIntent(
                client_order_id=f"{wish}.{number}",
                trade_id=wish,
                purpose=purpose,
                symbol=SYMBOL,
                side=side,
                created_ms=self._clock.market_ms(),
                **fields,
            )
            await self.may_send.wait()
            outcome = await self._exchange.place(intent)
            self.attempts.append(Attempt(wish, intent.client_order_id, outcome))
            match outcome:
                case Confirmed(report=report):
                    return report
                case Unresolved():
                    found = await self.resolved(intent)
                    if found is not None:
                        return found
                case Rejected(cause=cause) if cause not in _PASSING:
                    return None
                case Denied():
                    raise AssertionError(f"a trader's own mistake: {outcome}")
            await self._clock.sleep(_AGAIN_S)
        return None

    async def resolved(self, intent: OrderIntent) -> OrderReport | None:
        """What became of an order whose reply was lost; None when it never came."""
        return await self._resolver.resolve(intent)

    async def cancel(self, wish: str, book: OrderBook) -> None:
        """Cancel whatever was sent for a wish, until the exchange says that it has ended."""
        for attempt in [a for a in self.attempts if a.wish == wish]:
            name = attempt.client_order_id

            async def ask(name: str = name) -> OrderReport | None:
                return await self._exchange.order(SYMBOL, name, book)

            while True:
                await self.may_send.wait()
                outcome = await self._exchange.cancel(SYMBOL, name, book)
                if isinstance(outcome, Confirmed) and outcome.report.state.is_final:
                    break
                report = await self.asked(ask)
                if report is None or report.state.is_final:
                    break
                await self._clock.sleep(_AGAIN_S)

    async def asked(self, question: Callable[[], Awaitable[T]]) -> T:
        """Ask until there is an answer."""
        while True:
            try:
                return await question()
            except (ExchangeError, UnreachableError):
                await self._clock.sleep(_AGAIN_S)

    async def _held(self) -> Decimal:
        positions = await self._exchange.positions()
        return sum((p.quantity for p in positions if p.symbol == SYMBOL), Decimal(0))

    async def _mark(self) -> Decimal:
        return (await self._exchange.mark_price(SYMBOL)).price
