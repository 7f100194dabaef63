"""A day of trouble: faults of every kind, drawn by a seed."""

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from rusy_tui.simulator.faults.fault import Damage, Fault, Kind
from rusy_tui.simulator.randomness import generator

_Draw = Callable[[random.Random], dict[str, Any]]

_RARE = (Kind.LIQUIDATED, Kind.DELEVERAGED, Kind.SETTLED)
"""They end positions, or a contract for good: seldom, and never the first symbol's end."""

_RARE_ODDS = 40
_CLOSE_MS = 900_000
"""Whoever trades acts where bars of 15 minutes end: most faults reach over such a close."""
_AHEAD_MS = 60_000
"""So long before it they begin at most."""
_LASTS_MS = (65_000, 240_000)
_STANDS_MS = (1_000_000, 2_800_000)
"""So long stands what only an exit or a triggered stop meets: there are few of them."""
_STANDING = frozenset({Kind.THIN_BOOK, Kind.TRIGGERS_HELD})
_PATIENCE_MS = 2 * 3_600_000
"""What strikes a number of times stays for so long until it has."""

_ANY_TIME = frozenset(
    {
        *(Kind.LISTEN_KEY_EXPIRED, Kind.LISTEN_KEY_LOST, Kind.STOP_EXPIRED),
        *(Kind.PRICE_GAP, Kind.INSTRUMENT_CHANGED, *_RARE),
    }
)
"""Kinds that strike whenever they come; all others begin shortly before a close."""


def random_faults(
    seed: int, count: int, from_ms: int, until_ms: int, symbols: Sequence[str]
) -> list[Fault]:
    """Faults of all kinds between two instants (wall ms), in order of time.

    Most reach over the end of a quarter of an hour. What strikes a number of times is open
    until it has, for two hours at most; what lasts is over within four minutes, or 47 where few
    orders meet it; all end before ``until_ms``. Connections are refused from the moment a
    stream is cut. Every kind but the rare ones comes about equally often; liquidation, ADL and
    settlement once in about forty. Settlements spare the first symbol and come in the last
    quarter, so that trading goes on.
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
    return sorted(_paired(faults), key=lambda fault: fault.from_ms)


def _paired(faults: Sequence[Fault]) -> list[Fault]:
    """Let refusals of connections begin with a cut: nobody connects for no reason."""
    cuts = iter([fault for fault in faults if fault.kind is Kind.STREAM_CUT])
    return [
        _beside(fault, next(cuts, None)) if fault.kind is Kind.CONNECTION_REFUSED else fault
        for fault in faults
    ]


def _beside(refused: Fault, cut: Fault | None) -> Fault:
    if cut is None:
        return refused
    return msgspec.structs.replace(
        refused, from_ms=cut.from_ms, until_ms=cut.until_ms, route=cut.route
    )


def _fault(
    kind: Kind, source: random.Random, from_ms: int, until_ms: int, symbols: Sequence[str]
) -> Fault:
    drawn = _DRAWS.get(kind, _few_times)(source)
    begins_ms = _beginning(kind, source, from_ms, until_ms)
    lasts_ms = source.randrange(*(_STANDS_MS if kind in _STANDING else _LASTS_MS))
    if "times" in drawn:
        lasts_ms = _PATIENCE_MS
    fields: dict[str, Any] = {
        "kind": kind,
        "from_ms": begins_ms,
        "until_ms": min(begins_ms + lasts_ms, until_ms),
        "seed": source.randrange(1 << 30),
    }
    if kind in _OF_SYMBOL:
        among = symbols[1:] if kind is Kind.SETTLED else symbols
        drawn["symbol"] = source.choice(list(among))
    if kind in _OF_ROUTE:
        drawn["route"] = source.choice(("public", "market", "private"))
    return Fault(**fields | drawn)


def _beginning(kind: Kind, source: random.Random, from_ms: int, until_ms: int) -> int:
    """When a fault begins: shortly before a close where that matters and there is one."""
    if kind is Kind.SETTLED:
        from_ms = until_ms - (until_ms - from_ms) // 4
    first = from_ms // _CLOSE_MS + 1
    closes = (until_ms - _LASTS_MS[0]) // _CLOSE_MS + 1 - first
    if kind in _ANY_TIME or closes < 1:
        return source.randrange(from_ms, until_ms - 1000)
    close_ms = (first + source.randrange(closes)) * _CLOSE_MS
    return max(close_ms - source.randrange(1000, _AHEAD_MS), from_ms)


def _few_times(source: random.Random) -> dict[str, Any]:
    return {"times": source.randrange(1, 5), "share": source.choice((0.3, 0.6, 1.0))}


def _many_times(source: random.Random) -> dict[str, Any]:
    return {"times": source.randrange(1, 40), "share": source.choice((0.1, 0.3, 0.6, 1.0))}


def _at_requests(source: random.Random) -> dict[str, Any]:
    """A few times, at any request, or at new orders alone: plain ones or conditional ones."""
    path = source.choice((None, "/fapi/v1/order", "/fapi/v1/algoOrder"))
    return {"path": path, "method": path and "POST", **_few_times(source)}


def _with(draw: _Draw, **choices: Sequence[Any]) -> _Draw:
    """A draw, and one of some values for each further setting."""

    def drawn(source: random.Random) -> dict[str, Any]:
        return draw(source) | {name: source.choice(values) for name, values in choices.items()}

    return drawn


def _nothing(_: random.Random) -> dict[str, Any]:
    return {}


_DRAWS: Mapping[Kind, _Draw] = {
    Kind.REPLY_LOST_AFTER: _with(_at_requests, hang=(False, True)),
    Kind.REPLY_LOST_BEFORE: _with(_at_requests, hang=(False, True)),
    Kind.REQUEST_DELAYED: _with(_at_requests, delay_s=(0.5, 2.0, 4.0, 7.0)),
    Kind.REPLY_DELAYED: _with(_at_requests, delay_s=(0.5, 2.0, 7.0, 12.0)),
    Kind.STATUS_UNKNOWN: _at_requests,
    Kind.UNAVAILABLE: _at_requests,
    Kind.TOO_MANY_REQUESTS: _with(_nothing, times=(1,), retry_after_s=(2, 5, 15)),
    Kind.BANNED: _with(_nothing, times=(1,), retry_after_s=(5, 20, 60)),
    Kind.CLOCK_DRIFT: _with(
        _nothing, offset_ms=(-9000, -6500, 1500, 4000), checks_only=(False, False, True)
    ),
    Kind.STOP_REFUSED: _with(_few_times, code=(-2021, -4045, -1008, -2019, -4118)),
    Kind.BROKEN_REPLY: _with(_at_requests, damage=tuple(Damage)),
    Kind.EVENT_DELAYED: _with(_many_times, delay_s=(0.5, 2.0, 5.0)),
    Kind.EVENT_TWICE: _many_times,
    Kind.EVENTS_REORDERED: _with(_many_times, delay_s=(0.2, 1.0, 3.0)),
    Kind.CLOSE_LATE: _with(_few_times, delay_s=(2.0, 10.0, 40.0)),
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
