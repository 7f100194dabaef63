"""An invented market: seeded, endless, and like enough to look at and to trade in a demo.

Never data to train or to judge a forecast on: whatever regularity it has was put there by
hand, among it a mild pull back after sharp moves (as recorded markets show, where −RSI(14)
tells the sign of the next hour with an AUC of about .53).
"""

import zlib
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from functools import partial

import msgspec
import numpy as np

from rusy_tui.domain.candle import Candle, Interval
from rusy_tui.domain.errors import UsageError
from rusy_tui.domain.instrument import Instrument
from rusy_tui.simulator.feeds import Print, Step, climate, tape
from rusy_tui.simulator.feeds.climate import CoinState, MarketQuarter, MarketState
from rusy_tui.simulator.feeds.coins import Coin, coin
from rusy_tui.simulator.feeds.columns import Columns, Floats, joined
from rusy_tui.simulator.feeds.contracts import known
from rusy_tui.simulator.feeds.deep import DeepPast
from rusy_tui.simulator.feeds.figures import Figures, digits_of, of_columns
from rusy_tui.simulator.feeds.invention import Invented, invented
from rusy_tui.simulator.feeds.minutes import Traded, minutes_of, per_unit
from rusy_tui.simulator.feeds.past import HISTORY_BARS, candles_of
from rusy_tui.simulator.markets import HISTORY_DAYS, MOST_HISTORY_DAYS

_QUARTER_MS = Interval.M15.ms
_MINUTE_MS = Interval.M1.ms
_PAST_HOURS = 640
_PAST_QUARTERS = _PAST_HOURS * 4
_PAST_NOISE, _PLAY_NOISE = 0.35, 0.60
_START_PRICE_SD = 0.03
_MARKET = "the market as a whole"
# Which draws of a name's: its past, the funding rate of a time, a quarter, its years before.
_PAST, _FUNDING, _PLAY, _DEEP = 0, 1, 2, 3


class _Pair:
    """One coin of the market: its contract, and the state it is in."""

    def __init__(self, symbol: str, onboard_ms: int) -> None:
        contract = known(symbol)
        self.coin: Coin = coin(symbol)
        if contract is None:
            raise UsageError(f"no filters are on record for {symbol}")
        self.contract: Instrument = msgspec.structs.replace(contract, onboard_ms=onboard_ms)
        self.state = CoinState(0.0)
        self.ticks_per_unit = per_unit(contract.tick_size)
        self.steps_per_unit = per_unit(contract.step_size)
        self.past: Columns
        self.begun_with: Columns
        self.played: Figures | None = None

    def ticks(self, log_prices: Floats) -> tape.Ints:
        return tape.units(np.exp(log_prices), 1 / self.ticks_per_unit)


