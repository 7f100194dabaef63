"""One HTTP request: python-binance's client with our stamps and signatures.

What of its ways is replaced, and why:

* its ``create()`` asks the spot interface first: never called;
* it stamps with the machine's time and forces a recvWindow of 10 s: stamped here, by our Clock;
* it signs unencoded text while aiohttp encodes the body: here the text that is signed is the
  text that is sent, so that no character can break a signature;
* it tells key kinds apart by the length of their text: here by what they are;
* it keeps the last response on the client, shared by concurrent calls: headers are read where
  the response is handled.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
from binance import AsyncClient
from Crypto.PublicKey import RSA

from rusy_tui.exchange.signing import Credentials, private_key_of

# Shorter than any server's own limit, so that we are the side that drops an idle connection:
# a POST on one that the server has just dropped would be unresolved for nothing.
_KEEP_ALIVE_S = 15.0

Params = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, whatever its status."""

    status: int
    body: bytes
    headers: Mapping[str, str]


class Client(AsyncClient):  # type: ignore[misc]  # python-binance has no types
    """Sends what it is given, stamped and signed.

    Args:
        rest_url: base address of the futures interface.
        sapi_url: base address of the interface that tells what a key may do.
        credentials: what signs.
        exchange_ms: exchange time now.

    Raises:
        ConfigurationError: the private key can't be used.
    """

    def __init__(
        self,
        rest_url: str,
        sapi_url: str | None,
        credentials: Credentials,
        exchange_ms: Callable[[], int],
    ) -> None:
        # First: what fails after it leaves a session open.
        private_key = private_key_of(credentials)
        self._exchange_ms = exchange_ms
        # testnet and demo would override FUTURES_URL.
        super().__init__(credentials.api_key, credentials.api_secret, testnet=False, demo=False)
        self.PRIVATE_KEY = private_key
        self.FUTURES_URL = f"{rest_url.rstrip('/')}/fapi"
        self.FUTURES_DATA_URL = f"{rest_url.rstrip('/')}/futures/data"
        if sapi_url is not None:
            self.MARGIN_API_URL = f"{sapi_url.rstrip('/')}/sapi"

    def _get_headers(self) -> dict[str, str]:
        headers = {"Accept": "application/json"}
        if self.API_KEY:
            headers["X-MBX-APIKEY"] = self.API_KEY
        return headers

    def _init_session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            headers=self._get_headers(),
            connector=aiohttp.TCPConnector(keepalive_timeout=_KEEP_ALIVE_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            # Time-outs are the Clock's.
            timeout=aiohttp.ClientTimeout(total=None),
        )

    def _get_request_kwargs(
        self,
        method: str,
        signed: bool,
        force_params: bool = False,
        data: Params | None = None,
    ) -> dict[str, Any]:
        params = dict(data or {})
        if signed:
            params["timestamp"] = str(self._exchange_ms())
        text = urlencode(params)
        if signed:
            # Base 64 has characters that mean something in a query.
            text = f"{text}&signature={quote(self._signature(text), safe='')}"
        sent: dict[str, Any] = {"allow_redirects": False}
        if text:
            sent["params" if method == "get" else "data"] = text
        return sent

    def _signature(self, text: str) -> str:
        if self.PRIVATE_KEY is None:
            sign = self._hmac_signature
        elif isinstance(self.PRIVATE_KEY, RSA.RsaKey):
            sign = self._rsa_signature
        else:
            sign = self._ed25519_signature
        signature: str = sign(text)
        return signature

    async def _request_futures_data_api(
        self, method: str, path: str, signed: bool = False, version: int = 1, **kwargs: Any
    ) -> Answer:
        # Called as its siblings are; these paths have no version.
        answer: Answer = await super()._request_futures_data_api(method, path, signed, **kwargs)
        return answer

    async def _handle_response(self, response: aiohttp.ClientResponse) -> Answer:
        return Answer(response.status, await response.read(), response.headers)
