"""What REST answers of the market: fields as the exchange's own SDK lists them."""

from decimal import Decimal
from typing import Any

from rusy_tui.domain.money import ZERO, to_ledger
from rusy_tui.simulator.candles import Bar
from rusy_tui.simulator.market import SymbolMarket
from rusy_tui.simulator.prices import INTEREST_RATE
from rusy_tui.simulator.spans import Span
from rusy_tui.simulator.tape import Aggregate, PublicTrade
from rusy_tui.simulator.wire.words import text

_DAY_MS = 86_400_000
_PERCENT = Decimal("0.001")
_BASIS_RATE = Decimal("0.0001")


def price_row(bar: Bar, span: Span) -> list[int | str]:
    """A bar of mark, index or premium: no volumes, and how many samples it was made of."""
    return [
        bar.open_time_ms,
        text(bar.open),
        text(bar.high),
        text(bar.low),
        text(bar.close),
        "0",
        bar.open_time_ms + span.ms - 1,
        "0",
        bar.trades,
        "0",
        "0",
        "0",
    ]


def agg_trade(each: Aggregate) -> dict[str, Any]:
    """An aggregated trade; ``nq`` leaves RPI orders out, of which there are none."""
    return {
        "a": each.number,
        "p": text(each.traded.price),
        "q": text(each.traded.quantity),
        "nq": text(each.traded.quantity),
        "f": each.first,
        "l": each.last,
        "T": each.time_ms,
        "m": each.buyer_rested,
    }


def trade(each: PublicTrade) -> dict[str, Any]:
    """A single trade."""
    return {
        "id": each.trade_id,
        "price": text(each.price),
        "qty": text(each.quantity),
        "quoteQty": text(each.price * each.quantity),
        "time": each.time_ms,
        "isBuyerMaker": each.buyer_rested,
        "isRPITrade": False,
    }


def premium_index(market: SymbolMarket, time_ms: int) -> dict[str, Any]:
    """Mark and index price, and the funding that comes next."""
    mark = text(market.mark)
    return {
        "symbol": market.symbol,
        "markPrice": mark,
        "indexPrice": text(market.index),
        "estimatedSettlePrice": mark,
        "lastFundingRate": text(market.funding_rate(time_ms)),
        "interestRate": text(INTEREST_RATE),
        "nextFundingTime": market.next_funding_ms(time_ms),
        "time": time_ms,
    }


class Day:
    """The rolling 24 hours of a market, for REST and streams alike."""

    def __init__(self, market: SymbolMarket, bar: Bar, time_ms: int) -> None:
        self.bar = bar
        self.change = bar.close - bar.open
        self.percent = (self.change / bar.open * 100).quantize(_PERCENT)
        mean = bar.quote_volume / bar.volume if bar.volume else bar.close
        self.mean = mean.quantize(market.instrument.tick_size)
        newest = market.tape.last
        self.last_quantity = newest.traded.quantity if newest else ZERO
        self.open_time_ms = time_ms // 60_000 * 60_000 - _DAY_MS + 60_000
        self.last_id = market.last_trade_id
        self.first_id = self.last_id - max(bar.trades, 1) + 1


def day_of(market: SymbolMarket, time_ms: int) -> Day | None:
    """A market's last 24 hours; None where nothing has traded."""
    bar = market.day(time_ms)
    return None if bar is None else Day(market, bar, time_ms)


def day_ticker(market: SymbolMarket, day: Day, time_ms: int) -> dict[str, Any]:
    """The statistics of 24 hours."""
    bar = day.bar
    return {
        "symbol": market.symbol,
        "priceChange": text(day.change),
        "priceChangePercent": text(day.percent),
        "weightedAvgPrice": text(day.mean),
        "lastPrice": text(bar.close),
        "lastQty": text(day.last_quantity),
        "openPrice": text(bar.open),
        "highPrice": text(bar.high),
        "lowPrice": text(bar.low),
        "volume": text(bar.volume),
        "quoteVolume": text(bar.quote_volume),
        "openTime": day.open_time_ms,
        "closeTime": time_ms,
        "firstId": day.first_id,
        "lastId": day.last_id,
        "count": bar.trades,
    }


def book_ticker(market: SymbolMarket) -> dict[str, Any]:
    """The best bid and ask."""
    best = market.book.best()
    return {
        "symbol": market.symbol,
        "bidPrice": text(best.bid),
        "bidQty": text(best.bid_quantity),
        "askPrice": text(best.ask),
        "askQty": text(best.ask_quantity),
        "time": market.book.time_ms,
    }


def basis_row(
    market: SymbolMarket, time_ms: int, price: Decimal, index: Decimal
) -> dict[str, Any]:
    """The contract's price less its index price; what never ends has no rate of a year."""
    basis = price - index
    return {
        "indexPrice": text(to_ledger(index)),
        "contractType": market.instrument.contract_type,
        "basisRate": text((basis / index).quantize(_BASIS_RATE)),
        "futuresPrice": text(price),
        "annualizedBasisRate": "",
        "basis": text(to_ledger(basis)),
        "pair": market.symbol,
        "timestamp": time_ms,
    }


def open_interest_row(market: SymbolMarket, time_ms: int, price: Decimal) -> dict[str, Any]:
    """The open interest at a past moment, and what it was worth at a price."""
    held = market.open_interest(time_ms)
    return {
        "symbol": market.symbol,
        "sumOpenInterest": text(held),
        "sumOpenInterestValue": text(held * price),
        "CMCCirculatingSupply": text(market.interest.supply(market.usual_day)),
        "timestamp": time_ms,
    }
