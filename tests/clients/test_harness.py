"""The harness itself: it hears, it walks, and it sees what is wrong."""

import pytest
from binance_sdk_derivatives_trading_usds_futures.rest_api.models import (
    FuturesAccountConfigurationResponse,
    KeepaliveUserDataStreamResponse,
)
from binance_sdk_derivatives_trading_usds_futures.websocket_streams.models import (
    MarkPriceStreamResponse,
)

from tests.clients.sdk import hearing, rest
from tests.clients.serving import Exchange, Keys
from tests.clients.walk import faults, walk, walk_raw


def test_the_sdk_reads_a_public_answer(exchange_here: Exchange) -> None:
    walk(rest(exchange_here).check_server_time().data())


def test_the_sdk_reads_a_signed_answer(exchange_here: Exchange, keys: Keys) -> None:
    walk(rest(exchange_here, keys).futures_account_balance_v2().data())


async def test_the_sdk_hears_a_stream(exchange_here: Exchange) -> None:
    async with hearing(
        exchange_here, lambda streams: streams.mark_price_stream("btcusdt", "1s")
    ) as heard:
        await heard.wait(lambda heard: bool(heard.parsed and heard.raw))
    assert isinstance(heard.parsed[0], MarkPriceStreamResponse)
    assert heard.raw[0]["e"] == "markPriceUpdate"


def test_a_missing_field_is_seen() -> None:
    answer = KeepaliveUserDataStreamResponse.from_dict({})
    assert faults(answer) == ["listenKey: missing"]
    walk(answer, {"listenKey": "left out here"})
    assert faults([answer], ["[].listenKey"]) == []


def test_a_field_that_was_listed_as_missing_is_seen_when_it_comes() -> None:
    answer = KeepaliveUserDataStreamResponse.from_dict({"listenKey": "key"})
    assert faults(answer, ["listenKey"]) == ["listenKey: listed as missing, is 'key'"]


def test_an_unknown_field_is_seen() -> None:
    answer = FuturesAccountConfigurationResponse.from_dict({"invented": 1})
    assert "invented: unknown to the SDK, is 1" in faults(answer)


def test_an_unknown_field_of_a_stream_is_seen() -> None:
    with pytest.raises(AssertionError, match="invented"):
        walk_raw(KeepaliveUserDataStreamResponse, {"listenKey": "key", "invented": 1})
