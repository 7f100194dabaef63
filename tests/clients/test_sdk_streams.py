"""The official SDK's streams, each event walked to its last field.

Streams of the market here; those of an account beside their harness.
"""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest
from binance_sdk_derivatives_trading_usds_futures.websocket_streams import models
from binance_sdk_derivatives_trading_usds_futures.websocket_streams.models import (
    ContinuousContractKlineCandlestickStreamsContractTypeEnum as ContractType,
)
from binance_sdk_derivatives_trading_usds_futures.websocket_streams.streams.market_api import (
    MarketApi,
)
from binance_sdk_derivatives_trading_usds_futures.websocket_streams.streams.public_api import (
    PublicApi,
)
from pydantic import BaseModel

from rusy_tui.domain.order import OrderKind, Side
from rusy_tui.simulator.core import SimulatedExchange
from rusy_tui.simulator.orders import OrderRequest
from tests.clients.sdk import Hearing, hearing
from tests.clients.serving import Exchange
from tests.clients.walk import walk, walk_raw

# Each waits for the exchange's own time between two messages, in real time.
pytestmark = pytest.mark.slow

BTC = "BTCUSDT"
LOWER = "btcusdt"
SPANS = ("1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d")

EXCLUDED = {
    "asset_index": "prices of margin assets, which multi-assets mode alone has",
    "composite_index_symbol_information_streams": "no index contracts are played",
    "trading_session_stream": "no contracts on shares or goods are played",
    "rpi_diff_book_depth_streams": "retail price improvement orders are not simulated",
}
"""Methods of the SDK's market streams that are not served, each with the reason."""

# The SDK's own examples pass words where its methods are typed to take enums, whose names
# it would send: hence no types here.
_Streams = Any
_Subscribe = Callable[[_Streams], Awaitable[Any]]


def _with(method: str, *values: str) -> _Subscribe:
    return lambda streams: getattr(streams, method)(*values)


_STREAMS: dict[str, tuple[_Subscribe, type[BaseModel]]] = {
    "aggregate_trade_streams": (
        lambda s: s.aggregate_trade_streams(LOWER),
        models.AggregateTradeStreamsResponse,
    ),
    "all_market_mini_tickers_stream": (
        lambda s: s.all_market_mini_tickers_stream(),
        models.AllMarketMiniTickersStreamResponseInner,
    ),
    "all_market_tickers_streams": (
        lambda s: s.all_market_tickers_streams(),
        models.AllMarketTickersStreamsResponseInner,
    ),
    "individual_symbol_mini_ticker_stream": (
        lambda s: s.individual_symbol_mini_ticker_stream(LOWER),
        models.IndividualSymbolMiniTickerStreamResponse,
    ),
    "individual_symbol_ticker_streams": (
        lambda s: s.individual_symbol_ticker_streams(LOWER),
        models.IndividualSymbolTickerStreamsResponse,
    ),
    "mark_price_stream": (
        lambda s: s.mark_price_stream(LOWER, update_speed="1s"),
        models.MarkPriceStreamResponse,
    ),
    "mark_price_stream at its usual speed": (
        lambda s: s.mark_price_stream(LOWER),
        models.MarkPriceStreamResponse,
    ),
    "mark_price_stream_for_all_market": (
        lambda s: s.mark_price_stream_for_all_market(update_speed="1s"),
        models.MarkPriceStreamForAllMarketResponseInner,
    ),
    "all_book_tickers_stream": (
        lambda s: s.all_book_tickers_stream(),
        models.AllBookTickersStreamResponse,
    ),
    "diff_book_depth_streams": (
        lambda s: s.diff_book_depth_streams(LOWER),
        models.DiffBookDepthStreamsResponse,
    ),
    "diff_book_depth_streams each 100 ms": (
        lambda s: s.diff_book_depth_streams(LOWER, update_speed="100ms"),
        models.DiffBookDepthStreamsResponse,
    ),
    "individual_symbol_book_ticker_streams": (
        lambda s: s.individual_symbol_book_ticker_streams(LOWER),
        models.IndividualSymbolBookTickerStreamsResponse,
    ),
    **{
        f"partial_book_depth_streams of {levels}": (
            _with("partial_book_depth_streams", LOWER, levels),
            models.PartialBookDepthStreamsResponse,
        )
        for levels in ("5", "10", "20")
    },
    **{
        f"kline_candlestick_streams of {span}": (
            _with("kline_candlestick_streams", LOWER, span),
            models.KlineCandlestickStreamsResponse,
        )
        for span in SPANS
    },
    **{
        f"continuous_contract_kline_candlestick_streams of {span}": (
            _with(
                "continuous_contract_kline_candlestick_streams",
                LOWER,
                ContractType.perpetual.value,
                span,
            ),
            models.ContinuousContractKlineCandlestickStreamsResponse,
        )
        for span in ("1m", "4h")
    },
}
_PROVOKED = (
    "liquidation_order_streams",
    "all_market_liquidation_order_streams",
    "contract_info_stream",
)


