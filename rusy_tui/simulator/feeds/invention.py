"""The years before an invented market's recent past, a quarter of an hour at a time.

Made backwards from the price that the recent past begins at, all quarters at once: moves with
the market's and the coin's own part, volatility that remembers, the seasons of a day, and a
slow pull towards the last price, without which eight years of a small coin would end at the
sky or at zero. Plainer than :mod:`.climate` (no regimes, no jumps but fat tails): it is there
to be fetched, stored and drawn, and like all invented data never to train a forecast on.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rusy_tui.domain.candle import Interval
from rusy_tui.domain.instrument import Instrument
from rusy_tui.simulator.feeds import climate, tape
from rusy_tui.simulator.feeds.coins import MOVE_SEASON, VOLUME_SEASON, Coin
from rusy_tui.simulator.feeds.columns import Floats, Times
from rusy_tui.simulator.feeds.figures import Digits, Figures, digits_of
from rusy_tui.simulator.feeds.minutes import per_unit

_QUARTER_MS = Interval.M15.ms
_DAY = climate.QUARTERS_A_DAY
# The distance to the last price halves in so many days: a coin of 100 % a year then strays by
# a factor of about two, seldom of five.
_PULL = 0.5 ** (1 / 180)
# Log volatility: half-life in quarters and standard deviation of what it remembers, and of
# what each quarter adds.
_MEMORIES = ((40.0, 0.28), (600.0, 0.24))
_SHOCK_SD = 0.20
_OWN_HALF_LIFE, _OWN_SD = 24.0, 0.25
# Student's t of so many degrees: fat tails, and a variance.
_FREEDOM = 5
_NOISE = 0.35
_USUAL_VOLUME = 1.5
_TAKER_LEAN, _TAKER_NOISE = 0.05, 0.05
# The exchange stood still about once in so many days, for so many quarters at most.
_HALT_DAYS, _HALT_MOST = 400, 12


@dataclass(frozen=True, slots=True)
class Invented:
    """Quarters in ticks and steps, as small as they can be kept: 36 bytes each.

    What is missing follows: the open is the close before (``first_open`` the first one's), and
    amounts are volumes at the mean of a bar's four prices.
    """

    digits: Digits
    first_ms: int
    first_open: int
    high: NDArray[np.int32]
    low: NDArray[np.int32]
    close: NDArray[np.int32]
    trades: NDArray[np.int32]
    volume: Times
    taken: Times

    def figures(self, first: int, end: int) -> Figures:
        """The bars from one row to another."""
        rows = slice(first, end)
        close = self.close[rows].astype(np.int64)
        before = self.close[first - 1] if first else self.first_open
        open_ = np.concatenate([[before], close[:-1]]).astype(np.int64)
        high, low = self.high[rows].astype(np.int64), self.low[rows].astype(np.int64)
        volume, taken = self.volume[rows], self.taken[rows]
        prices = open_ + high + low + close
        return Figures(
            self.digits,
            self.first_ms + np.arange(first, end) * _QUARTER_MS,
            open_,
            high,
            low,
            close,
            volume,
            (volume * prices + 2) // 4,
            self.trades[rows].astype(np.int64),
            taken,
            (taken * prices + 2) // 4,
        )


def invented(
    coin: Coin,
    contract: Instrument,
    first_ms: int,
    rows: int,
    last: float,
    of_market: np.random.Generator,
    of_coin: np.random.Generator,
) -> Invented:
    """So many quarters, the last of which closes at a price.

    Args:
        coin: what it is like.
        contract: whose tick and step are kept.
        first_ms: when the first quarter opens.
        rows: how many there are, at least one.
        last: the price they end at.
        of_market: what is the same for all coins comes from it.
        of_coin: and all else.
    """
    days = -(-rows // _DAY)
    whole = days * _DAY
    # Whole days, counted from the end; the first rows of the first day are cut off.
    cut = slice(whole - rows, None)
    of_day = (first_ms // _QUARTER_MS + np.arange(rows - whole, rows)) % _DAY
    market = _innovations(of_market, whole)
    climates = _climates(of_market, whole)
    halted = _halts(of_market, rows, whole)
    own = _innovations(of_coin, whole)
    unrest = np.exp(_OWN_SD * _remembered(of_coin, whole, _OWN_HALF_LIFE) - _OWN_SD**2)
    usual = coin.volatility / np.sqrt(climate.QUARTERS_A_YEAR)
    scale = usual * climates * _seasons(MOVE_SEASON)[of_day]
    share = coin.market_share
    usual_move = scale * np.sqrt(share + (1 - share) * unrest**2)
    moves = scale * (np.sqrt(share) * market + np.sqrt(1 - share) * unrest * own)
    moves[halted] = 0.0
    _pull(moves, halted)
    surprises = np.clip(moves / usual_move, -6.0, 6.0)[:, None]
    after = np.log(last) + np.cumsum(moves) - moves.sum()
    after += np.log(last) - after[-1]
    before = np.concatenate([[after[0] - moves[0]], after[:-1]])
    high, low = tape.extremes(of_coin, before, after, usual_move)
    turnover = coin.turnover * _USUAL_VOLUME * climates**1.05 * unrest
    turnover *= _seasons(VOLUME_SEASON)[of_day]
    turnover *= tape.activity(of_coin, surprises, _NOISE)[:, 0]
    volume = tape.units(turnover / np.exp(after), 1 / per_unit(contract.step_size))
    shares = 0.5 + _TAKER_LEAN * surprises[:, 0] + _TAKER_NOISE * of_coin.standard_normal(whole)
    taken = np.rint(np.clip(shares, 0.02, 0.98) * volume).astype(np.int64)
    trades = tape.counts(of_coin, turnover / coin.trade)
    for column in (volume, taken, trades):
        column[halted] = 0
    digits = digits_of(contract)
    tick = round(10**digits.price / per_unit(contract.tick_size))

    def ticks(logs: Floats) -> Times:
        return np.asarray(tape.units(np.exp(logs), 1 / per_unit(contract.tick_size)) * tick)

    opens, closes = ticks(before), ticks(after)
    highs = np.where(halted, closes, np.maximum.reduce([opens, ticks(high), closes]))
    lows = np.where(halted, closes, np.minimum.reduce([opens, ticks(low), closes]))
    return Invented(
        digits,
        first_ms,
        int(opens[cut][0]),
        highs[cut].astype(np.int32),
        lows[cut].astype(np.int32),
        closes[cut].astype(np.int32),
        trades[cut].astype(np.int32),
        volume[cut].copy(),
        taken[cut].copy(),
    )


def _innovations(random: np.random.Generator, rows: int) -> Floats:
    """Moves of variance 1 with fat tails, none beyond all measure."""
    moves = random.standard_t(_FREEDOM, rows) * np.sqrt((_FREEDOM - 2) / _FREEDOM)
    return np.asarray(np.clip(moves, -8.0, 8.0))


def _climates(random: np.random.Generator, rows: int) -> Floats:
    """The market's volatility of each quarter, of mean square 1."""
    log_volatility = _SHOCK_SD * random.standard_normal(rows)
    variance = _SHOCK_SD**2
    for half_life, deviation in _MEMORIES:
        log_volatility += deviation * _remembered(random, rows, half_life)
        variance += deviation**2
    return np.asarray(np.exp(log_volatility - variance))


def _remembered(random: np.random.Generator, rows: int, half_life: float) -> Floats:
    """Noise of variance 1 that forgets by half in so many rows; a day of rows at a time."""
    kept = 0.5 ** (1 / half_life)
    noise = random.standard_normal(rows).reshape(-1, _DAY) * np.sqrt(1 - kept**2)
    ages = np.arange(_DAY)
    weights = np.where(ages >= ages[:, None], kept ** np.abs(ages - ages[:, None]), 0.0)
    # Every day by itself, then what it still knows of the day before.
    within = noise @ weights
    carried, over_day = np.empty(len(within)), kept**_DAY
    known = float(random.standard_normal())
    for day, end in enumerate(within[:, -1].tolist()):
        carried[day] = known
        known = end + over_day * known
    return np.asarray((within + np.outer(carried, kept ** (ages + 1))).ravel())


def _halts(random: np.random.Generator, rows: int, whole: int) -> NDArray[np.bool_]:
    """Which quarters the exchange stood still in; never the first nor the last day."""
    halted = np.zeros(whole, dtype=np.bool_)
    if rows < 3 * _DAY:
        return halted
    for _ in range(max(1, rows // (_HALT_DAYS * _DAY))):
        at = int(random.integers(whole - rows + _DAY, whole - _DAY))
        halted[at : at + int(random.integers(1, _HALT_MOST + 1))] = True
    return halted


def _pull(moves: Floats, halted: NDArray[np.bool_]) -> None:
    """Draw the path to the price it ends at, day by day from the last one; in place."""
    by_day = moves.reshape(-1, _DAY)
    open_ = (~halted).reshape(-1, _DAY)
    parts = np.empty(len(by_day))
    away = 0.0
    sums, counts = by_day.sum(axis=1).tolist(), open_.sum(axis=1).tolist()
    for day in range(len(by_day) - 1, -1, -1):
        reached = away - sums[day]
        parts[day] = (1 - _PULL) * reached / counts[day]
        away = _PULL * reached
    by_day += parts[:, None] * open_


def _seasons(by_hour: tuple[float, ...]) -> Floats:
    return np.array([climate.season(by_hour, quarter) for quarter in range(_DAY)])
