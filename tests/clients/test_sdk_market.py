"""The official SDK's market data, each answer walked to its last field.

What is not served has its reason in ``test_counts.py``.
"""

from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from binance_sdk_derivatives_trading_usds_futures.rest_api.models import (
    BasisContractTypeEnum as BasisContract,
)
from binance_sdk_derivatives_trading_usds_futures.rest_api.models import (
    BasisPeriodEnum as BasisPeriod,
)
from binance_sdk_derivatives_trading_usds_futures.rest_api.models import (
    ContinuousContractKlineCandlestickDataContractTypeEnum as ContractType,
)
from binance_sdk_derivatives_trading_usds_futures.rest_api.models import (
    ContinuousContractKlineCandlestickDataIntervalEnum as ContinuousInterval,
)
from binance_sdk_derivatives_trading_usds_futures.rest_api.models import (
    IndexPriceKlineCandlestickDataIntervalEnum as IndexInterval,
)
from binance_sdk_derivatives_trading_usds_futures.rest_api.models import (
    KlineCandlestickDataIntervalEnum as KlineInterval,
)
from binance_sdk_derivatives_trading_usds_futures.rest_api.models import (
    MarkPriceKlineCandlestickDataIntervalEnum as MarkInterval,
)
from binance_sdk_derivatives_trading_usds_futures.rest_api.models import (
    OpenInterestStatisticsPeriodEnum as Period,
)
from binance_sdk_derivatives_trading_usds_futures.rest_api.models import (
    PremiumIndexKlineDataIntervalEnum as PremiumInterval,
)

from tests.clients.sdk import rest
from tests.clients.serving import SYMBOLS, Exchange, Keys
from tests.clients.walk import walk

BTC = "BTCUSDT"
SPANS = ("1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d")
_MINUTE_MS = 60_000


def test_ping_and_time(exchange_here: Exchange) -> None:
    client = rest(exchange_here)
    walk(client.test_connectivity().data())
    walk(client.check_server_time().data())


def test_exchange_information(exchange_here: Exchange) -> None:
    answer = rest(exchange_here).exchange_information().data()
    assert answer.symbols is not None
    assert [each.symbol for each in answer.symbols] == list(SYMBOLS)
    for contract in answer.symbols:
        filters, contract.filters = contract.filters, []
        assert {each.filter_type: sorted(_given(each)) for each in filters or ()} == {
            "PRICE_FILTER": ["max_price", "min_price", "tick_size"],
            "LOT_SIZE": ["max_qty", "min_qty", "step_size"],
            "MARKET_LOT_SIZE": ["max_qty", "min_qty", "step_size"],
            "MAX_NUM_ORDERS": ["limit"],
            "MAX_NUM_ALGO_ORDERS": ["limit"],
            "MIN_NOTIONAL": ["notional"],
            "PERCENT_PRICE": ["multiplier_decimal", "multiplier_down", "multiplier_up"],
        }
    walk(answer)


def _given(one: object) -> set[str]:
    """The fields of a filter that are there, its type aside; none unknown."""
    values = dict(vars(one))
    assert values.pop("additional_properties") == {}
    return {name for name, value in values.items() if value is not None} - {"filter_type"}


@pytest.mark.parametrize("span", SPANS)
def test_candles_of_all_kinds(exchange_here: Exchange, span: str) -> None:
    client = rest(exchange_here)
    answers: dict[str, Any] = {
        "klines": client.kline_candlestick_data(BTC, KlineInterval(span), limit=10),
        "continuous": client.continuous_contract_kline_candlestick_data(
            BTC, ContractType.PERPETUAL, ContinuousInterval(span), limit=10
        ),
        "mark": client.mark_price_kline_candlestick_data(BTC, MarkInterval(span), limit=10),
        "index": client.index_price_kline_candlestick_data(BTC, IndexInterval(span), limit=10),
        "premium": client.premium_index_kline_data(BTC, PremiumInterval(span), limit=10),
    }
    for name, answer in answers.items():
        rows = answer.data()
        walk(rows)
        assert len(rows) == 10, name
        opens = [int(row[0]) for row in rows]
        span_ms = opens[1] - opens[0]
        assert opens == list(range(opens[0], opens[0] + 10 * span_ms, span_ms)), name
        assert [int(row[6]) for row in rows] == [each + span_ms - 1 for each in opens], name
        for row in rows:
            assert len(row) == 12, name
            first, high, low, latest = map(float, row[1:5])
            assert low <= min(first, latest) <= max(first, latest) <= high, name


