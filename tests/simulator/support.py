"""A market written by hand, and an exchange on it: what the simulator's tests stand on."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Any, TypeVar

import msgspec
import websockets

from rusy_tui.clock import LockstepClock, SystemClock, new_lockstep_loop
from rusy_tui.domain.candle import Candle, Interval
from rusy_tui.domain.instrument import Instrument
from rusy_tui.domain.order import OrderKind, OrderState, Side, TimeInForce, TriggerPrice
from rusy_tui.simulator.account import Account
from rusy_tui.simulator.amending import AmendRequest
from rusy_tui.simulator.core import AccountSpec, SimulatedExchange
from rusy_tui.simulator.feeds import Print, Step
from rusy_tui.simulator.happenings import AccountHappening, MarketHappening
from rusy_tui.simulator.orders import AlgoOrder, AlgoRequest, Order, OrderRequest
from rusy_tui.simulator.refusals import Refusal
from rusy_tui.simulator.switches import Switches

T = TypeVar("T")
START_MS = 1_709_539_200_000  # 2024-03-04 08:00 UTC
SYMBOL = "BTCUSDT"
KEY, SECRET = "k" * 64, "s" * 64

D = Decimal


def instrument(symbol: str = SYMBOL, **changes: Any) -> Instrument:
    """A contract with the filters of the large one."""
    fields: dict[str, Any] = {
        "symbol": symbol,
        "contract_type": "PERPETUAL",
        "base_asset": symbol.removesuffix("USDT"),
        "quote_asset": "USDT",
        "trading": True,
        "tick_size": D("0.10"),
        "min_price": D("556.80"),
        "max_price": D("4529764"),
        "step_size": D("0.001"),
        "min_quantity": D("0.001"),
        "max_quantity": D("1000"),
        "market_step_size": D("0.001"),
        "market_min_quantity": D("0.001"),
        "market_max_quantity": D("120"),
        "min_notional": D("100"),
        "price_factor_up": D("1.05"),
        "price_factor_down": D("0.95"),
        "onboard_ms": 1_569_398_400_000,
    }
    return Instrument(**(fields | changes))


def candle(interval: Interval, open_time_ms: int, price: float, symbol: str = SYMBOL) -> Candle:
    """A recorded bar that did not move."""
    return Candle(
        symbol=symbol,
        interval=interval,
        open_time_ms=open_time_ms,
        open=price,
        high=price,
        low=price,
        close=price,
        volume=1.0,
        quote_volume=price,
        trades=float("nan"),
        taker_buy_volume=float("nan"),
        closed=True,
    )


def traded(price: str, quantity: str = "1", symbol: str = SYMBOL, trades: int = 1) -> Print:
    """Trades at one price, half of them bought by takers."""
    return Print(symbol, D(price), D(quantity), D(quantity) / 2, trades)


class ScriptedFeed:
    """A market whose every trade is written down: (seconds after the start, prints)."""

    def __init__(
        self,
        script: Iterable[tuple[float, Sequence[Print]]] = (),
        *,
        end_s: int | None = None,
        past_bars: int = 20,
        past_price: float = 50_000.0,
        symbols: Sequence[str] = (SYMBOL,),
    ) -> None:
        self.rate = D("0.0001")
        self._steps = iter(
            [Step(START_MS + round(at * 1000), tuple(prints)) for at, prints in script]
        )
        self._end_ms = None if end_s is None else START_MS + end_s * 1000
        self._instruments = {symbol: instrument(symbol) for symbol in symbols}
        self._past_bars, self._past_price = past_bars, past_price

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        return self._instruments

    @property
    def start_ms(self) -> int:
        return START_MS

    @property
    def end_ms(self) -> int | None:
        return self._end_ms

    @property
    def update_ms(self) -> int:
        return 1000

    def history(self, symbol: str, interval: Interval) -> Sequence[Candle]:
        first = START_MS - self._past_bars * interval.ms
        times = range(first, START_MS, interval.ms)
        return [candle(interval, time_ms, self._past_price, symbol) for time_ms in times]

    def deep_past(self, symbol: str) -> None:
        del symbol

    def funding_rate(self, symbol: str, funding_time_ms: int) -> Decimal:
        del symbol, funding_time_ms
        return self.rate

    def liquidity(self, symbol: str) -> None:
        del symbol

    def next_step(self) -> Step | None:
        return next(self._steps, None)


class HandClock(SystemClock):
    """A clock that a test moves by hand."""

    def __init__(self, start_ms: int = START_MS) -> None:
        super().__init__()
        self.now_ms = start_ms
        self.pace = 1.0

    @property
    def speed(self) -> float:
        return self.pace

    def market_ms(self) -> int:
        return self.now_ms

    def wall_ms(self) -> int:
        return self.now_ms

    def monotonic_s(self) -> float:
        return self.now_ms / 1000


class Bench:
    """An exchange in hand: one isolated account at 20×, the market at 50,000."""

    def __init__(
        self,
        feed: ScriptedFeed | None = None,
        *,
        balance: str = "10000",
        seed: int = 1,
        switches: Switches | None = None,
    ) -> None:
        self.clock = HandClock()
        self.feed = feed or ScriptedFeed()
        specs = [
            AccountSpec(api_key=KEY, api_secret=SECRET, balance=D(balance)),
            AccountSpec(api_key="other", api_secret="other", balance=D(balance)),
        ]
        self.exchange = SimulatedExchange(self.feed, self.clock, specs, seed, switches)
        self.account, self.other = self.exchange.books.accounts
        for symbol in self.feed.instruments:
            if not self.account.setting(symbol).isolated:
                self.exchange.set_margin_type(self.account, symbol, isolated=True)
        self.market = self.exchange.markets[SYMBOL]
        self.heard: list[MarketHappening] = []
        self.told: list[AccountHappening] = []
        self.exchange.listen(self)

    def market_moved(self, happening: MarketHappening) -> None:
        self.heard.append(happening)

    def account_moved(self, account: Account, happening: AccountHappening) -> None:
        if account is self.account:
            self.told.append(happening)

    def trade(self, price: str, quantity: str = "1", *, after_s: float = 60) -> None:
        """Let the market trade, a while later; by default the mark price follows it."""
        self.clock.now_ms += round(after_s * 1000)
        self.exchange.apply(Step(self.clock.now_ms, (traded(price, quantity),)))

    def limit(
        self,
        side: Side,
        price: str,
        quantity: str = "0.010",
        time_in_force: TimeInForce = TimeInForce.GTC,
        *,
        reduce_only: bool = False,
        client_id: str = "",
        account: Account | None = None,
    ) -> Order:
        """Place a limit order."""
        return self.exchange.place(
            account or self.account,
            OrderRequest(
                symbol=SYMBOL,
                side=side,
                kind=OrderKind.LIMIT,
                quantity=D(quantity),
                price=D(price),
                time_in_force=time_in_force,
                reduce_only=reduce_only,
                client_id=client_id,
            ),
        )

    def market_order(
        self,
        side: Side,
        quantity: str = "0.010",
        *,
        reduce_only: bool = False,
        account: Account | None = None,
    ) -> Order:
        """Place a market order."""
        return self.exchange.place(
            account or self.account,
            OrderRequest(
                symbol=SYMBOL,
                side=side,
                kind=OrderKind.MARKET,
                quantity=D(quantity),
                reduce_only=reduce_only,
            ),
        )

    def stop(
        self,
        side: Side,
        trigger: str,
        *,
        kind: OrderKind = OrderKind.STOP_MARKET,
        by: TriggerPrice = TriggerPrice.MARK,
        quantity: str | None = None,
        reduce_only: bool = True,
        client_id: str = "",
        price: str | None = None,
        time_in_force: TimeInForce = TimeInForce.GTC,
        protected: bool = False,
    ) -> AlgoOrder:
        """Place a conditional order: of a quantity, or closing the position without one."""
        return self.exchange.place_algo(
            self.account,
            AlgoRequest(
                symbol=SYMBOL,
                side=side,
                kind=kind,
                trigger_price=D(trigger),
                trigger_by=by,
                quantity=D(quantity or 0),
                reduce_only=reduce_only and quantity is not None,
                close_position=quantity is None,
                client_id=client_id,
                price=D(price) if price else None,
                time_in_force=time_in_force,
                price_protect=protected,
            ),
        )

    def trailing(
        self,
        side: Side,
        percent: str,
        *,
        activate: str | None = None,
        quantity: str = "0.010",
    ) -> AlgoOrder:
        """Place a trailing stop on the last price, reduce-only."""
        return self.exchange.place_algo(
            self.account,
            AlgoRequest(
                symbol=SYMBOL,
                side=side,
                kind=OrderKind.TRAILING_STOP_MARKET,
                trigger_price=D(0),
                quantity=D(quantity),
                reduce_only=True,
                activate_price=D(activate) if activate else None,
                callback_percent=D(percent),
            ),
        )

    def amend(
        self,
        order: Order,
        price: str | None = None,
        quantity: str | None = None,
        *,
        reduce_only: bool = False,
        modify_id: int | None = None,
    ) -> Order:
        """Change an order of the account; what is not named stays."""
        return self.exchange.amend(
            self.account,
            AmendRequest(
                symbol=order.symbol,
                order_id=order.order_id,
                client_id="",
                side=order.side,
                quantity=D(quantity) if quantity else order.quantity,
                price=D(price) if price else order.price,
                reduce_only=reduce_only,
                modify_id=modify_id,
            ),
        )

    @property
    def held(self) -> Decimal:
        """The signed quantity of the account's position."""
        return self.account.position(SYMBOL).quantity


