"""The synthetic market from one quarter of an hour to the next: mood, volatility, drift.

What lasts longer than a quarter of an hour lives here and is carried in two small states,
one of the market and one a coin; everything quicker is :mod:`.tape`. Units: returns are log
returns, and most figures are in multiples of a usual quarter's standard deviation.
"""

import math
from dataclasses import dataclass, field

from rusy_tui.simulator.feeds.coins import MOVE_SEASON, VOLUME_SEASON, Coin

QUARTERS_A_DAY = 96
QUARTERS_A_YEAR = 365 * QUARTERS_A_DAY
# Random numbers a quarter takes of the market and of each coin: normal, uniform.
MARKET_NORMALS, MARKET_UNIFORMS = 4, 5
COIN_NORMALS, COIN_UNIFORMS = 2, 4


@dataclass(frozen=True, slots=True)
class _Mood:
    """A regime: how far it moves things, and what follows it with which chance a quarter."""

    drift: float
    volatility: float
    volume: float
    reversion: float
    next: tuple[tuple[int, float], ...]


_RANGE, _UP, _DOWN, _PANIC = range(4)
# With jumps and all, a year comes out at the coin's volatility (measured over 8 years).
_MOODS = (
    _Mood(0.0, 0.80, 0.90, 1.6, ((_UP, 0.008), (_DOWN, 0.008), (_PANIC, 0.001))),
    _Mood(0.07, 0.95, 1.05, 0.6, ((_RANGE, 0.020), (_DOWN, 0.002), (_PANIC, 0.001))),
    _Mood(-0.07, 1.10, 1.10, 0.6, ((_RANGE, 0.020), (_UP, 0.002), (_PANIC, 0.003))),
    _Mood(-0.16, 2.00, 1.90, 1.0, ((_RANGE, 0.050), (_UP, 0.060), (_DOWN, 0.020))),
)
# Log volatility is a sum of three that forget by half in an hour, a night and a week; the
# long memory of |returns| in recordings needs no less. Weight = standard deviation.
_MEMORIES = tuple(
    (0.5 ** (1 / quarters), sd) for quarters, sd in ((4, 0.28), (40, 0.28), (600, 0.24))
)
_SHOCK_SD = 0.20
_OWN_MEMORY, _OWN_SD = 0.5 ** (1 / 24), 0.25
_VOLUME_MEMORY, _VOLUME_SD = 0.5 ** (1 / 12), 0.25
# Volume grows a little more than in proportion to volatility.
_VOLUME_POWER = 1.05
# A jump: chance a quarter, least and mean further size, and what it adds to log volatility.
_MARKET_JUMP, _COIN_JUMP = 0.011, 0.008
_JUMP_LEAST, _JUMP_MORE, _JUMP_UNREST = 1.2, 1.3, 0.45
# The pull back after a sharp move: the move is remembered by half for an hour.
_MOVE_MEMORY = 0.5 ** (1 / 4)
_MOVE_SD = 1 / math.sqrt(1 - _MOVE_MEMORY**2)
_PULL, _SHARP, _PULL_MOST = 0.10, 1.0, 0.40
# Brings the median quarter's turnover to the coin's figure (measured).
_USUAL_VOLUME = 1.5


@dataclass(slots=True)
class MarketState:
    """What the whole market carries from one quarter to the next."""

    mood: int = _RANGE
    memories: list[float] = field(default_factory=lambda: [0.0] * len(_MEMORIES))


@dataclass(slots=True)
class CoinState:
    """What a coin carries from one quarter to the next: ``price`` is a logarithm."""

    price: float
    unrest: float = 0.0
    interest: float = 0.0
    recent_move: float = 0.0


@dataclass(frozen=True, slots=True)
class Jump:
    """A sudden move: its size and when it begins, as a share of the quarter."""

    size: float
    at: float


NO_JUMP = Jump(0.0, 0.0)


@dataclass(frozen=True, slots=True)
class MarketQuarter:
    """The market's part in one quarter, in multiples of a usual quarter's deviation."""

    volatility: float
    volume: float
    drift: float
    reversion: float
    jump: Jump


@dataclass(frozen=True, slots=True)
class CoinQuarter:
    """One quarter of one coin, before its innovations.

    Attributes:
        start: log price at the beginning.
        of_market: what a unit of the market's innovation moves the log price by.
        of_own: the same for the coin's own innovation.
        drift: of the log price over the quarter.
        jump: of the market, in units of ``of_market``.
        own_jump: of the coin, in units of ``of_own``.
        turnover: expected, USDT.
    """

    start: float
    of_market: float
    of_own: float
    drift: float
    jump: Jump
    own_jump: Jump
    turnover: float

    @property
    def deviation(self) -> float:
        """Standard deviation of the quarter's log return without jumps."""
        return math.hypot(self.of_market, self.of_own)

    def move(self, market: float, own: float) -> float:
        """The quarter's log return, its innovations summed."""
        return (
            self.drift
            + self.of_market * (market + self.jump.size)
            + self.of_own * (own + self.own_jump.size)
        )


