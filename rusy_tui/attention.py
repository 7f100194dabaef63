"""The demo follows attention: real time while somebody has to decide, else its own speed."""

import asyncio
from collections.abc import Callable

import structlog

from rusy_tui.domain.clock import Clock, Pace, PaceControl
from rusy_tui.domain.errors import UnreachableError

log = structlog.get_logger("engine")

# How long the demo stays at real time after a fill, wall seconds.
AFTER_FILL_S = 20.0
DECIDING_SPEED = 1.0
# An owner that did not answer is asked again after this, wall seconds.
RETRY_S = 1.0


class Attention:
    """Asks the owner of the pace for real time while attention is needed.

    Attention is needed while a proposal pends in approve mode, while a watcher has a card
    open, and for :data:`AFTER_FILL_S` after a fill.

    Args:
        clock: whose wall time the span after a fill counts in.
        control: owner of the pace; None where market time can't be slowed.
        speed: the demo's own, market seconds a wall second.
        pending: whether a proposal waits for the operator.
        told: called with each new pace, and whether it is for deciding.
    """

    def __init__(
        self,
        clock: Clock,
        control: PaceControl | None,
        speed: float,
        pending: Callable[[], bool],
        told: Callable[[Pace, bool], None],
    ) -> None:
        self._clock = clock
        self._control = control
        self._speed = speed
        self._pending = pending
        self._told = told
        self._cards: set[str] = set()
        self._until_s = 0.0
        self._changed = asyncio.Event()
        self._deciding: bool | None = None

    def card(self, watcher: str, is_open: bool) -> None:
        """A watcher opened or closed a card."""
        if is_open:
            self._cards.add(watcher)
        else:
            self._cards.discard(watcher)
        self._changed.set()

    def fill(self) -> None:
        """A fill arrived."""
        self._until_s = self._clock.monotonic_s() + AFTER_FILL_S
        self._changed.set()

    def look(self) -> None:
        """Something that may matter changed."""
        self._changed.set()

    def needed(self) -> bool:
        """Whether somebody has to decide now."""
        recent = self._clock.monotonic_s() < self._until_s
        return recent or bool(self._cards) or self._pending()

    async def run(self) -> None:
        """Keep the pace right; runs until cancelled, or not at all without a pace."""
        if self._control is None:
            return
        while True:
            self._changed.clear()
            kept = await self._set(self._control, self.needed())
            left_s = self._until_s - self._clock.monotonic_s()
            wait_s = RETRY_S if not kept else left_s if left_s > 0 else 3600
            try:
                await self._clock.within(wait_s, self._changed.wait())
            except TimeoutError:
                continue

    async def _set(self, control: PaceControl, deciding: bool) -> bool:
        """Whether the pace is as it should be."""
        if deciding == self._deciding:
            return True
        try:
            pace = await control.set_speed(
                min(DECIDING_SPEED, self._speed) if deciding else self._speed
            )
        except UnreachableError as error:
            # The market goes on at its old pace meanwhile.
            log.warning("pace not set", why=str(error))
            return False
        self._deciding = deciding
        self._told(pace, deciding)
        return True
