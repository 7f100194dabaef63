"""The queue of writes: in order, each once done, none waited for too long."""

import asyncio

from rusy_tui.clock import LockstepClock
from rusy_tui.domain.errors import RusyError
from rusy_tui.store.errors import DatabaseLost, DatabaseRefused
from rusy_tui.store.writes import Writes
from tests.lockstep import in_lockstep


class Table:
    """Rows, and what the next calls do instead of writing one."""

    def __init__(self) -> None:
        self.rows: list[str] = []
        self.errors: list[Exception] = []
        self.open = asyncio.Event()
        self.open.set()

    async def write(self, row: str) -> None:
        await self.open.wait()
        if self.errors:
            raise self.errors.pop(0)
        self.rows.append(row)


def test_what_failed_is_repeated_in_its_turn() -> None:
    async def main(clock: LockstepClock) -> None:
        writes, table, troubles = Writes(clock), Table(), list[RusyError]()
        writes.troubled = troubles.append
        table.errors = [DatabaseLost("gone"), DatabaseLost("gone")]
        assert not await writes.keep(lambda: table.write("a"), "a", 1)
        assert not await writes.keep(lambda: table.write("b"), "b", 1)
        assert clock.monotonic_s() == 0
        await writes.settled()
        assert table.rows == ["a", "b"]
        assert len(troubles) == 2
        assert await writes.keep(lambda: table.write("c"), "c", 1)

    in_lockstep(main)


def test_one_that_hangs_is_waited_for_once() -> None:
    async def main(clock: LockstepClock) -> None:
        writes, table = Writes(clock), Table()
        table.open.clear()
        for row in "abc":
            assert not await writes.keep(lambda row=row: table.write(row), row, 0.3)  # type: ignore[misc]
        assert clock.monotonic_s() == 0.3
        table.open.set()
        await writes.settled()
        assert table.rows == ["a", "b", "c"]
        assert len(writes) == 0

    in_lockstep(main)


def test_one_that_is_refused_or_broken_holds_nothing_up() -> None:
    async def main(clock: LockstepClock) -> None:
        writes, table, troubles = Writes(clock), Table(), list[RusyError]()
        writes.troubled = troubles.append
        table.errors = [DatabaseRefused("no", "23514"), ValueError("a bug")]
        assert not await writes.keep(lambda: table.write("a"), "a", 1)
        assert not await writes.keep(lambda: table.write("b"), "b", 1)
        assert await writes.keep(lambda: table.write("c"), "c", 1)
        assert table.rows == ["c"]
        assert len(troubles) == 2

    in_lockstep(main)


def test_a_stop_does_not_wait_for_ever() -> None:
    async def main(clock: LockstepClock) -> None:
        writes, table = Writes(clock), Table()
        table.open.clear()
        writes.put(lambda: table.write("a"), "a")
        await writes.close()
        assert clock.monotonic_s() == 1

    in_lockstep(main)
