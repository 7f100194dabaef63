"""Bars as whole numbers: what a long past is kept in, summed up in and written from.

A bar of a year ago is never looked at as an object: a page of hundreds goes from these columns
straight into text. Prices, quantities and amounts are counted in their own last digit, so sums
are exact and every text has the contract's digits.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from rusy_tui.domain.instrument import Instrument
from rusy_tui.simulator.candles import Bar
from rusy_tui.simulator.digits import amount_unit
from rusy_tui.simulator.feeds.columns import Columns

Ints = NDArray[np.int64]

COLUMNS = (
    "open_time_ms",
    "open",
    "high",
    "low",
    "close",
    "volume",
    "quote_volume",
    "trades",
    "taker_buy_volume",
    "taker_buy_quote_volume",
)


@dataclass(frozen=True, slots=True)
class Digits:
    """How many decimals a contract's prices, quantities and amounts (quote asset) have."""

    price: int
    quantity: int
    amount: int


def digits_of(contract: Instrument) -> Digits:
    """The decimals of a contract's tick and step, and of their product."""
    return Digits(
        _decimals(contract.tick_size),
        _decimals(contract.step_size),
        _decimals(amount_unit(contract)),
    )


@dataclass(frozen=True, slots=True)
class Figures:
    """Bars of one span without a gap, one array a column, ascending by open time.

    Prices, quantities and amounts are in units of their last digit.
    """

    digits: Digits
    open_time_ms: Ints
    open: Ints
    high: Ints
    low: Ints
    close: Ints
    volume: Ints
    quote_volume: Ints
    trades: Ints
    taker_buy_volume: Ints
    taker_buy_quote_volume: Ints

    def __len__(self) -> int:
        return len(self.open_time_ms)

    def rows(self, rows: slice) -> "Figures":
        """The same columns over a slice of its bars."""
        return Figures(self.digits, *(getattr(self, name)[rows] for name in COLUMNS))

    def merged(self, group: int) -> "Figures":
        """Bars of so many of these each, by the rule of :func:`.candles.merged`.

        Where something traded, what did not counts only in sums: a flat bar tells nothing but
        where the price stood.
        """
        if group == 1:
            return self
        count = len(self) // group
        shape = (count, group)
        traded = (self.volume > 0).reshape(shape)
        traded |= ~traded.any(axis=1, keepdims=True)
        every = np.arange(count)
        last = group - 1 - traded[:, ::-1].argmax(axis=1)
        none = np.iinfo(np.int64)

        def sums(column: Ints) -> Ints:
            return np.asarray(column.reshape(shape).sum(axis=1))

        return Figures(
            self.digits,
            self.open_time_ms[::group],
            self.open.reshape(shape)[every, traded.argmax(axis=1)],
            np.where(traded, self.high.reshape(shape), none.min).max(axis=1),
            np.where(traded, self.low.reshape(shape), none.max).min(axis=1),
            self.close.reshape(shape)[every, last],
            sums(self.volume),
            sums(self.quote_volume),
            sums(self.trades),
            sums(self.taker_buy_volume),
            sums(self.taker_buy_quote_volume),
        )

    def bars(self) -> list[Bar]:
        """The same as single bars, with the contract's digits."""
        price, quantity, amount = (
            Decimal(1).scaleb(-decimals)
            for decimals in (self.digits.price, self.digits.quantity, self.digits.amount)
        )
        columns = (getattr(self, name).tolist() for name in COLUMNS)
        return [
            Bar(
                time_ms,
                price * open_,
                price * high,
                price * low,
                price * close,
                quantity * volume,
                amount * quote,
                trades,
                quantity * taken,
                amount * taken_quote,
            )
            for time_ms, open_, high, low, close, volume, quote, trades, taken, taken_quote in (
                zip(*columns, strict=True)
            )
        ]


def joined(parts: Sequence[Figures]) -> Figures:
    """Runs of bars that follow on one another, as one."""
    if len(parts) == 1:
        return parts[0]
    return Figures(
        parts[0].digits,
        *(np.concatenate([getattr(part, name) for part in parts]) for name in COLUMNS),
    )


def of_bars(bars: Sequence[Bar], digits: Digits) -> Figures:
    """Bars that have the contract's digits, as columns."""

    def column(name: str, decimals: int) -> Ints:
        units = [int(getattr(bar, name).scaleb(decimals)) for bar in bars]
        return np.array(units, dtype=np.int64)

    return _made(
        digits,
        np.array([bar.open_time_ms for bar in bars], dtype=np.int64),
        np.array([bar.trades for bar in bars], dtype=np.int64),
        column,
    )


def of_columns(bars: Columns, digits: Digits) -> Figures:
    """Bars whose figures are exact to the digits and whole in every column."""

    def column(name: str, decimals: int) -> Ints:
        return np.asarray(np.rint(getattr(bars, name) * 10.0**decimals), dtype=np.int64)

    return _made(digits, bars.open_time_ms, column("trades", 0), column)


def _made(
    digits: Digits, opens: Ints, trades: Ints, column: Callable[[str, int], Ints]
) -> Figures:
    return Figures(
        digits=digits,
        open_time_ms=opens,
        open=column("open", digits.price),
        high=column("high", digits.price),
        low=column("low", digits.price),
        close=column("close", digits.price),
        volume=column("volume", digits.quantity),
        quote_volume=column("quote_volume", digits.amount),
        trades=trades,
        taker_buy_volume=column("taker_buy_volume", digits.quantity),
        taker_buy_quote_volume=column("taker_buy_quote_volume", digits.amount),
    )


def _decimals(step: Decimal) -> int:
    return -int(step.as_tuple().exponent)