def test_book(exchange_here: Exchange) -> None:
    answer = rest(exchange_here).order_book(BTC, limit=20).data()
    walk(answer)
    assert answer.bids is not None
    assert answer.asks is not None
    assert len(answer.bids) == len(answer.asks) == 20
    assert float(answer.bids[0][0]) < float(answer.asks[0][0])


def test_trades(exchange_here: Exchange, keys: Keys) -> None:
    client = rest(exchange_here, keys)
    recent: Any = client.recent_trades_list(BTC, limit=10).data()
    walk(recent)
    ids = [each.id for each in recent]
    assert len(ids) == 10
    assert ids == sorted(ids)
    old: Any = client.old_trades_lookup(BTC, limit=3, from_id=ids[2]).data()
    walk(old)
    assert [each.to_dict() for each in old] == [each.to_dict() for each in recent[2:5]]


def test_aggregated_trades(exchange_here: Exchange) -> None:
    client = rest(exchange_here)
    latest: Any = client.compressed_aggregate_trades_list(BTC, limit=5).data()
    walk(latest)
    numbers = [each.a for each in latest]
    assert numbers == list(range(numbers[0], numbers[0] + 5))
    again: Any = client.compressed_aggregate_trades_list(
        BTC, from_id=numbers[1], limit=2
    ).data()
    assert again == latest[1:3]
    at = latest[0].T
    within: Any = client.compressed_aggregate_trades_list(
        BTC, start_time=at, end_time=at
    ).data()
    assert latest[0] in within
    assert {each.T for each in within} == {at}


@pytest.mark.parametrize("symbol", [BTC, None])
def test_prices(exchange_here: Exchange, symbol: str | None) -> None:
    client = rest(exchange_here)
    for ask in (
        client.mark_price,
        client.ticker24hr_price_change_statistics,
        client.symbol_price_ticker,
        client.symbol_price_ticker_v2,
        client.symbol_order_book_ticker,
    ):
        walk(ask(symbol=symbol).data())


def test_funding(exchange_here: Exchange) -> None:
    client = rest(exchange_here)
    walk(client.get_funding_rate_info().data())
    rates: Any = client.get_funding_rate_history(BTC, limit=5).data()
    walk(rates)
    times = [each.funding_time or 0 for each in rates]
    assert len(times) == 5
    assert {later - earlier for earlier, later in pairwise(times)} == {8 * 60 * _MINUTE_MS}
    between: Any = client.get_funding_rate_history(BTC, start_time=times[1], end_time=times[3])
    assert [each.funding_time for each in between.data()] == times[1:4]


def test_basis(exchange_here: Exchange) -> None:
    client = rest(exchange_here)
    perpetual = BasisContract.PERPETUAL
    rows: Any = client.basis(BTC, perpetual, BasisPeriod("5m"), limit=6).data()
    walk(rows)
    assert len(rows) == 6
    marks = client.index_price_kline_candlestick_data(BTC, IndexInterval("5m"), limit=8).data()
    index_at = {row[0]: row[1] for row in marks}
    for each in rows:
        assert each.index_price == index_at[each.timestamp]
        basis = Decimal(each.futures_price) - Decimal(each.index_price)
        assert Decimal(each.basis) == basis
        assert Decimal(each.basis_rate) == round(basis / Decimal(each.index_price), 4)
        assert (each.pair, each.annualized_basis_rate) == (BTC, "")
    again: Any = client.basis(
        BTC,
        perpetual,
        BasisPeriod("5m"),
        start_time=rows[1].timestamp,
        end_time=rows[3].timestamp,
    )
    assert again.data() == rows[1:4]
    quarter: Any = client.basis(BTC, BasisContract.NEXT_QUARTER, BasisPeriod("5m")).data()
    assert quarter == []


def test_open_interest(exchange_here: Exchange) -> None:
    client = rest(exchange_here)
    walk(client.open_interest(BTC).data())
    rows: Any = client.open_interest_statistics(BTC, Period("5m"), limit=6).data()
    walk(rows)
    times = [each.timestamp or 0 for each in rows]
    assert [later - times[0] for later in times] == [n * 5 * _MINUTE_MS for n in range(6)]
    # What has passed is told the same again.
    again: Any = client.open_interest_statistics(
        BTC, Period("5m"), start_time=times[1], end_time=times[3]
    )
    assert again.data() == rows[1:4]