def next_market(
    state: MarketState, quarter: int, normals: list[float], uniforms: list[float]
) -> MarketQuarter:
    """Carry the market into its next quarter.

    Args:
        state: changed in place.
        quarter: of the UTC day, 0 to 95.
        normals: :data:`MARKET_NORMALS` standard normal numbers.
        uniforms: :data:`MARKET_UNIFORMS` numbers in [0, 1).
    """
    chance = uniforms[0]
    for following, share in _MOODS[state.mood].next:
        chance -= share
        if chance < 0:
            state.mood = following
            break
    mood = _MOODS[state.mood]
    jump = _jump(_MARKET_JUMP, uniforms[1:], 0.7 if state.mood == _PANIC else 0.5)
    memories = state.memories
    log_volatility = _SHOCK_SD * normals[-1]
    variance = _SHOCK_SD**2
    for index, (kept, deviation) in enumerate(_MEMORIES):
        memories[index] = kept * memories[index] + normals[index] * deviation * math.sqrt(
            1 - kept**2
        )
        log_volatility += memories[index]
        variance += deviation**2
    # A jump is felt from the next quarter on, for about an hour.
    memories[0] += _JUMP_UNREST * (jump is not NO_JUMP)
    climate = math.exp(log_volatility - variance) * mood.volatility
    return MarketQuarter(
        volatility=climate * season(MOVE_SEASON, quarter),
        volume=_USUAL_VOLUME
        * climate**_VOLUME_POWER
        * mood.volume
        * season(VOLUME_SEASON, quarter),
        drift=mood.drift,
        reversion=mood.reversion,
        jump=jump,
    )


def next_coin(
    coin: Coin,
    state: CoinState,
    market: MarketQuarter,
    normals: list[float],
    uniforms: list[float],
) -> CoinQuarter:
    """Carry a coin into the same quarter; :func:`settle` must follow.

    Args:
        coin: what it is like.
        state: changed in place, but for its price and recent move.
        market: what the market does.
        normals: :data:`COIN_NORMALS` standard normal numbers.
        uniforms: :data:`COIN_UNIFORMS` numbers in [0, 1).
    """
    state.unrest = _OWN_MEMORY * state.unrest + normals[0] * _OWN_SD * math.sqrt(
        1 - _OWN_MEMORY**2
    )
    state.interest = _VOLUME_MEMORY * state.interest + normals[1] * _VOLUME_SD * math.sqrt(
        1 - _VOLUME_MEMORY**2
    )
    usual = coin.volatility / math.sqrt(QUARTERS_A_YEAR)
    scale = usual * market.volatility
    own = math.exp(state.unrest - _OWN_SD**2)
    jump = _jump(_COIN_JUMP, uniforms, 0.5)
    stretch = state.recent_move / _MOVE_SD
    pull = -_PULL * market.reversion * stretch * min(1.0, abs(stretch) / _SHARP)
    pull = max(-_PULL_MOST, min(_PULL_MOST, pull))
    state.unrest += _JUMP_UNREST * (jump is not NO_JUMP)
    return CoinQuarter(
        start=state.price,
        of_market=scale * math.sqrt(coin.market_share),
        of_own=scale * own * math.sqrt(1 - coin.market_share),
        drift=scale * (market.drift * math.sqrt(coin.market_share) + pull),
        jump=market.jump,
        own_jump=jump,
        turnover=coin.turnover * market.volume * own * math.exp(state.interest),
    )


def settle(state: CoinState, quarter: CoinQuarter, move: float) -> None:
    """End a coin's quarter with the log return that it made."""
    state.price = quarter.start + move
    state.recent_move = _MOVE_MEMORY * state.recent_move + move / quarter.deviation


def season(by_hour: tuple[float, ...], quarter: int) -> float:
    """A day's season at a quarter, moving evenly from the middle of one hour to the next."""
    hour, within = divmod((quarter - 1.5) % QUARTERS_A_DAY, 4)
    this, following = by_hour[int(hour)], by_hour[(int(hour) + 1) % 24]
    return this + (following - this) * within / 4


def _jump(chance: float, uniforms: list[float], down: float) -> Jump:
    """A jump made of four uniform numbers: whether, which way, how far, when."""
    if uniforms[0] >= chance:
        return NO_JUMP
    size = _JUMP_LEAST - _JUMP_MORE * math.log(1 - uniforms[2])
    return Jump(-size if uniforms[1] < down else size, 0.8 * uniforms[3])
