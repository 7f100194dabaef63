"""The model card: what a version is, how it was judged, and what it can't do."""

from rusy_tui.ensemble.manifest import Estimate, Manifest, Scores, Span

MAKER_BP, TAKER_BP = 4.0, 10.0
"""Fees of a round trip in basis points, resting orders on both sides, or taking on both."""


def card(manifest: Manifest) -> str:
    """The card as Markdown, made from the manifest alone."""
    return "\n".join(
        [
            f"# Model {manifest.version}",
            "",
            _what(manifest),
            _data(manifest),
            _results(manifest),
            _costs(manifest),
            _choices(manifest),
            _limits(manifest),
        ]
    )


def _what(manifest: Manifest) -> str:
    seeds = len(next(iter(manifest.seeds.values())))
    return f"""Three small networks vote on the sign of the next hour's return of a coin's
perpetual future, at the close of each 15m bar.

| member | network | sees | says |
| --- | --- | --- | --- |
| LSTM | 3 LSTM layers of 32 with dropout | {manifest.sequence_bars} bars of \
{len(manifest.sequence_columns)} indicators and price-action features, with the last closed \
hour beside each bar | P(up) |
| CNN | 2D convolutions, the first over all features at once | an image of price action: two \
channels (15m, 1h) of {manifest.image_bars} bars by {len(manifest.image_columns)} features | \
P(up-move), P(down-move), P(neither); a move is more than {manifest.horizon.large_move_atr:g} \
ATR |
| DNN | dense layers with batch normalisation | {len(manifest.bar_columns)} features of the \
bar: microstructure and classic ones; {len(manifest.flow_columns)} of taker flow and trade \
count where the source has them | strength in [-1, 1] |

Each graph holds its normalisation and the mean of {seeds} networks from {seeds} seeds. The
flow group was hidden from half of the training rows; without it the DNN still votes, and the
vote has a calibration of its own. Forecast: from the next bar's open to the close \
{manifest.horizon.bars} bars later.
"""


def _data(manifest: Manifest) -> str:
    rows = [
        "| span | from | until (exclusive) | bars |",
        "| --- | --- | --- | --- |",
        _span_row("training", manifest.train),
        _span_row("validation", manifest.validation),
        _span_row("test", manifest.test),
    ]
    return "\n".join(
        [
            "## Data",
            "",
            f"Recorded 15m candles of {', '.join(manifest.symbols)}, pooled; hours made of",
            "them. FIL and NEAR come from 1m candles with trade count and taker volume, in",
            "months that are not all there; no window spans a gap. The last day of each span",
            "is left out, so that no outcome or look-back reaches across.",
            "",
            *rows,
            "",
            "**2025-05-01 to 2025-05-08** (the week that the replay example plays) lies in",
            "the test span: these days were in neither training nor validation.",
            "",
        ]
    )


def _span_row(name: str, span: Span) -> str:
    by_symbol = ", ".join(f"{symbol} {count:,}" for symbol, count in span.rows.items())
    return (
        f"| {name} | {span.since} | {span.until} | {sum(span.rows.values()):,} ({by_symbol}) |"
    )


def _results(manifest: Manifest) -> str:
    rows = [
        "| forecast | AUC | Brier score | log loss |",
        "| --- | --- | --- | --- |",
        *(_scores_row(name, scores) for name, scores in manifest.metrics.items()),
        *(_scores_row(f"*{name}*", scores) for name, scores in manifest.baselines.items()),
    ]
    difference = manifest.auc_over_rsi
    verdict = (
        "the interval excludes 0"
        if difference.low > 0 or difference.high < 0
        else "the interval holds 0: no better than the untrained score can be shown"
    )
    return "\n".join(
        [
            "## Results on the test span",
            "",
            "With 95 % intervals from 500 resamples of whole days, all coins of a day",
            "together. Baselines in italics, from the same features on the same bars.",
            "",
            *rows,
            "",
            f"AUC of the vote less that of −RSI(14): {_estimate(difference, 4, sign=True)};",
            f"{verdict}.",
            "",
            _sureness(manifest),
            "",
        ]
    )


