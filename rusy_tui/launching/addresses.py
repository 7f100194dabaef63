"""Where exchanges are."""

from typing import NamedTuple

from rusy_tui.domain.settings import Venue


class Urls(NamedTuple):
    """Base addresses; ``sapi_url`` None where nobody tells what a key may do."""

    rest_url: str
    ws_url: str
    sapi_url: str | None = None


ADDRESSES = {
    Venue.LIVE: Urls(
        "https://fapi.binance.com", "wss://fstream.binance.com", "https://api.binance.com"
    ),
    Venue.TESTNET: Urls("https://demo-fapi.binance.com", "wss://fstream.binancefuture.com"),
}
"""The exchanges that Rusy knows; the live one is also where paper gets its market from."""
