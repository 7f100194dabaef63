"""A market that is behind its clock lets nobody in until it has caught up."""

import asyncio


class Gate:
    """Closed from a jump of market time until everything before it has traded.

    Who acts at the clock's time waits in front of it: an order placed at an instant whose
    past has not traded yet would take part in that past, and pay its funding.
    """

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self._open.set()
        self._until_ms = 0
        self._behind_ms = 0

    @property
    def is_open(self) -> bool:
        """Whether the market is where its clock is."""
        return self._open.is_set()

    def close(self, until_ms: int, from_ms: int) -> None:
        """Let nobody in until the market has come to a moment.

        Args:
            until_ms: that moment, market time.
            from_ms: where the market is.
        """
        self._open.clear()
        self._until_ms = until_ms
        self._behind_ms = until_ms - from_ms

    def come_to(self, due_ms: int, now_ms: int) -> None:
        """Open again once nothing is left to trade at once.

        What passed on the clock meanwhile is caught up with too, as long as that is ever
        less: a market that runs faster than the machine is as far as it gets.

        Args:
            due_ms: when the next thing happens in the market.
            now_ms: the clock's time.
        """
        if self.is_open or due_ms <= self._until_ms:
            return
        behind_ms = now_ms - self._until_ms
        if due_ms > now_ms or behind_ms >= self._behind_ms:
            self._open.set()
        else:
            self._until_ms, self._behind_ms = now_ms, behind_ms

    def open(self) -> None:
        """Let everybody in: the market has ended."""
        self._open.set()

    async def passed(self) -> None:
        """Wait until it is open; no wait at all when it is."""
        if not self._open.is_set():
            await self._open.wait()
