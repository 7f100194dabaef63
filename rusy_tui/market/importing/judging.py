"""The rules that a row must keep, over whole columns: what breaks one is set aside.

For bars these are the rules of :func:`rusy_tui.market.validation.fault_of`, those of the table,
and what only a file can break: a close time of another interval, a bar that is still forming,
the same bar twice and not alike, a price finer than the contract's tick.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rusy_tui.domain.bars import COLUMNS, Bars, Floats, Times
from rusy_tui.domain.candle import Candle, Interval
from rusy_tui.domain.history import FindingKind, payment_ms
from rusy_tui.market import hours
from rusy_tui.market.importing.reading import PRICES, Table, plausible
from rusy_tui.market.importing.report import FileRefused, SetAside

Mask = NDArray[np.bool_]
Rows = NDArray[np.intp]
Tick = tuple[float, int, int]

_DAY_MS = 86_400_000
# Floats of decimals that have few digits: what is closer to a whole number of ticks is one.
_TICK_NOISE = 1e-6
# A file needs this many rows before the distances between them say what interval it has.
_ENOUGH_ROWS = 10


@dataclass(frozen=True, slots=True)
class Judged:
    """The rows of a file that keep the rules, ascending, each open time once.

    ``lines`` tell where each stands; ``equal`` counts rows that repeat one of them.
    ``unjudged`` is the first and the last open time of rows whose digits could not be judged,
    None where all could.
    """

    bars: Bars
    lines: Times
    equal: int
    set_aside: list[SetAside]
    unjudged: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class _Rule:
    """Rows that break a rule, and how one of them is told."""

    broken: Mask
    told: Callable[[int], str]
    kind: FindingKind = FindingKind.BROKEN_ROW


def judge_bars(
    table: Table, symbol: str, interval: Interval, now_ms: int, ticks: Sequence[Tick]
) -> Judged:
    """Hold the rows of a file of klines to the rules.

    Args:
        table: the rows, of klines.
        symbol: of all rows.
        interval: of all rows.
        now_ms: market time; what closes after it is still forming.
        ticks: steps of the price on record, each with when it was first and last seen, ms.

    Raises:
        FileRefused: it holds another interval, or no klines.
    """
    bars = _bars(table, interval)
    _refuse_other_interval(table, interval)
    if not bars.volume.any() and bool((bars.high > bars.low).any()):
        raise FileRefused(
            "every volume is 0 while prices move: mark or index prices, not klines; put the "
            "file below a folder markPriceKlines, or give --kind markPriceKlines"
        )
    step = _steps(bars.open_time_ms, ticks)
    rules = [
        *_time_rules(table, interval, now_ms),
        *_price_rules(bars),
        *_amount_rules(bars),
        _Rule(
            _finer(bars, step),
            lambda row: _finer_told(bars, step, row),
            FindingKind.FINER_THAN_TICK,
        ),
    ]
    set_aside, sound = _applied(table, rules, lambda row: candle(symbol, bars, row))
    unknown = bars.open_time_ms[sound & np.isnan(step)]
    kept, equal, unlike = _each_once(table, bars, np.flatnonzero(sound), symbol)
    return Judged(
        bars[kept],
        table.lines[kept],
        equal,
        set_aside + unlike,
        (int(unknown.min()), int(unknown.max())) if len(unknown) else None,
    )


def judge_mark_prices(table: Table, symbol: str, interval: Interval, now_ms: int) -> Judged:
    """The same for a file of mark prices, whose volumes say nothing.

    The bars have NaN for all but prices.
    """
    bars = _bars(table, interval)
    _refuse_other_interval(table, interval)
    rules = [*_time_rules(table, interval, now_ms), *_price_rules(bars)]
    set_aside, sound = _applied(table, rules, lambda row: candle(symbol, bars, row))
    kept, equal, unlike = _each_once(table, bars, np.flatnonzero(sound), symbol)
    return Judged(bars[kept], table.lines[kept], equal, set_aside + unlike)


@dataclass(frozen=True, slots=True)
class JudgedFunding:
    """Funding rates that keep the rules, ascending, each payment once."""

    time_ms: Times
    rate: Floats
    mark_price: Floats
    lines: Times
    equal: int
    set_aside: list[SetAside]


def judge_funding(table: Table, now_ms: int) -> JudgedFunding:
    """Hold the rows of a file of funding rates to the rules.

    Two rows of one minute are of one payment, and known by it from here on.
    """
    times, rate = table.open_time_ms, table.columns["funding_rate"]
    mark = table.columns.get("mark_price", np.full(len(table), np.nan))
    rules = [
        _implausible(table),
        _Rule(times > now_ms, lambda row: f"paid at {times[row]}, which is still to come"),
        _Rule(
            ~np.isfinite(rate) | (np.abs(rate) >= 1),
            lambda row: f"a rate of {rate[row]} of the position's value",
        ),
        _Rule((mark <= 0) | np.isinf(mark), lambda row: f"a mark price of {mark[row]}"),
    ]
    set_aside, sound = _applied(table, rules, lambda row: None)
    rows, paid = np.flatnonzero(sound), payment_ms(times)
    kept, equal, unlike = _once(
        paid[rows],
        rows,
        lambda one, other: bool(rate[one] == rate[other]),
    )
    set_aside += [
        SetAside(
            int(table.lines[row]),
            int(times[row]),
            FindingKind.DUPLICATE,
            f"given {len(group)} times and not alike: rates "
            + ", ".join(f"{rate[each]:.12g} in {table.lines[each]}" for each in group),
        )
        for group in unlike
        for row in group
    ]
    return JudgedFunding(
        paid[kept], rate[kept], mark[kept], table.lines[kept], equal, set_aside
    )


# --- rules --------------------------------------------------------------------------------


def _time_rules(table: Table, interval: Interval, now_ms: int) -> list[_Rule]:
    opened, closed = table.open_time_ms, table.close_time_ms
    rules = [
        _implausible(table),
        _Rule(
            opened % interval.ms != 0,
            lambda row: f"open time {opened[row]} is not on the {interval} grid",
        ),
        _Rule(
            opened + interval.ms > now_ms,
            lambda row: f"still forming: it closes at {opened[row] + interval.ms}",
        ),
    ]
    if closed is not None:
        rules.append(
            _Rule(
                closed != opened + interval.ms - 1,
                lambda row: f"close time {closed[row]} is not {interval} after its open time",
            )
        )
    return rules


def _implausible(table: Table) -> _Rule:
    times = table.open_time_ms
    return _Rule(
        ~plausible(times), lambda row: f"time {times[row]} is no moment in ms since 1970"
    )


def _price_rules(bars: Bars) -> list[_Rule]:
    prices = np.stack([getattr(bars, name) for name in PRICES])
    return [
        _Rule(
            ~(np.isfinite(prices) & (prices > 0)).all(axis=0),
            lambda row: f"a price is not positive: {tuple(prices[:, row].tolist())}",
        ),
        _Rule(
            bars.high < np.maximum(bars.open, bars.close),
            lambda row: (
                f"high {bars.high[row]} is below open {bars.open[row]} "
                f"or close {bars.close[row]}"
            ),
        ),
        _Rule(
            bars.low > np.minimum(bars.open, bars.close),
            lambda row: (
                f"low {bars.low[row]} is above open {bars.open[row]} or close {bars.close[row]}"
            ),
        ),
    ]


def _amount_rules(bars: Bars) -> list[_Rule]:
    def nonsense(name: str, *, absent: bool) -> _Rule:
        values = getattr(bars, name)
        sound = np.isfinite(values) & (values >= 0)
        return _Rule(
            ~(sound | np.isnan(values)) if absent else ~sound,
            lambda row: f"{name.replace('_', ' ')} {values[row]} is no amount",
        )

    return [
        nonsense("volume", absent=False),
        *(nonsense(name, absent=True) for name in COLUMNS[5:]),
        _Rule(
            bars.taker_buy_volume > bars.volume * (1 + 1e-9),
            lambda row: (
                f"taker volume {bars.taker_buy_volume[row]} exceeds volume {bars.volume[row]}"
            ),
        ),
    ]


def _applied(
    table: Table, rules: Sequence[_Rule], as_candle: Callable[[int], Candle | None]
) -> tuple[list[SetAside], Mask]:
    """What is set aside, by the first rule each row breaks, and the mask of the others."""
    # By row: which rule, None for a cell that can't be read.
    broken: dict[int, _Rule | None] = dict.fromkeys(table.broken)
    for rule in rules:
        for row in np.flatnonzero(rule.broken).tolist():
            broken.setdefault(row, rule)
    believable = plausible(table.open_time_ms)
    set_aside = []
    for row in sorted(broken):
        first = broken[row]
        set_aside.append(
            SetAside(
                int(table.lines[row]),
                int(table.open_time_ms[row]) if believable[row] else 0,
                FindingKind.BROKEN_ROW if first is None else first.kind,
                table.broken[row] if first is None else first.told(row),
                as_candle(row),
            )
        )
    sound = np.ones(len(table), bool)
    sound[list(broken)] = False
    return set_aside, sound


# --- ticks --------------------------------------------------------------------------------


def _steps(times: Times, ticks: Sequence[Tick]) -> Floats:
    """The finest step on record for each row's UTC day; NaN where none is."""
    finest = np.full(len(times), np.nan)
    days = times // _DAY_MS
    for step, first_ms, last_ms in ticks:
        that_day = (days >= first_ms // _DAY_MS) & (days <= last_ms // _DAY_MS)
        finest[that_day] = np.fmin(finest[that_day], step)
    return finest


def _finer(bars: Bars, step: Floats) -> Mask:
    found = np.zeros(len(bars), bool)
    for name in PRICES:
        found |= _between_steps(getattr(bars, name), step)
    return found


def _between_steps(prices: Floats, step: Floats) -> Mask:
    """Which prices are no whole number of steps; none where no step is known."""
    count = prices / step
    with np.errstate(invalid="ignore"):
        beside = np.abs(count - np.rint(count))
    found: Mask = beside > _TICK_NOISE + 8 * np.finfo(np.float64).eps * np.abs(count)
    return found


def _finer_told(bars: Bars, step: Floats, row: int) -> str:
    here = slice(row, row + 1)
    wrong = [
        f"{name} {getattr(bars, name)[row]:.12g}"
        for name in PRICES
        if _between_steps(getattr(bars, name)[here], step[here])[0]
    ]
    return f"finer than the tick {step[row]:.12g} of that day: {', '.join(wrong)}"


# --- the same bar twice -------------------------------------------------------------------


def _each_once(
    table: Table, bars: Bars, rows: Rows, symbol: str
) -> tuple[Rows, int, list[SetAside]]:
    """Rows ascending by time; those that repeat one are counted or, when unlike, set aside.

    Which of two unlike rows is right can't be told from the file: neither is stored.
    """

    def alike(one: int, other: int) -> bool:
        pair = bars[np.array([one])], bars[np.array([other])]
        return not any(wrong[0] for wrong in hours.unlike(*pair).values())

    kept, equal, groups = _once(bars.open_time_ms[rows], rows, alike)
    unlike = []
    for group in groups:
        where = ", ".join(str(table.lines[row]) for row in group)
        for row in group:
            figures = " ".join(f"{getattr(bars, name)[row]:.12g}" for name in COLUMNS)
            unlike.append(
                SetAside(
                    int(table.lines[row]),
                    int(bars.open_time_ms[row]),
                    FindingKind.DUPLICATE,
                    f"one bar, given in {where} and not alike; this one: {figures}",
                    candle(symbol, bars, row),
                )
            )
    return kept, equal, unlike


def _once(
    keys: Times, rows: Rows, alike: Callable[[int, int], bool]
) -> tuple[Rows, int, list[list[int]]]:
    """Rows ascending by key, each key once; how many repeat; groups that are not alike."""
    order = np.argsort(keys, kind="stable")
    keys, rows = keys[order], rows[order]
    starts = np.flatnonzero(np.diff(keys, prepend=keys[:1] - 1))
    sizes = np.diff(starts, append=len(keys))
    keep = np.ones(len(starts), bool)
    equal, unlike = 0, []
    for place in np.flatnonzero(sizes > 1).tolist():
        group = rows[starts[place] : starts[place] + sizes[place]].tolist()
        if all(alike(group[0], other) for other in group[1:]):
            equal += len(group) - 1
        else:
            keep[place] = False
            unlike.append(group)
    return rows[starts[keep]], equal, unlike


# --- columns ------------------------------------------------------------------------------


def _bars(table: Table, interval: Interval) -> Bars:
    """The file's columns as bars, what is absent made NaN.

    As on the wire, a bar with volume and no trade can't exist: there the count is absent.
    """
    columns = {name: table.columns.get(name, np.full(len(table), np.nan)) for name in COLUMNS}
    absent = (columns["trades"] == 0) & (columns["volume"] > 0)
    for name in ("trades", "taker_buy_volume"):
        columns[name] = np.where(absent, np.nan, columns[name])
    return Bars(interval, table.open_time_ms, **columns)


def candle(symbol: str, bars: Bars, row: int) -> Candle:
    """One row as a candle."""
    return Candle(
        symbol=symbol,
        interval=bars.interval,
        open_time_ms=int(bars.open_time_ms[row]),
        **{name: float(getattr(bars, name)[row]) for name in COLUMNS},
        closed=True,
    )


def _refuse_other_interval(table: Table, interval: Interval) -> None:
    times = np.unique(table.open_time_ms[plausible(table.open_time_ms)])
    if len(times) < _ENOUGH_ROWS:
        return
    least = int(np.diff(times).min())
    if least > interval.ms:
        raise FileRefused(
            f"its bars are at least {least // 1000} s apart, which is not {interval}; give "
            "the true interval (--interval)"
        )
