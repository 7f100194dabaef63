"""Every feature by name: what it measures, its formula, and how much past it needs.

The order here is the order of columns in the networks' inputs. A model version carries
:func:`digest` of this catalogue; a version made for another one is refused.
"""

import enum
import hashlib
import json
from dataclasses import asdict, dataclass

from rusy_tui.features.indicators import WILDER_BARS
from rusy_tui.features.price_action import LAGS


class Group(enum.StrEnum):
    """Features that one function computes."""

    PRICE_ACTION = "price_action"
    LAGS = "lags"
    CALENDAR = "calendar"
    INDICATORS = "indicators"
    BAR = "bar"
    FLOW = "flow"


@dataclass(frozen=True, slots=True)
class Feature:
    """One column.

    ``warm_up`` counts bars of its own interval, the bar itself included, from which on the
    value no longer depends on how much history came before (to 1e-9). ``source`` is where
    the definition comes from, "own" where it is ours.
    """

    name: str
    group: Group
    unit: str
    formula: str
    warm_up: int
    source: str


def _group(group: Group, *rows: tuple[str, str, str, int, str]) -> tuple[Feature, ...]:
    return tuple(
        Feature(name, group, unit, formula, warm_up, source)
        for name, unit, formula, warm_up, source in rows
    )


_SIGMA = "σ a bar"
PRICE_ACTION = _group(
    Group.PRICE_ACTION,
    ("return_1", _SIGMA, "ln(c/c[-1]) / σ, cut at ±8", 97, "own"),
    ("return_short", _SIGMA, "ln(c/c[-4]) / (σ √4), cut at ±8", 97, "own"),
    ("return_medium", _SIGMA, "ln(c/c[-16]) / (σ √16), 1h: 8, cut at ±8", 97, "own"),
    ("return_long", _SIGMA, "ln(c/c[-96]) / (σ √96), 1h: 24, cut at ±8", 97, "own"),
    ("body", "share of range", "(c - o) / (h - l)", 1, "Nison, candlesticks"),
    ("upper_wick", "share of range", "(h - max(o, c)) / (h - l)", 1, "Nison"),
    ("lower_wick", "share of range", "(min(o, c) - l) / (h - l)", 1, "Nison"),
    ("range", _SIGMA, "ln(h/l) / σ, cut at 16", 97, "own"),
    ("location_medium", "share of range", "%K(16) - 1/2, 1h: 8", 16, "Lane, stochastic"),
    ("location_long", "share of range", "%K(96) - 1/2, 1h: 24", 96, "Lane, stochastic"),
    ("volume_ratio", "ln", "ln(1 + v / mean v over 96), 1h: 24", 96, "own"),
    ("volatility_ratio", "ln", "ln(σ over 16 / σ over 96), 1h: 8, 24", 97, "own"),
)
"""σ = √(mean of squared log returns over 96 bars), 24 for hourly bars."""

RETURN_LAGS = _group(
    Group.LAGS,
    *(
        (f"return_lag_{k}", _SIGMA, f"ln(c[-{k}]/c[-{k + 1}]) / σ, cut at ±8", 97, "own")
        for k in range(1, LAGS + 1)
    ),
)

CALENDAR = _group(
    Group.CALENDAR,
    ("day_sin", "1", "sin of the closing time's angle in the UTC day", 1, "own"),
    ("day_cos", "1", "cos of the same", 1, "own"),
    ("week_sin", "1", "sin of the closing time's angle in the week", 1, "own"),
    ("week_cos", "1", "cos of the same", 1, "own"),
)

INDICATORS = _group(
    Group.INDICATORS,
    ("rsi_14", "1", "RSI(14) / 100 - 1/2", WILDER_BARS, "Wilder, TA-Lib"),
    ("macd_histogram", "ATR", "MACD(12, 26, 9) histogram / ATR", WILDER_BARS, "Appel"),
    ("atr_log", "ln", "ln(ATR(14) / c)", WILDER_BARS, "Wilder, TA-Lib"),
    ("bollinger_z", "deviations", "(c - mean) / deviation over 20", 20, "Bollinger"),
    ("ema_distance", "ATR", "(c - EMA(20)) / ATR, cut at ±10", WILDER_BARS, "own"),
    ("adx_14", "1", "ADX(14) / 100", WILDER_BARS, "Wilder, TA-Lib"),
)