def _sureness(manifest: Manifest) -> str:
    vote, base = manifest.metrics["ensemble"].brier, manifest.baselines["base rate"].brier
    if vote is None or base is None or vote.value < base.value:
        return "By Brier score the calibrated vote is better than always saying the base rate."
    return (
        "By Brier score the calibrated vote is **no better than always saying the base\n"
        "rate**: it orders bars rightly more often than not, but signals were stronger in\n"
        "the months of calibration than in those of the test, so it is too sure of itself."
    )


def _scores_row(name: str, scores: Scores) -> str:
    brier = _estimate(scores.brier, 4) if scores.brier else ""
    log_loss = _estimate(scores.log_loss, 4) if scores.log_loss else ""
    return f"| {name} | {_estimate(scores.auc, 3)} | {brier} | {log_loss} |"


def _estimate(estimate: Estimate, digits: int, *, sign: bool = False) -> str:
    plus = "+" if sign else ""
    value, low, high = (
        f"{figure:{plus}.{digits}f}" for figure in (estimate.value, estimate.low, estimate.high)
    )
    return f"{value} [{low}, {high}]"


def _costs(manifest: Manifest) -> str:
    trading = manifest.trading
    net = {
        name: f"{trading.gross_bp.value - fee:+.1f} [{trading.gross_bp.low - fee:+.1f}, "
        f"{trading.gross_bp.high - fee:+.1f}]"
        for name, fee in (("maker", MAKER_BP), ("taker", TAKER_BP))
    }
    shown = trading.gross_bp.low > MAKER_BP
    verdict = (
        "On this span that is above 0, if every resting order filled, which they do not: "
        "those that would win fill least."
        if shown
        else "**No edge after costs is shown.** Skill there is; fees and fills eat it."
    )
    return "\n".join(
        [
            "## After costs",
            "",
            f"At the shipped thresholds {100 * trading.share_of_bars:.1f} % of the test bars",
            f"propose a trade; one position at a time a coin makes {trading.trades:,} trades,",
            f"{100 * trading.hit_rate:.1f} % of them right,",
            f"{_estimate(trading.gross_bp, 1, sign=True)} basis points a trade",
            f"before costs: {net['maker']} after {MAKER_BP:g} bp for resting orders on both",
            f"sides, {net['taker']} after {TAKER_BP:g} bp for taking. {verdict}",
            "",
        ]
    )


def _choices(manifest: Manifest) -> str:
    weights = ", ".join(f"{name} {share:.2f}" for name, share in manifest.weights.items())
    thresholds = manifest.thresholds
    return f"""## What validation data decided

Weights of the vote: {weights} (least log loss, then half-way to equal shares). Platt's
scaling, one with and one without flow. Thresholds: long at P(up) ≥ {thresholds.long:.4f},
short at P(up) ≤ {thresholds.short:.4f}, the surest few percent of each side; the manifest
holds quantiles of P(up), by which to choose lower ones. Of each network the epoch with the
least validation log loss was kept, and the CNN's shape was the best of five there. Weights,
calibration, thresholds and shapes were never fitted to the test span; it was looked at once
before, with another shape of the CNN.
"""


def _limits(manifest: Manifest) -> str:
    software = ", ".join(f"{name} {version}" for name, version in manifest.software.items())
    return f"""## Limits

Four coins, all of which live; two and a half years. The forecast is weak: an AUC of 0.53
orders 53 of 100 pairs of bars rightly. The size of a move is far easier to forecast than its
sign; use it for size and distance of stops. On markets unlike these (other coins,
other years, simulated ones) nothing was shown. Not investment advice.

Made by `rusy train` with {software}. The same machine makes the same files; another one
makes files that differ in the last bits.
"""
