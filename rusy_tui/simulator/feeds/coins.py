"""What the coins of the synthetic market are like: size, wildness, and the hours of a day.

Volatility, correlation and turnover are rounded from recorded USD-M candles of 2024-07 to
2025-06, the seasons from those of BTC and ETH, the size of a trade from minutes of FIL and
NEAR; for the larger coins that size, and the pace of all, are judged by eye.
"""

from dataclasses import dataclass

from rusy_tui.domain.errors import UsageError
from rusy_tui.simulator.feeds.contracts import known_symbols


@dataclass(frozen=True, slots=True)
class Coin:
    """One coin of the synthetic market.

    Attributes:
        price: about where play starts, USDT.
        volatility: standard deviation of a year's log return.
        market_share: the part of its variance that the whole market shares.
        turnover: traded in a usual quarter of an hour, USDT.
        trade: size of a usual trade, USDT.
        pace: bursts of trades in a usual second.
    """

    price: float
    volatility: float
    market_share: float
    turnover: float
    trade: float
    pace: float


_COINS = {
    "BTCUSDT": Coin(107_000.0, 0.53, 0.88, 120e6, 2500.0, 3.0),
    "ETHUSDT": Coin(2_480.0, 0.74, 0.76, 75e6, 1500.0, 2.4),
    "SOLUSDT": Coin(154.0, 0.88, 0.72, 26e6, 900.0, 1.6),
    "BNBUSDT": Coin(655.0, 0.60, 0.66, 3.6e6, 700.0, 0.6),
    "XRPUSDT": Coin(2.23, 0.95, 0.60, 11e6, 800.0, 1.1),
    "LINKUSDT": Coin(13.4, 0.98, 0.68, 2.2e6, 500.0, 0.45),
    "FILUSDT": Coin(2.30, 0.98, 0.64, 1.0e6, 300.0, 0.30),
    "NEARUSDT": Coin(2.15, 1.02, 0.66, 1.0e6, 400.0, 0.35),
    "LTCUSDT": Coin(85.0, 0.85, 0.66, 1.6e6, 500.0, 0.40),
    "DOTUSDT": Coin(3.40, 0.98, 0.68, 1.0e6, 350.0, 0.33),
}

# By hour of the UTC day: the size of moves and the volume, each around 1. Asia opens at 0,
# New York at 13 or 14.
MOVE_SEASON = (
    *(1.10, 1.15, 0.98, 0.87, 0.81, 0.80, 0.82, 0.82, 0.88, 0.81, 0.80, 0.81),
    *(0.87, 1.31, 1.51, 1.32, 1.14, 1.18, 1.09, 1.03, 1.00, 0.98, 0.99, 0.81),
)  # fmt: skip
VOLUME_SEASON = (
    *(1.01, 1.03, 0.92, 0.76, 0.72, 0.70, 0.75, 0.82, 0.90, 0.85, 0.86, 0.87),
    *(1.04, 1.45, 1.85, 1.63, 1.36, 1.22, 1.03, 0.93, 0.90, 0.79, 0.80, 0.75),
)  # fmt: skip


def coin(symbol: str) -> Coin:
    """The coin behind a symbol.

    Raises:
        UsageError: the synthetic market has no such coin.
    """
    found = _COINS.get(symbol)
    if found is None or symbol not in known_symbols():
        raise UsageError(
            f"the simulated market has no {symbol}; it has {', '.join(sorted(_COINS))}"
        )
    return found
