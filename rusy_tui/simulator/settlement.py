"""Turning matches into trades: positions, wallets, order states, and who is told."""

from collections.abc import Callable, Mapping
from decimal import Decimal

from rusy_tui.domain.money import ZERO, to_ledger
from rusy_tui.domain.order import OrderState
from rusy_tui.simulator.account import Account
from rusy_tui.simulator.happenings import (
    AccountHappening,
    AlgoMoved,
    FundsMoved,
    OrderMoved,
)
from rusy_tui.simulator.market import SymbolMarket
from rusy_tui.simulator.orders import AlgoOrder, Expiry, LedgerEntry, Order, Trade
from rusy_tui.simulator.randomness import generator
from rusy_tui.simulator.state import Books

Tell = Callable[[Account, AccountHappening], None]


class Settlement:
    """Books what happens to orders and money, and tells the account."""

    def __init__(
        self, books: Books, markets: Mapping[str, SymbolMarket], tell: Tell, seed: int
    ) -> None:
        self._books = books
        self._markets = markets
        self._tell = tell
        self._coin = generator(seed, "order of account events")

    def accept(self, order: Order, now_ms: int) -> None:
        """A new order exists."""
        self._books.keep(order)
        self._tell(self._account(order), OrderMoved(order, "NEW", None, now_ms))

    def trade(
        self,
        order: Order,
        price: Decimal,
        quantity: Decimal,
        now_ms: int,
        *,
        is_maker: bool,
        execution: str = "TRADE",
    ) -> Trade:
        """Execute a part of an order."""
        account = self._account(order)
        market = self._markets[order.symbol]
        profit = account.fill(order.symbol, order.side, price, quantity, now_ms)
        rate = account.maker_rate if is_maker else account.taker_rate
        trade = Trade(
            trade_id=market.trade_id(),
            symbol=order.symbol,
            order_id=order.order_id,
            client_id=order.client_id,
            side=order.side,
            price=price,
            quantity=quantity,
            commission=to_ledger(price * quantity * rate),
            realised_pnl=profit,
            is_maker=is_maker,
            time_ms=now_ms,
        )
        account.trades.append(trade)
        if profit:
            self.book(account, "REALIZED_PNL", order.symbol, profit, now_ms, trade.trade_id)
        self.book(
            account, "COMMISSION", order.symbol, -trade.commission, now_ms, trade.trade_id
        )
        order.filled += quantity
        order.filled_quote += price * quantity
        full = order.remaining <= ZERO
        order.state = OrderState.FILLED if full else OrderState.PARTIALLY_FILLED
        order.updated_ms = now_ms
        self._books.keep(order)
        if full:
            market.book.remove(order)
        told: list[AccountHappening] = [
            OrderMoved(order, execution, trade, now_ms),
            FundsMoved("ORDER", order.symbol, ZERO, now_ms),
        ]
        # The exchange promises no order between kinds of event: nobody may lean on one.
        if self._coin.random() < 0.5:
            told.reverse()
        for happening in told:
            self._tell(account, happening)
        self._follow(order, now_ms)
        return trade

    def end(self, order: Order, state: OrderState, execution: str, now_ms: int) -> None:
        """An order can't trade any more: cancelled or expired."""
        order.state = state
        order.updated_ms = now_ms
        self._books.keep(order)
        self._markets[order.symbol].book.remove(order)
        self._tell(self._account(order), OrderMoved(order, execution, None, now_ms))
        self._follow(order, now_ms)

    def amended(self, order: Order, now_ms: int) -> None:
        """An order has another price or quantity."""
        order.updated_ms = now_ms
        self._books.keep(order)
        self._tell(self._account(order), OrderMoved(order, "AMENDMENT", None, now_ms))

    def _follow(self, order: Order, now_ms: int) -> None:
        """Keep the conditional order that an order came from in step with it."""
        algo = self._books.algos.get(order.algo_id)
        if algo is None:
            return
        algo.actual_price, algo.actual_quantity = order.average_price, order.filled
        if not order.is_open and algo.state is OrderState.TRIGGERED:
            # FINISHED: filled or cancelled in the matching engine (notes on ALGO_UPDATE).
            self.move_algo(algo, OrderState.FINISHED, now_ms)

    def expire_reducers(self, account: Account, symbol: str, now_ms: int) -> None:
        """End what can only reduce a position that is no longer there.

        The exchange's word for it is that the order is "knocked out": it would open or turn
        a position. While some of the position is left such orders stay, and each fills by no
        more than there is; whether the exchange cuts them earlier is not documented.

        Reduce-only orders, and conditional orders with closePosition (which the exchange
        keeps as GTE_GTC: its notes on ALGO_UPDATE say EXPIRED when the position is closed).
        A conditional reduce-only order with a quantity stays: its trigger will be refused.
        """
        position = account.position(symbol)
        for order in self._books.open_orders_of(account, symbol):
            if order.reduce_only and position.sign != -order.side.sign:
                order.expiry = Expiry.KNOCKED_OUT
                self.end(order, OrderState.EXPIRED, "EXPIRED", now_ms)
        if not position.quantity:
            for algo in self._books.open_algos_of(account, symbol):
                if algo.close_position:
                    self.move_algo(algo, OrderState.EXPIRED, now_ms)

    def move_algo(self, algo: AlgoOrder, state: OrderState, now_ms: int) -> None:
        """A conditional order is in another state."""
        algo.state = state
        algo.updated_ms = now_ms
        self._books.keep_algo(algo)
        self._tell(self._books.accounts[algo.account], AlgoMoved(algo, now_ms))

    def book(
        self,
        account: Account,
        kind: str,
        symbol: str,
        amount: Decimal,
        now_ms: int,
        trade_id: int = 0,
    ) -> None:
        """Write an entry into an account's ledger."""
        entry_id = self._books.next_entry_id()
        account.book(
            LedgerEntry(
                entry_id=entry_id,
                kind=kind,
                symbol=symbol,
                amount=amount,
                time_ms=now_ms,
                trade_id=trade_id,
            )
        )

    def tell(self, account: Account, happening: AccountHappening) -> None:
        """Tell an account what happened to it."""
        self._tell(account, happening)

    def _account(self, order: Order) -> Account:
        return self._books.accounts[order.account]
