"""An exchange that answers what a test tells it to, in one lockstep loop with the adapter."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from rusy_tui.clock import LockstepClock, new_lockstep_loop
from rusy_tui.exchange.binance import BinanceExchange

START_MS = 1_750_000_000_000
KEY = "a-key"
SECRET = "a-secret"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Seen:
    """A request as it came over the wire."""

    method: str
    path: str
    raw: str
    headers: dict[str, str]
    at_ms: int

    @property
    def params(self) -> dict[str, str]:
        return dict(parse_qsl(self.raw, keep_blank_values=True))


@dataclass
class Answer:
    """What is answered. ``after_s``: lockstep seconds before; ``cut``: nothing, ever."""

    body: Any = field(default_factory=dict)
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    after_s: float = 0.02
    cut: bool = False


class ScriptedExchange:
    """Answers per ``METHOD path`` in the order scripted; the last one for ever.

    Paths are those after ``/fapi/``; of the other interfaces they begin with ``sapi/`` and
    ``futures/``.

    Unknown paths answer 404. Signatures are checked over the raw bytes.
    """

    def __init__(self, clock: LockstepClock) -> None:
        self.clock = clock
        self.seen: list[Seen] = []
        self.time_offset_ms = 0
        self.checks_signatures = True
        self._answers: dict[str, list[Answer]] = {}
        self._sockets: list[web.WebSocketResponse] = []
        self.socket_paths: list[str] = []
        self.on_socket: Callable[[web.WebSocketResponse, int], Awaitable[None]] | None = None
        self._runner: web.AppRunner | None = None
        self.url = ""

    def script(self, request: str, *answers: Answer) -> None:
        self._answers[request] = list(answers)

    def requests(self, request: str) -> list[Seen]:
        method, path = request.split(" ")
        return [one for one in self.seen if (one.method, one.path) == (method, path)]

    async def start(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:(fapi|sapi|futures)/.*}", self._answer)
        app.router.add_get("/{path:(public|market|private)/.*}", self._socket)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        raw = request.rel_url.raw_query_string + (await request.read()).decode()
        path = request.path.removeprefix("/fapi/").removeprefix("/")
        self.seen.append(
            Seen(request.method, path, raw, dict(request.headers), self.clock.market_ms())
        )
        if self.checks_signatures and "signature=" in raw and not signed_right(raw):
            return _error(400, -1022, "Signature for this request is not valid.")
        if path == "v1/time":
            await asyncio.sleep(0.02)
            now_ms = self.clock.market_ms() + self.time_offset_ms
            await asyncio.sleep(0.02)
            return web.json_response({"serverTime": now_ms})
        answers = self._answers.get(f"{request.method} {path}")
        if answers is None:
            return web.Response(status=404, text="<html>no such page</html>")
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        await asyncio.sleep(answer.after_s)
        if answer.cut:
            assert request.transport is not None
            request.transport.abort()
        text = answer.body if isinstance(answer.body, str) else json.dumps(answer.body)
        return web.Response(status=answer.status, text=text, headers=answer.headers)

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.socket_paths.append(request.raw_path)
        self._sockets.append(socket)
        assert self.on_socket is not None
        await self.on_socket(socket, len(self._sockets))
        return socket


def _error(status: int, code: int, text: str) -> web.Response:
    return web.json_response({"code": code, "msg": text}, status=status)


def refusal(code: int, text: str, status: int = 400, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer({"code": code, "msg": text}, status, named)


def signed_right(raw: str) -> bool:
    """Whether the text before the signature, byte for byte, is what was signed."""
    text, _, signature = raw.partition("&signature=")
    return hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest() == signature


def in_lockstep(
    scenario: Callable[[ScriptedExchange, BinanceExchange, LockstepClock], Awaitable[None]],
    *,
    tells_keys: bool = False,
    checks_signatures: bool = True,
    **options: Any,
) -> None:
    """Run a scenario with a scripted exchange and an adapter that is not yet connected.

    With ``tells_keys`` the venue says what a key may do; without ``checks_signatures`` it takes
    those of other keys than its own.
    """
    loop, clock = new_lockstep_loop(START_MS)

    async def run() -> None:
        scripted = ScriptedExchange(clock)
        scripted.checks_signatures = checks_signatures
        await scripted.start()
        exchange = BinanceExchange(
            scripted.url,
            scripted.url.replace("http", "ws"),
            KEY,
            SECRET,
            clock,
            sapi_url=scripted.url if tells_keys else None,
            ping_interval_s=None,
            **options,
        )
        try:
            await scenario(scripted, exchange, clock)
        finally:
            await exchange.close()
            await scripted.stop()
            # The server's handlers that still wait for their script.
            rest = asyncio.all_tasks() - {asyncio.current_task()}
            for task in rest:
                task.cancel()
            await asyncio.gather(*rest, return_exceptions=True)

    try:
        loop.run_until_complete(run())
    finally:
        loop.close()


def script_account(scripted: ScriptedExchange, **bodies: Any) -> None:
    """What reads of the account answer: nothing is open, unless bodies say otherwise."""
    wallet = {"asset": "USDT", "balance": "122624.12345678", "availableBalance": "9000"}
    empty: dict[str, Any] = {
        "v3/balance": [wallet],
        "v3/positionRisk": [],
        "v1/openOrders": [],
        "v1/openAlgoOrders": [],
        "v1/userTrades": [],
    }
    for path, body in empty.items():
        found = bodies.get(path.partition("/")[2], body)
        scripted.script(f"GET {path}", found if isinstance(found, Answer) else Answer(found))
