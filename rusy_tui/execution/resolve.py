"""Finding out what became of an order whose reply was lost (``docs/order-outcomes.md``)."""

import structlog

from rusy_tui.domain.clock import Clock
from rusy_tui.domain.errors import ExchangeError, UnreachableError
from rusy_tui.domain.order import OrderIntent, OrderReport
from rusy_tui.exchange.port import ExchangePort

log = structlog.get_logger("exec")

# How often the exchange is asked about an unresolved order, wall seconds.
ASK_EVERY_S = 0.5
# An order may arrive until its timestamp plus its recvWindow; exchange ms.
DEFAULT_RECV_WINDOW_MS = 5000


class Resolver:
    """Asks for an order until it is found or proven absent; never sends it again.

    Args:
        exchange: that is asked.
        clock: whose wall time the window is waited for in.
        recv_window_ms: of orders that name none of their own.
    """

    def __init__(
        self,
        exchange: ExchangePort,
        clock: Clock,
        recv_window_ms: int = DEFAULT_RECV_WINDOW_MS,
    ) -> None:
        self._exchange = exchange
        self._clock = clock
        self._recv_window_ms = recv_window_ms

    async def resolve(self, intent: OrderIntent) -> OrderReport | None:
        """The exchange's word on an order, however long that takes; None when absent.

        *Absent* needs all of: the time in which the order could still arrive is over, the
        query by id does not know it, its book's list does not hold it, and none of our fills
        is of it. The last holds by itself for an order whose number was never seen; fills of
        the symbol are read right after by the caller either way.
        """
        window_ms = intent.recv_window_ms or self._recv_window_ms
        # Market time may run faster than the wall; the window counts in wall milliseconds.
        deadline_s = self._clock.monotonic_s() + window_ms / 1000
        while True:
            # What was read before the window's end proves nothing, however late it comes.
            over = self._clock.monotonic_s() > deadline_s
            try:
                found = await self._find(intent)
            except (ExchangeError, UnreachableError) as error:
                log.warning("asking failed", order=intent.client_order_id, why=str(error))
            else:
                if found is not None:
                    return found
                if over:
                    return None
            await self._clock.sleep(ASK_EVERY_S)

    async def _find(self, intent: OrderIntent) -> OrderReport | None:
        report = await self._exchange.order(intent.symbol, intent.client_order_id, intent.book)
        if report is not None:
            return report
        for report in await self._exchange.open_orders(intent.book, intent.symbol):
            if report.client_order_id == intent.client_order_id:
                return report
        return None