def test_every_market_stream_of_the_sdk_is_heard_or_has_a_reason_why_not() -> None:
    methods = {
        name
        for api in (MarketApi, PublicApi)
        for name, each in vars(api).items()
        if callable(each) and not name.startswith("_")
    }
    heard = {name.partition(" ")[0] for name in _STREAMS} | set(_PROVOKED)
    assert methods == heard | EXCLUDED.keys()
    assert not heard & EXCLUDED.keys()


def _walk_all(heard: Hearing, model: type[BaseModel], absent: dict[str, str]) -> None:
    assert heard.parsed
    for raw in heard.raw:
        for each in raw if isinstance(raw, list) else [raw]:
            walk_raw(model, each, absent)
    for parsed in heard.parsed:
        walk(parsed, absent if not isinstance(heard.raw[0], list) else None)


@pytest.mark.parametrize("name", list(_STREAMS))
async def test_the_sdk_hears_a_market_stream(exchange_here: Exchange, name: str) -> None:
    subscribe, model = _STREAMS[name]
    async with hearing(exchange_here, subscribe) as heard:
        await heard.wait(lambda heard: bool(heard.parsed and heard.raw))
        _walk_all(heard, model, {})


async def _provoke(heard: Hearing, act: Callable[[], None]) -> None:
    """Act until it is heard of: the SDK does not say when a subscription holds."""
    for _ in range(20):
        act()
        for _ in range(25):
            await asyncio.sleep(0.02)
            if heard.parsed and heard.raw:
                return
    raise AssertionError(f"heard only {heard.raw}")


def _liquidate(exchange: SimulatedExchange, api_key: str) -> None:
    account = exchange.account_of(api_key)
    assert account is not None
    market = exchange.markets[BTC]
    quantity = market.instrument.min_quantity * 5
    exchange.place(
        account,
        OrderRequest(symbol=BTC, side=Side.BUY, kind=OrderKind.MARKET, quantity=quantity),
    )
    exchange.liquidate(account, BTC)


@pytest.mark.parametrize("of_all", [False, True])
async def test_the_sdk_hears_of_a_liquidation(exchange_here: Exchange, of_all: bool) -> None:
    keys = exchange_here.open_account("liquidated")

    async def subscribe(streams: _Streams) -> Any:
        if of_all:
            return await streams.all_market_liquidation_order_streams()
        return await streams.liquidation_order_streams(LOWER)

    async with hearing(exchange_here, subscribe) as heard:
        await _provoke(
            heard, lambda: exchange_here.call(lambda here: _liquidate(here, keys.api_key))
        )
        if of_all:
            _walk_all(heard, models.AllMarketLiquidationOrderStreamsResponse, {})
        else:
            _walk_all(heard, models.LiquidationOrderStreamsResponse, {})


async def test_the_sdk_hears_of_a_changed_contract(exchange_here: Exchange) -> None:
    def change(exchange: SimulatedExchange) -> None:
        table = exchange.markets["SOLUSDT"].brackets
        exchange.change_instrument("SOLUSDT", brackets=table, min_notional=Decimal(6))

    async with hearing(exchange_here, lambda s: s.contract_info_stream()) as heard:
        await _provoke(heard, lambda: exchange_here.call(change))
        _walk_all(heard, models.ContractInfoStreamResponse, {})
        told = len(heard.raw)
        # Without other brackets there is no list of them, as documented.
        exchange_here.call(
            lambda exchange: exchange.change_instrument("SOLUSDT", min_notional=Decimal(5))
        )
        await heard.wait(lambda heard: len(heard.raw) > told)
        assert "bks" not in heard.raw[-1]