class SyntheticFeed:
    """Several coins that move together, invented from a seed and without end.

    A quarter of an hour is made at a time. Its random numbers come from the seed, the coin
    and the quarter's number alone, so a coin's market is the same whichever others are
    played; what reaches from one quarter into the next is the small state of
    :mod:`.climate` (mood, volatility, and each coin's price, unrest, interest and recent
    move). Equal arguments give an equal market on one machine with one numpy; another
    ``step_ms`` is another market.

    Args:
        seed: at least 0.
        start_ms: where play began, on a full hour.
        symbols: the coins.
        resume_ms: take the market up again at a moment of its play. It is then played
            through in silence up to that hour, which :attr:`start_ms` names and up to which
            :meth:`history` reaches; the steps begin there, so whoever resumes within the
            hour plays them into its forming bars and into nothing else.
        step_ms: market ms between two steps; a minute is a whole number of them.
        history_days: days before ``start_ms`` that the contracts were listed. What is older
            than the last 640 hours is made when somebody asks for it, of the seed and the
            symbol alone.

    Raises:
        UsageError: a symbol or a moment the market can't be played with.
    """

    def __init__(
        self,
        seed: int,
        start_ms: int,
        symbols: Sequence[str],
        resume_ms: int | None = None,
        step_ms: int = 1000,
        history_days: int = HISTORY_DAYS,
    ) -> None:
        if seed < 0:
            raise UsageError(f"seed {seed}: give a number of at least 0")
        if start_ms != Interval.H1.floor(start_ms):
            raise UsageError(f"start {start_ms} ms: the market begins on a full hour")
        if _MINUTE_MS % step_ms:
            raise UsageError(f"a minute is not a whole number of steps of {step_ms} ms")
        if not 0 <= history_days <= MOST_HISTORY_DAYS:
            raise UsageError(
                f"history of {history_days} days: give 0 to {MOST_HISTORY_DAYS} days"
            )
        self._seed = seed
        self._step_ms = step_ms
        # The recent past is there in any case.
        onboard_ms = start_ms - max(history_days * 24, _PAST_HOURS) * Interval.H1.ms
        self._pairs = {symbol: _Pair(symbol, onboard_ms) for symbol in symbols}
        self._market = MarketState()
        self._make_past(start_ms)
        self._begin_ms = start_ms
        self._start_ms = start_ms
        if resume_ms is not None:
            self._fast_forward(Interval.H1.floor(resume_ms))
        self._steps = self._play()

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        return {symbol: pair.contract for symbol, pair in self._pairs.items()}

    @property
    def start_ms(self) -> int:
        return self._start_ms

    @property
    def end_ms(self) -> int | None:
        return None

    @property
    def update_ms(self) -> int:
        return self._step_ms

    def history(self, symbol: str, interval: Interval) -> Sequence[Candle]:
        """At least 1,500 bars of 1m and 15m and 640 of 1h, whole in every column.

        All are built of the same minutes, so hours and quarters agree.
        """
        pair = self._pairs.get(symbol)
        return () if pair is None else candles_of(pair.past, interval)

    def deep_past(self, symbol: str) -> DeepPast | None:
        """Every quarter since the contract was listed, and what was played of a former run."""
        pair = self._pairs.get(symbol)
        if pair is None:
            return None
        first_ms = pair.contract.onboard_ms
        minutes = pair.begun_with
        rows = (int(minutes.open_time_ms[0]) - first_ms) // _QUARTER_MS
        invent = partial(self._invented, pair, first_ms, rows) if rows else None
        return DeepPast(pair.contract, invent, minutes, pair.played, pair.past)

    def _invented(self, pair: _Pair, first_ms: int, rows: int) -> Invented:
        return invented(
            pair.coin,
            pair.contract,
            first_ms,
            rows,
            float(pair.begun_with.open[0]),
            self._random(_MARKET, _DEEP),
            self._random(pair.contract.symbol, _DEEP),
        )

    def funding_rate(self, symbol: str, funding_time_ms: int) -> Decimal:
        """Around 0.01 %, invented from the seed, the symbol and the time."""
        random = self._random(symbol, _FUNDING, funding_time_ms)
        rate = float(np.clip(1.0 + 0.6 * random.standard_normal(), -2.0, 3.0))
        return Decimal(round(rate * 10_000)).scaleb(-8)

    def liquidity(self, symbol: str) -> None:
        """The exchange invents them too."""

    def next_step(self) -> Step | None:
        return next(self._steps)

    def _random(self, name: str, *numbers: int) -> np.random.Generator:
        key = [self._seed, zlib.crc32(name.encode()), *numbers]
        return np.random.Generator(np.random.PCG64(np.random.SeedSequence(key)))

    def _make_past(self, start_ms: int) -> None:
        """The hours before play, minute by minute, and the states they lead to."""
        random = self._random(_MARKET, _PAST)
        market = tape.innovations(random, _PAST_QUARTERS, tape.MINUTES)
        first = start_ms - _PAST_QUARTERS * _QUARTER_MS
        quarters = [
            climate.next_market(
                self._market, _quarter_of_day(first + row * _QUARTER_MS), *draws
            )
            for row, draws in enumerate(
                _draws(random, climate.MARKET_NORMALS, climate.MARKET_UNIFORMS)
            )
        ]
        opens = np.arange(first, start_ms, _MINUTE_MS)
        for symbol, pair in self._pairs.items():
            pair.past = self._past_of(symbol, pair, market, quarters, opens)
            pair.begun_with = pair.past

    def _past_of(
        self,
        symbol: str,
        pair: _Pair,
        market: Floats,
        of_market: list[MarketQuarter],
        opens: tape.Ints,
    ) -> Columns:
        random, state = self._random(symbol, _PAST), pair.state
        own = tape.innovations(random, *market.shape)
        quarters = []
        for market_quarter, market_sum, own_sum, draws in zip(
            of_market,
            market.sum(axis=1).tolist(),
            own.sum(axis=1).tolist(),
            _draws(random, climate.COIN_NORMALS, climate.COIN_UNIFORMS),
            strict=True,
        ):
            quarter = climate.next_coin(pair.coin, state, market_quarter, *draws)
            quarters.append(quarter)
            climate.settle(state, quarter, quarter.move(market_sum, own_sum))
        moves = tape.moves_of(quarters, market, own)
        log_price = np.log(pair.coin.price) + _START_PRICE_SD * random.standard_normal()
        state.price = float(log_price)
        last = (log_price - moves.sum() + np.cumsum(moves)).reshape(moves.shape)
        before = last - moves
        usual = np.array([quarter.deviation for quarter in quarters])[:, None]
        high, low = tape.extremes(random, before, last, usual / np.sqrt(tape.MINUTES))
        surprises = tape.surprise(moves, quarters)
        turnover = np.array([q.turnover for q in quarters])[:, None] / tape.MINUTES
        turnover = turnover * tape.activity(random, surprises, _PAST_NOISE)
        units = tape.units(turnover / np.exp(last), 1 / pair.steps_per_unit)
        taken = np.rint(tape.taker_shares(random, surprises) * units)
        open_, high, low, close = (
            pair.ticks(log.ravel()) / pair.ticks_per_unit for log in (before, high, low, last)
        )
        volume = units.ravel() / pair.steps_per_unit
        return Columns(
            symbol,
            Interval.M1,
            opens,
            open_,
            np.maximum.reduce([open_, high, close]),
            np.minimum.reduce([open_, low, close]),
            close,
            volume,
            np.round(volume * (open_ + close) / 2, 8),
            tape.counts(random, turnover / pair.coin.trade).ravel().astype(np.float64),
            taken.ravel() / pair.steps_per_unit,
        )

    def _next_quarter(self, open_time_ms: int) -> dict[str, Traded]:
        """Make the quarter that opens now, and carry all states over it."""
        number = (open_time_ms - self._begin_ms) // _QUARTER_MS
        slots = _QUARTER_MS // self._step_ms
        random = self._random(_MARKET, _PLAY, number)
        market = tape.innovations(random, 1, slots)
        (draws,) = _draws(random, climate.MARKET_NORMALS, climate.MARKET_UNIFORMS, 1)
        quarter = climate.next_market(self._market, _quarter_of_day(open_time_ms), *draws)
        return {
            symbol: self._traded(pair, quarter, market, self._random(symbol, _PLAY, number))
            for symbol, pair in self._pairs.items()
        }

    def _traded(
        self, pair: _Pair, of_market: MarketQuarter, market: Floats, random: np.random.Generator
    ) -> Traded:
        own = tape.innovations(random, *market.shape)
        (draws,) = _draws(random, climate.COIN_NORMALS, climate.COIN_UNIFORMS, 1)
        quarter = climate.next_coin(pair.coin, pair.state, of_market, *draws)
        moves = tape.moves_of([quarter], market, own)
        climate.settle(pair.state, quarter, float(moves.sum()))
        surprises = tape.surprise(moves, [quarter])
        busy = tape.activity(random, surprises, _PLAY_NOISE)
        # Bursts come at random; the rarer they are, the more of the turnover each one is.
        chance = -np.expm1(-pair.coin.pace * self._step_ms / 1000 * busy)
        turnover = quarter.turnover / moves.shape[-1] * busy / chance
        log_prices = quarter.start + np.cumsum(moves)
        units = tape.units(turnover / np.exp(log_prices), 1 / pair.steps_per_unit)
        units[random.random(units.shape) >= chance] = 0
        taken = np.rint(tape.taker_shares(random, surprises) * units).astype(np.int64)
        return Traded(
            pair.ticks(log_prices),
            units[0],
            taken[0],
            tape.counts(random, turnover / pair.coin.trade)[0],
        )

    def _play(self) -> Iterator[Step]:
        open_time_ms = self._start_ms
        while True:
            quarter = self._next_quarter(open_time_ms)
            columns = [
                (
                    symbol,
                    self._pairs[symbol].contract,
                    traded.ticks.tolist(),
                    traded.units.tolist(),
                    traded.taken.tolist(),
                    traded.trades.tolist(),
                )
                for symbol, traded in quarter.items()
            ]
            for slot, time_ms in enumerate(
                range(open_time_ms, open_time_ms + _QUARTER_MS, self._step_ms)
            ):
                yield Step(
                    time_ms,
                    tuple(
                        Print(
                            symbol,
                            contract.tick_size * ticks[slot],
                            contract.step_size * units[slot],
                            contract.step_size * taken[slot],
                            trades[slot],
                        )
                        for symbol, contract, ticks, units, taken, trades in columns
                        if units[slot]
                    ),
                )
            open_time_ms += _QUARTER_MS

    def _fast_forward(self, until_ms: int) -> None:
        """Play up to an hour in silence, and make what was played part of the past."""
        if until_ms < self._begin_ms:
            raise UsageError(
                f"resume {until_ms} ms: the market began later, at {self._begin_ms} ms"
            )
        made: dict[str, list[Columns]] = {symbol: [] for symbol in self._pairs}
        for open_time_ms in range(self._begin_ms, until_ms, _QUARTER_MS):
            for symbol, traded in self._next_quarter(open_time_ms).items():
                parts, pair = made[symbol], self._pairs[symbol]
                last = float((parts[-1] if parts else pair.past).close[-1])
                parts.append(minutes_of(pair.contract, traded, open_time_ms, last))
        most = HISTORY_BARS * Interval.H1.ms // _MINUTE_MS
        for symbol, parts in made.items():
            if parts:
                pair = self._pairs[symbol]
                played = of_columns(joined(parts), digits_of(pair.contract))
                pair.played = played.merged(_QUARTER_MS // _MINUTE_MS)
                pair.past = joined([pair.past, *parts]).rows(slice(-most, None))
        self._start_ms = until_ms


def _quarter_of_day(open_time_ms: int) -> int:
    return open_time_ms // _QUARTER_MS % climate.QUARTERS_A_DAY


def _draws(
    random: np.random.Generator, normals: int, uniforms: int, quarters: int = _PAST_QUARTERS
) -> list[tuple[list[float], list[float]]]:
    """The random numbers that :mod:`.climate` takes, a pair of lists a quarter."""
    normal = random.standard_normal((quarters, normals)).tolist()
    return list(zip(normal, random.random((quarters, uniforms)).tolist(), strict=True))
