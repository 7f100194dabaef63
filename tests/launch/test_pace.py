"""A collector's clock keeps the pace that an engine sets; a machine's own may be set."""

import asyncio
import socket
import time

import pytest
import structlog
from aiohttp import web

from rusy_tui.clock import PacedClock, SystemClock
from rusy_tui.domain.clock import Pace
from rusy_tui.launching import simulated
from rusy_tui.launching.simulated import TOKEN_HEADER, Place, SimulatorPace


async def test_a_pace_that_others_set_is_followed() -> None:
    begun_s = time.monotonic()
    paces = [Pace(1_000_000, begun_s, 60.0)]
    asked: list[str] = []

    async def tell(request: web.Request) -> web.Response:
        asked.append(request.headers[TOKEN_HEADER])
        now = paces[-1]
        return web.json_response(
            {
                "market_anchor_ms": now.market_anchor_ms,
                "monotonic_anchor_s": now.monotonic_anchor_s,
                "speed": now.speed,
            }
        )

    app = web.Application()
    app.router.add_get("/control/pace", tell)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0]
    url = f"http://{host}:{port}"
    place = Place(
        pid=1,
        rest_url=url,
        ws_url=url,
        control_url=f"{url}/control",
        control_token="token",
        api_key="",
        api_secret="",
    )
    clock = PacedClock(paces[0])
    control = SimulatorPace(place, clock)
    following = asyncio.create_task(control.follow())
    try:
        async with asyncio.timeout(20):
            while not asked:
                await asyncio.sleep(0.01)
            paces.append(Pace(2_000_000, begun_s, 1.0))
            while clock.speed != 1.0:
                await asyncio.sleep(0.01)
        assert clock.pace == paces[-1]
        assert set(asked) == {"token"}
        await runner.cleanup()
        # An owner that does not answer is asked again, and the pace stays as it was.
        await asyncio.sleep(0)
        assert not following.done()
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await control.close()
        await runner.cleanup()


async def test_an_owner_that_is_gone_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulated, "_FOLLOW_EVERY_S", 0.01)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    place = Place(
        pid=1,
        rest_url=url,
        ws_url=url,
        control_url=f"{url}/control",
        control_token="token",
        api_key="",
        api_secret="",
    )
    control = SimulatorPace(place, PacedClock(Pace(1_000_000, time.monotonic(), 1.0)))
    asked = []
    unpatched = control._asked

    async def counted(method: str, what: str) -> Pace:
        asked.append(what)
        return await unpatched(method, what)

    monkeypatch.setattr(control, "_asked", counted)
    with structlog.testing.capture_logs() as told:
        following = asyncio.create_task(control.follow())
        async with asyncio.timeout(20):
            while len(asked) < 5:
                await asyncio.sleep(0.01)
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
    await control.close()
    assert [each["event"] for each in told] == ["pace not known"]


async def test_a_wait_for_market_time_ends_soon_after_the_machine_slept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The wall clock has gone on then, or was set; what a timer counts has not."""
    clock, now_ns = SystemClock(), time.time_ns()
    slept_ns = 0
    monkeypatch.setattr(time, "time_ns", lambda: now_ns + slept_ns)
    waiting = asyncio.create_task(clock.sleep_until_market(clock.market_ms() + 3_600_000))
    await asyncio.sleep(0.01)
    slept_ns = 3_600_000_000_000
    async with asyncio.timeout(10):
        await waiting
