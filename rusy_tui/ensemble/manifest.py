"""What a model version says of itself, and whether it can be believed.

Pure: from bytes to a typed manifest, or an error that names the field.
"""

import math

import msgspec

from rusy_tui.domain.candle import Interval
from rusy_tui.domain.errors import ModelError

FILE_NAME = "manifest.json"
FORMAT = 1
"""Raised when a field changes its meaning, so that an old reader refuses a new manifest."""

LSTM, CNN, DNN = "lstm", "cnn", "dnn"
MEMBERS = (LSTM, CNN, DNN)
"""In the order that they are shown and written."""

WITH_FLOW, WITHOUT_FLOW = "with_flow", "without_flow"
"""Calibrations, by the inputs that were there."""

_WEIGHT_SLACK = 1e-6


class _Frozen(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of the manifest; a field it does not know is an error."""


class Graph(_Frozen, frozen=True, kw_only=True):
    """One member's ONNX file. ``inputs`` maps names to shapes without the batch."""

    file: str
    sha256: str
    inputs: dict[str, tuple[int, ...]]
    output: str


class Calibration(_Frozen, frozen=True, kw_only=True):
    """Platt's scaling: ``P(up) = 1 / (1 + exp(-(slope * score + intercept)))``.

    Platt (1999). Fitted on validation data, one a set of inputs present.
    """

    slope: float
    intercept: float

    def probability(self, score: float) -> float:
        """P(up) of a score in [-1, 1]."""
        return 1 / (1 + math.exp(-(self.slope * score + self.intercept)))


class Thresholds(_Frozen, frozen=True, kw_only=True):
    """Calibrated P(up) at or above which a bar proposes a long, or at or below a short."""

    long: float
    short: float


class Estimate(_Frozen, frozen=True, kw_only=True):
    """A figure with its 95 % interval by block bootstrap."""

    value: float
    low: float
    high: float


class Scores(_Frozen, frozen=True, kw_only=True):
    """How well a forecast of the sign did; higher AUC, lower Brier and log loss."""

    auc: Estimate
    brier: Estimate | None = None
    log_loss: Estimate | None = None


class Span(_Frozen, frozen=True, kw_only=True):
    """A stretch of data, ISO dates, ``until`` exclusive; ``rows`` by symbol."""

    since: str
    until: str
    rows: dict[str, int]


class Trading(_Frozen, frozen=True, kw_only=True):
    """What the shipped thresholds would have earned on the test span, before costs.

    One position at a time a coin, in at the next bar's open and out at the horizon;
    ``gross_bp`` is the mean a trade in basis points.
    """

    trades: int
    share_of_bars: float
    hit_rate: float
    gross_bp: Estimate


class Horizon(_Frozen, frozen=True, kw_only=True):
    """What is forecast: the sign from the next bar's open to the close ``bars`` later.

    ``large_move_atr``: a move of this many ATR(14), either way, is a large one.
    """

    interval: str
    bars: int
    large_move_atr: float


class Manifest(_Frozen, frozen=True, kw_only=True):
    """A model version: everything but the networks' weights."""

    format: int
    version: str
    features_sha256: str
    sequence_columns: tuple[str, ...]
    image_columns: tuple[str, ...]
    bar_columns: tuple[str, ...]
    flow_columns: tuple[str, ...]
    sequence_bars: int
    image_bars: int
    warmup_bars: dict[str, int]
    horizon: Horizon
    graphs: dict[str, Graph]
    weights: dict[str, float]
    calibrations: dict[str, Calibration]
    thresholds: Thresholds
    probability_quantiles: dict[str, dict[str, float]]
    """Calibrated P(up) on validation data at some quantiles, by calibration."""
    seeds: dict[str, tuple[int, ...]]
    symbols: tuple[str, ...]
    train: Span
    validation: Span
    test: Span
    metrics: dict[str, Scores]
    baselines: dict[str, Scores]
    auc_over_rsi: Estimate
    """AUC of the vote less that of −RSI(14), the untrained score to beat; same resamples."""
    trading: Trading
    software: dict[str, str]

    @property
    def warmup(self) -> dict[Interval, int]:
        """How many bars of each interval a vote needs before it."""
        return {Interval(name): bars for name, bars in self.warmup_bars.items()}

    def calibration(self, flow_present: bool) -> Calibration:
        """The calibration for the inputs that were there."""
        return self.calibrations[WITH_FLOW if flow_present else WITHOUT_FLOW]


def encode(manifest: Manifest) -> bytes:
    """The manifest as indented JSON, ending in a newline."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"


def decode(text: bytes, source: str) -> Manifest:
    """Parse and judge a manifest; ``source`` names its file in errors.

    Raises:
        ModelError: naming the file, the field, and what was expected and found.
    """
    try:
        manifest = msgspec.json.decode(text, type=Manifest)
    except msgspec.DecodeError as error:
        raise ModelError(
            f"{source}: not a manifest that this Rusy can read: {error}"
        ) from error
    _judge(manifest, source)
    return manifest


def _judge(manifest: Manifest, source: str) -> None:
    if manifest.format != FORMAT:
        raise ModelError(
            f"{source}: format: expected {FORMAT}, found {manifest.format}; "
            "use a Rusy of the age of this model version, or train it anew with `rusy train`"
        )
    for name, found, wanted in (
        ("graphs", set(manifest.graphs), set(MEMBERS)),
        ("weights", set(manifest.weights), set(MEMBERS)),
        (
            "calibrations",
            set(manifest.calibrations),
            {WITH_FLOW, WITHOUT_FLOW},
        ),
        ("warmup_bars", set(manifest.warmup_bars), {Interval.M15, Interval.H1}),
    ):
        if found != wanted:
            raise ModelError(
                f"{source}: {name}: expected {sorted(wanted)}, found {sorted(found)}"
            )
    _judge_figures(manifest, source)


def _judge_figures(manifest: Manifest, source: str) -> None:
    whole = sum(manifest.weights.values())
    if min(manifest.weights.values()) < 0 or abs(whole - 1) > _WEIGHT_SLACK:
        raise ModelError(
            f"{source}: weights: expected shares of at least 0 that sum to 1, "
            f"found {manifest.weights}"
        )
    short, long = manifest.thresholds.short, manifest.thresholds.long
    if not 0 < short < long < 1:
        raise ModelError(
            f"{source}: thresholds: expected 0 < short < long < 1, found {short} and {long}"
        )
    for key, calibration in manifest.calibrations.items():
        if calibration.slope <= 0:
            raise ModelError(
                f"{source}: calibrations.{key}.slope: expected above 0 (a higher score means "
                f"a higher probability), found {calibration.slope}"
            )
