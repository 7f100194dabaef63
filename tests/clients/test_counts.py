"""How much of the exchange independent clients were seen to use, in this very run.

It runs last, and only when all of the folder runs (``make done-clients``): it counts what the
other tests did.
"""

import inspect

from binance_sdk_derivatives_trading_usds_futures.rest_api import (
    DerivativesTradingUsdsFuturesRestAPI,
)
from binance_sdk_derivatives_trading_usds_futures.websocket_streams import (
    DerivativesTradingUsdsFuturesWebSocketStreams,
)

from tests.clients import counts
from tests.clients.test_sdk_errors import PROVOKED
from tests.clients.test_sdk_user_stream import EVENTS

_CONVERT = "conversion of assets is not simulated"
_DOWNLOADS = "files that the exchange makes for downloading are not simulated"
_CROWD = "figures of all the exchange's traders, of which there are none here"
_DATED = "no dated contracts are simulated"
EXCLUDED = {
    "accept_the_offered_quote": _CONVERT,
    "list_all_convert_pairs": _CONVERT,
    "order_status": _CONVERT,
    "send_quote_request": _CONVERT,
    "classic_portfolio_margin_account_information": "portfolio margin is not simulated",
    "get_download_id_for_futures_order_history": _DOWNLOADS,
    "get_download_id_for_futures_trade_history": _DOWNLOADS,
    "get_download_id_for_futures_transaction_history": _DOWNLOADS,
    "get_futures_order_history_download_link_by_id": _DOWNLOADS,
    "get_futures_trade_download_link_by_id": _DOWNLOADS,
    "get_futures_transaction_history_download_link_by_id": _DOWNLOADS,
    "rpi_order_book": "retail price improvement orders are not simulated",
    "trading_schedule": "of contracts on shares, which are not simulated",
    "futures_tradfi_perps_contract": "of contracts on shares, which are not simulated",
    "composite_index_symbol_information": "no index contracts are simulated",
    "query_index_price_constituents": "the index is the last price here, of one market",
    "query_insurance_fund_balance_snapshot": "the fund's own books are not simulated",
    "asset_index": "one asset alone is margin here",
    "quarterly_contract_settlement_price": _DATED,
    "long_short_ratio": _CROWD,
    "top_trader_long_short_ratio_accounts": _CROWD,
    "top_trader_long_short_ratio_positions": _CROWD,
    "taker_buy_sell_volume": _CROWD,
    "adl_risk": _CROWD,
}
"""Methods of the SDK's REST client that nothing answers here, and why."""

STREAMS_EXCLUDED = {
    "asset_index": "one asset alone is margin here",
    "composite_index_symbol_information_streams": "no index contracts are simulated",
    "rpi_diff_book_depth_streams": "retail price improvement orders are not simulated",
    "trading_session_stream": "of contracts on shares, which are not simulated",
}
"""Methods of the SDK's stream client that nothing answers here, and why."""

_OWN = {"send_request", "send_signed_request"}
_STREAMS_OWN = {
    *("ping_server", "subscribe", "unsubscribe", "on", "list_subscribe"),
    "close_connection",
}
_UNNUMBERED = {
    429,
    418,
    "Unknown error, please check your request or try again later.",
    "Service Unavailable.",
}


def rest_methods() -> set[str]:
    return _methods(DerivativesTradingUsdsFuturesRestAPI) - _OWN


def stream_methods() -> set[str]:
    return _methods(DerivativesTradingUsdsFuturesWebSocketStreams) - _STREAMS_OWN


def _methods(client: type) -> set[str]:
    """The methods that a class defines itself, in public."""
    return {
        name
        for name, value in vars(client).items()
        if inspect.isfunction(value) and not name.startswith("_")
    }


def test_the_exclusions_are_few_and_all_of_them_methods() -> None:
    assert len(rest_methods()) == 95
    assert rest_methods() >= EXCLUDED.keys()
    assert len(EXCLUDED) <= 35
    assert stream_methods() >= STREAMS_EXCLUDED.keys()


def test_every_endpoint_stream_and_error_was_met() -> None:
    endpoints = rest_methods() - EXCLUDED.keys()
    streams = (stream_methods() - STREAMS_EXCLUDED.keys()) | EVENTS.keys()
    errors = PROVOKED.keys() | {-1003, -1015} | _UNNUMBERED
    counts.told.append(
        f"endpoints {len(counts.endpoints & endpoints)}/{len(endpoints)}, "
        f"streams {len(counts.streams & streams)}/{len(streams)}, "
        f"errors {len(counts.errors & errors)}/{len(errors)}"
    )
    assert sorted(endpoints - counts.endpoints) == []
    assert sorted(streams - counts.streams) == []
    assert sorted(map(str, errors - counts.errors)) == []
    assert not counts.endpoints & EXCLUDED.keys()