def code_of(command: Callable[[], object]) -> int:
    """The error number a command is refused with; 0 when it is taken."""
    try:
        command()
    except Refusal as refused:
        return refused.code
    return 0


def state_of(order: Order | AlgoOrder) -> OrderState:
    """An order's state now; a call, for it changes between two looks."""
    return order.state


def lockstep(scenario: Callable[[LockstepClock], Awaitable[T]], start_ms: int = START_MS) -> T:
    """Run a scenario in a lockstep loop of its own, and see that nothing stays behind."""
    loop, clock = new_lockstep_loop(start_ms)

    async def run() -> T:
        result = await scenario(clock)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, f"still running: {left}"
        return result

    try:
        return loop.run_until_complete(run())
    finally:
        loop.close()


class Ear:
    """A WebSocket client that keeps what it hears, and tells the clock that it did."""

    def __init__(self, clock: LockstepClock, url: str) -> None:
        self._clock = clock
        self._url = url
        self.heard: list[dict[str, Any]] = []
        self.raw: list[bytes] = []
        self.at_ms: list[int] = []
        self.unreadable = 0
        self._task: asyncio.Task[None] | None = None
        self._socket: websockets.ClientConnection | None = None

    async def __aenter__(self) -> "Ear":
        self._socket = await websockets.connect(
            self._url, ping_interval=None, compression=None, max_queue=None
        )
        self._task = asyncio.create_task(self._listen(self._socket))
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._socket is not None
        assert self._task is not None
        await self._socket.close()
        await self._task

    async def _listen(self, socket: websockets.ClientConnection) -> None:
        host, port = socket.local_address[:2]
        # A connection that is cut ends the listening; close_code tells.
        with suppress(websockets.ConnectionClosedError):
            async for message in socket:
                raw = message.encode() if isinstance(message, str) else message
                self.raw.append(raw)
                try:
                    self.heard.append(msgspec.json.decode(raw))
                except msgspec.DecodeError:
                    self.unreadable += 1
                else:
                    self.at_ms.append(self._clock.market_ms())
                self._clock.in_flight.received(f"{host}:{port}")

    def close_code(self) -> int | None:
        """How the connection ended: 1006 without a farewell; None while it is open."""
        assert self._socket is not None
        return self._socket.close_code

    async def ask(self, method: str, params: Sequence[str], number: int = 1) -> None:
        """Send a request; its answer is heard like everything else."""
        assert self._socket is not None
        asked = {"method": method, "params": list(params), "id": number}
        await self._socket.send(msgspec.json.encode(asked).decode())

    def events(self, kind: str) -> list[dict[str, Any]]:
        """What was heard of one kind of event, unwrapped."""
        bodies = [message.get("data", message) for message in self.heard]
        return [body for body in bodies if body.get("e") == kind]