BAR = _group(
    Group.BAR,
    ("amihud_ratio", "ln", "ln(mean |r|/dollars: 16 / 96)", 97, "Amihud 2002"),
    ("roll_spread", _SIGMA, "2 √max(0, -cov(r, r[-1])) over 32 / σ", 97, "Roll 1984"),
    ("corwin_schultz", _SIGMA, "mean over 16 of the spread / σ", 97, "Corwin, Schultz 2012"),
    ("garman_klass", "1", "√mean variance over 16 / σ", 97, "Garman, Klass 1980"),
    ("rogers_satchell", "1", "√mean variance over 4 / σ", 97, "Rogers, Satchell 1991"),
    ("variance_ratio", "1", "mean (4-bar return)² over 96 / (4 σ²)", 100, "Lo, MacKinlay"),
    ("bulk_imbalance", "1", "2 Φ(r/σ) - 1", 97, "Easley et al. 2012"),
    ("bulk_imbalance_short", "1", "the same, volume-weighted over 4", 100, "Easley et al."),
    ("bulk_imbalance_medium", "1", "the same, volume-weighted over 16", 112, "Easley et al."),
    ("close_pressure", "1", "(2c - h - l)/(h - l), volume-weighted over 4", 4, "Chaikin"),
    ("dollar_volume_ratio", "ln", "ln(mean dollars: 4 / 96)", 96, "own"),
)

FLOW = _group(
    Group.FLOW,
    ("taker_imbalance", "1", "(2 taker buys - v) / v", 1, "own"),
    ("taker_imbalance_short", "1", "the same, summed over 4", 4, "own"),
    ("taker_imbalance_medium", "1", "the same, summed over 16", 16, "own"),
    ("vpin", "1", "Σ|2 taker buys - v| / Σv over 16", 16, "Easley et al. 2012"),
    ("trade_count_ratio", "ln", "ln((1 + trades) / (1 + mean over 96))", 96, "own"),
    ("trade_size_ratio", "ln", "ln(v/trades / its mean over 96)", 96, "own"),
    ("kyle_impact", _SIGMA, "cov(r, net dollars)/deviation over 32 / σ", 97, "Kyle 1985"),
)

HOUR_CONTEXT = (
    "return_1",
    "return_long",
    "location_long",
    "volatility_ratio",
    "rsi_14",
    "bollinger_z",
)
"""What each 15m bar is told of the last hour that had closed by its own close."""

IMAGE_COLUMNS = (*(feature.name for feature in PRICE_ACTION), "day_sin", "day_cos")
"""Columns of the CNN's image, the same for its 15m and its 1h channel."""

HOUR_PREFIX = "h1_"

SEQUENCE_COLUMNS = (
    *(feature.name for feature in (*PRICE_ACTION, *INDICATORS, *CALENDAR)),
    *(HOUR_PREFIX + name for name in HOUR_CONTEXT),
)
"""Channels of the LSTM's sequence."""

BAR_COLUMNS = (
    *(feature.name for feature in (*BAR, *PRICE_ACTION, *RETURN_LAGS, *INDICATORS, *CALENDAR)),
    *(HOUR_PREFIX + name for name in HOUR_CONTEXT),
)
"""What the DNN always sees: microstructure from the bars, beside the classic features."""

FLOW_COLUMNS = tuple(feature.name for feature in FLOW)
"""What the DNN sees where trade count and taker volume are there."""

FEATURES = (*PRICE_ACTION, *RETURN_LAGS, *CALENDAR, *INDICATORS, *BAR, *FLOW)

SEQUENCE_BARS = 32
"""Bars of the LSTM's sequence: eight hours."""

IMAGE_BARS = 32
"""Bars of each channel of the CNN's image: eight hours of 15m, 32 hours of 1h."""

WARMUP_BARS = {"15m": 384, "1h": 352}
"""Bars of each interval that a live prediction reads: the slowest feature's warm-up plus
the window above it, with some to spare."""


def digest() -> str:
    """SHA-256 over the catalogue, the columns' order and the windows' shapes, in hex."""
    described = {
        "features": [asdict(feature) for feature in FEATURES],
        "sequence": [SEQUENCE_BARS, SEQUENCE_COLUMNS],
        "image": [IMAGE_BARS, IMAGE_COLUMNS],
        "bar": BAR_COLUMNS,
        "flow": FLOW_COLUMNS,
        "warmup_bars": WARMUP_BARS,
    }
    text = json.dumps(described, ensure_ascii=True, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
