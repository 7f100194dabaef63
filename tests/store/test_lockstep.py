"""In lockstep, database calls take no time and end in the order made, run after run."""

import asyncio

from rusy_tui.clock import new_lockstep_loop
from rusy_tui.store.address import DatabaseAddress
from rusy_tui.store.store import Store

START = 1_746_057_600_000


def run(address: DatabaseAddress, account: str) -> tuple[list[tuple[int, str]], list[str]]:
    """A hundred entries by four tasks with timers of their own, and what each saw."""
    loop, clock = new_lockstep_loop(START)
    seen: list[tuple[int, str]] = []

    async def writer(store: Store, name: str, every_s: float) -> None:
        for number in range(25):
            await clock.sleep(every_s)
            subject = f"{name}{number}"
            await store.journal.append("test", subject, {}, clock.market_ms())
            seen.append((clock.market_ms(), subject))

    async def main() -> list[str]:
        store = await Store.open(address, clock, "demo", account)
        lock = await store.lock_account()
        opened_ms = clock.market_ms()
        assert opened_ms == START  # connecting and migrating took no time
        periods = {"a": 0.25, "b": 0.25, "c": 0.5, "d": 1.0}
        await asyncio.gather(*(writer(store, *each) for each in periods.items()))
        entries = await store.journal.since(START)
        await lock.release()
        await store.close()
        return [entry.subject for entry in entries]

    try:
        return seen, loop.run_until_complete(main())
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


def test_a_hundred_entries_are_equal_in_every_run(database_address: DatabaseAddress) -> None:
    first, *others = (run(database_address, f"run{number}") for number in range(3))
    assert len(first[0]) == 100
    assert [subject for _, subject in first[0]] == first[1]
    assert first[0][0] == (START + 250, "a0")
    assert first[0][-1] == (START + 25_000, "d24")
    for other in others:
        assert other == first
