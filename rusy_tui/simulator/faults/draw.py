"""A day of trouble: faults of every kind, drawn by a seed."""

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rusy_tui.simulator.faults.fault import Damage, Fault, Kind
from rusy_tui.simulator.randomness import generator

_Draw = Callable[[random.Random], dict[str, Any]]

_RARE = (Kind.LIQUIDATED, Kind.DELEVERAGED, Kind.SETTLED)
"""They end positions, or a contract for good: seldom, and never the first symbol's end."""

_RARE_ODDS = 40
_LONGEST_MS = 180_000


def random_faults(
    seed: int, count: int, from_ms: int, until_ms: int, symbols: Sequence[str]
) -> list[Fault]:
    """Faults of all kinds between two instants (wall ms), in order of time.

    Each is over, where it lasts, within three minutes and before ``until_ms``. Every kind but
    the rare ones comes about equally often; liquidation, ADL and settlement once in about
    forty. Settlements spare the first symbol, so that trading goes on.
    """
    source = generator(seed, "random faults")
    common = [kind for kind in Kind if kind not in _RARE]
    rare = [kind for kind in _RARE if kind is not Kind.SETTLED or len(symbols) > 1]
    bag: list[Kind] = []
    faults = []
    for _ in range(count):
        if source.randrange(_RARE_ODDS) == 0:
            kind = source.choice(rare)
        else:
            if not bag:
                # Kinds are dealt like cards: none is missed by chance.
                bag = source.sample(common, len(common))
            kind = bag.pop()
        faults.append(_fault(kind, source, from_ms, until_ms, symbols))
    return sorted(faults, key=lambda fault: fault.from_ms)


def _fault(
    kind: Kind, source: random.Random, from_ms: int, until_ms: int, symbols: Sequence[str]
) -> Fault:
    begins_ms = source.randrange(from_ms, until_ms - 1000)
    lasts_ms = source.randrange(5_000, _LONGEST_MS)
    fields: dict[str, Any] = {
        "kind": kind,
        "from_ms": begins_ms,
        "until_ms": min(begins_ms + lasts_ms, until_ms),
        "seed": source.randrange(1 << 30),
    }
    drawn = _DRAWS.get(kind, _by_share)(source)
    if kind in _OF_SYMBOL:
        among = symbols[1:] if kind is Kind.SETTLED else symbols
        drawn["symbol"] = source.choice(list(among))
    if kind in _OF_ROUTE:
        drawn["route"] = source.choice(("public", "market", "private"))
    return Fault(**fields | drawn)


def _by_share(source: random.Random) -> dict[str, Any]:
    return {"share": source.choice((0.1, 0.3, 0.6, 1.0))}


def _few_times(source: random.Random) -> dict[str, Any]:
    return {"times": source.randrange(1, 5), **_by_share(source)}


def _with(draw: _Draw, **choices: Sequence[Any]) -> _Draw:
    """A draw, and one of some values for each further setting."""

    def drawn(source: random.Random) -> dict[str, Any]:
        return draw(source) | {name: source.choice(values) for name, values in choices.items()}

    return drawn


def _nothing(_: random.Random) -> dict[str, Any]:
    return {}


_DRAWS: Mapping[Kind, _Draw] = {
    Kind.REPLY_LOST_AFTER: _with(_few_times, hang=(False, True)),
    Kind.REPLY_LOST_BEFORE: _with(_few_times, hang=(False, True)),
    Kind.REQUEST_DELAYED: _with(_few_times, delay_s=(0.5, 2.0, 4.0, 7.0)),
    Kind.REPLY_DELAYED: _with(_few_times, delay_s=(0.5, 2.0, 7.0, 12.0)),
    Kind.TOO_MANY_REQUESTS: _with(_nothing, times=(1,), retry_after_s=(2, 5, 15)),
    Kind.BANNED: _with(_nothing, times=(1,), retry_after_s=(5, 20, 60)),
    Kind.CLOCK_DRIFT: _with(
        _nothing, offset_ms=(-9000, -6500, 1500, 4000), checks_only=(False, False, True)
    ),
    Kind.STOP_REFUSED: _with(_few_times, code=(-2021, -4045, -1008, -2019, -4118)),
    Kind.BROKEN_REPLY: _with(_few_times, damage=tuple(Damage)),
    Kind.EVENT_DELAYED: _with(_by_share, delay_s=(0.5, 2.0, 5.0)),
    Kind.EVENTS_REORDERED: _with(_by_share, delay_s=(0.2, 1.0, 3.0)),
    Kind.CLOSE_LATE: _with(_by_share, delay_s=(2.0, 10.0, 40.0)),
    Kind.STREAM_SLOW: _with(_nothing, delay_s=(0.05, 0.3, 1.0)),
    Kind.STREAM_CUT: _nothing,
    Kind.STREAM_HALF_OPEN: _nothing,
    Kind.CONNECTION_REFUSED: _nothing,
    Kind.LISTEN_KEY_EXPIRED: _nothing,
    Kind.LISTEN_KEY_LOST: _nothing,
    Kind.BROKEN_MESSAGE: _with(_few_times, damage=tuple(Damage)),
    Kind.TRIGGERS_HELD: _nothing,
    Kind.STOP_EXPIRED: _with(_few_times, delay_s=(5.0, 30.0)),
    Kind.PRICE_GAP: _with(_nothing, factor=(0.97, 0.99, 1.01, 1.03)),
    Kind.FILLS_LIMITED: _with(_nothing, fraction=(0.1, 0.5, 0.9)),
    Kind.INSTRUMENT_CHANGED: _with(
        _nothing,
        change=(
            {"min_notional": "20"},
            {"min_notional": "100"},
            {"market_max_quantity": "60"},
            {"funding_interval_h": 4},
            {"funding_interval_h": 8},
        ),
    ),
    Kind.OPENINGS_BARRED: _with(_nothing, code=(-4140, -4192, -4400)),
    Kind.THIN_BOOK: _nothing,
    # Once: they would take every position for as long as they last.
    Kind.LIQUIDATED: _with(_nothing, times=(1,)),
    Kind.DELEVERAGED: _with(_nothing, times=(1,), fraction=(0.3, 1.0)),
    Kind.SETTLED: _nothing,
}
_OF_SYMBOL = frozenset(
    {
        *(Kind.TRIGGERS_HELD, Kind.STOP_EXPIRED, Kind.PRICE_GAP, Kind.FILLS_LIMITED),
        *(Kind.INSTRUMENT_CHANGED, Kind.OPENINGS_BARRED, Kind.THIN_BOOK),
        *(Kind.LIQUIDATED, Kind.DELEVERAGED, Kind.SETTLED),
    }
)
_OF_ROUTE = frozenset(
    {
        *(Kind.EVENT_DELAYED, Kind.EVENT_TWICE, Kind.EVENTS_REORDERED, Kind.STREAM_CUT),
        *(Kind.STREAM_HALF_OPEN, Kind.STREAM_SLOW, Kind.CONNECTION_REFUSED),
        *(Kind.BROKEN_MESSAGE,),
    }
)
