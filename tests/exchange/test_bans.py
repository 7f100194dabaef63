"""A ban of the exchange holds in the next start as well."""

import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from rusy_tui.clock import LockstepClock
from rusy_tui.domain.errors import ExchangeError
from rusy_tui.exchange.bans import BanFile
from rusy_tui.exchange.binance import BinanceExchange
from tests.exchange.scripted import (
    START_MS,
    Answer,
    ScriptedExchange,
    in_lockstep,
    refusal,
)
from tests.lockstep import in_lockstep as lockstep

Scenario = Callable[[ScriptedExchange, BinanceExchange, LockstepClock], Awaitable[None]]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "run" / "ban.json"


def banned(status: int, text: str, **headers: str) -> Scenario:
    async def scenario(
        scripted: ScriptedExchange, exchange: BinanceExchange, clock: LockstepClock
    ) -> None:
        await exchange.connect()
        scripted.script("GET v3/balance", refusal(-1003, text, status, **headers))
        with pytest.raises(TimeoutError):
            await clock.within(5, exchange.balance("USDT"))
        assert exchange.status().closed_for_s > 0

    return scenario


@pytest.mark.parametrize(
    ("status", "text", "headers", "wait_s"),
    [
        (418, "Way too many requests.", {"Retry_After": "900"}, 900),
        (418, f"IP banned until {START_MS + 600_000}.", {}, 600),
        (418, "I am a teapot", {}, 120),
        (429, "Too many requests.", {"Retry_After": "37"}, 37),
        (403, "<html>", {}, 60),
    ],
)
def test_the_next_start_waits_for_the_named_time(
    file: Path,
    status: int,
    text: str,
    headers: dict[str, str],
    wait_s: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    in_lockstep(banned(status, text, **headers), ban_file=file)

    async def again(
        scripted: ScriptedExchange, exchange: BinanceExchange, clock: LockstepClock
    ) -> None:
        # The new clock begins where the former did, a fraction of a second before the ban.
        await exchange.connect()
        assert all(START_MS + (wait_s - 1) * 1000 < one.at_ms for one in scripted.seen)
        assert scripted.seen[0].at_ms < START_MS + (wait_s + 1) * 1000

    with caplog.at_level(logging.WARNING):
        in_lockstep(again, ban_file=file)
    assert "waiting" in caplog.text


def test_a_ban_that_is_over_holds_nobody(file: Path) -> None:
    in_lockstep(banned(429, "stop", Retry_After="10"), ban_file=file)

    async def again(
        scripted: ScriptedExchange, exchange: BinanceExchange, clock: LockstepClock
    ) -> None:
        await clock.sleep(60)
        began_s = clock.monotonic_s()
        await exchange.connect()
        assert clock.monotonic_s() - began_s < 1

    in_lockstep(again, ban_file=file)


def test_a_damaged_file_is_taken_for_a_ban_and_named(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file.parent.mkdir()
    file.write_text('{"until_ms": tomorrow')

    async def scenario(
        scripted: ScriptedExchange, exchange: BinanceExchange, clock: LockstepClock
    ) -> None:
        await exchange.connect()
        assert scripted.seen[0].at_ms >= START_MS + 120_000

    with caplog.at_level(logging.WARNING):
        in_lockstep(scenario, ban_file=file)
    assert str(file) in caplog.text
    assert "Delete it" in caplog.text


def test_the_later_end_is_kept_and_a_mad_one_is_cut(file: Path) -> None:
    async def main(clock: LockstepClock) -> None:
        bans = BanFile(file, clock, 120)
        assert bans.left() == (0, "")
        bans.keep(600, "long")
        bans.keep(30, "short")
        left_s, why = bans.left()
        assert (round(left_s), why) == (600, "long")
        bans.keep(10**9, "for ever")
        assert bans.left() == (3 * 86_400, "for ever")

    lockstep(main)


def test_a_file_that_can_not_be_written_is_said(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file.parent.write_text("a file where the folder should be")

    async def scenario(
        scripted: ScriptedExchange, exchange: BinanceExchange, clock: LockstepClock
    ) -> None:
        await exchange.connect()
        scripted.script(
            "GET v3/balance", refusal(-1003, "stop", 429, Retry_After="5"), Answer("no json")
        )
        with pytest.raises(ExchangeError):
            await exchange.balance("USDT")

    # What lies in the way is damage too: the start waits.
    with caplog.at_level(logging.WARNING):
        in_lockstep(scenario, ban_file=file)
    assert "can't be kept" in caplog.text
