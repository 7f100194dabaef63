"""Figures, glyphs and colours: the pure part of the console."""

import math
from decimal import Decimal

import pytest

from rusy_tui.console import format as fmt
from rusy_tui.console.charts.candles import (
    candle_column,
    curve_cell,
    sparkline,
    volume_column,
)
from rusy_tui.console.charts.scale import Scale, make_scale, nice_step, ticks
from rusy_tui.console.keys import KEYS, When
from rusy_tui.console.text import Span, field, fit, pack, plain, spread
from rusy_tui.console.theme import DARK, DRAWING_TOKENS, LIGHT, PALETTES, Ink, contrast
from rusy_tui.domain.state import ChartBar


@pytest.mark.parametrize(
    ("value", "decimals", "sign", "text"),
    [
        (Decimal("10042.184"), 2, False, "10,042.18"),
        (-84.1, 1, False, "−84.1"),
        (32.7, 2, True, "+32.70"),
        (Decimal("-0.001"), 2, True, "0.00"),
        (0, 0, True, "0"),
        (math.nan, 2, False, "–"),
        (Decimal("0.00001234"), 8, False, "0.00001234"),
    ],
)
def test_numbers(value: float, decimals: int, sign: bool, text: str) -> None:
    assert fmt.number(value, decimals, sign=sign) == text


@pytest.mark.parametrize(
    ("tick", "decimals"), [("0.10", 1), ("0.01", 2), ("1", 0), ("10", 0), ("0.00001", 5)]
)
def test_a_price_has_the_decimals_of_its_tick(tick: str, decimals: int) -> None:
    assert fmt.tick_decimals(Decimal(tick)) == decimals


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "00:00"), (473.9, "07:53"), (5999, "99:59"), (6000, "1h40")]
)
def test_countdowns(seconds: float, text: str) -> None:
    assert fmt.countdown(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(-1, "0.0 s"), (0.21, "0.2 s"), (9.97, "10 s"), (150, "2 min")]
)
def test_ages(seconds: float, text: str) -> None:
    assert fmt.age(seconds) == text


def test_sizes_keep_what_they_were_given() -> None:
    assert fmt.quantity(Decimal("1.200")) == "1.2"
    assert fmt.quantity(Decimal("2E+3")) == "2,000"


SCALE = Scale(0.0, 4.0, 2)  # four half rows of one each, the top one from 3 to 4


@pytest.mark.parametrize(
    ("bar", "glyphs"),
    [
        ((0.5, 3.5, 0.5, 3.5), "┃┃"),
        ((2.5, 3.5, 0.5, 2.5), "╽│"),
        ((1.5, 3.5, 0.5, 3.5), "┃╿"),
        ((3.5, 3.5, 0.5, 3.5), "╿│"),
        ((3.5, 3.5, 3.5, 3.5), "╹ "),
        ((0.5, 0.5, 0.5, 0.5), " ╻"),
        ((2.5, 2.5, 1.5, 2.5), "╻╵"),
        ((1.5, 2.5, 1.5, 1.5), "╷╹"),
    ],
)
def test_a_candle_chooses_its_glyphs_by_half_rows(
    bar: tuple[float, float, float, float], glyphs: str
) -> None:
    opened, high, low, close = bar
    column = candle_column(ChartBar(0, opened, high, low, close, 1.0), SCALE)
    assert "".join(cell.glyph if cell else " " for cell in column) == glyphs


def test_a_candle_is_red_only_when_it_fell() -> None:
    def inks(opened: float, close: float) -> set[str]:
        bar = ChartBar(0, opened, 3.0, 1.0, close, 1.0)
        return {cell.ink for cell in candle_column(bar, SCALE) if cell}

    assert inks(1.0, 2.0) == inks(2.0, 2.0) == {"up"}
    assert inks(2.0, 1.0) == {"down"}


def test_volume_is_never_invisible() -> None:
    assert [cell.glyph for cell in volume_column(1, 1000, 2, "up")] == [" ", "▁"]
    assert [cell.glyph for cell in volume_column(1000, 1000, 2, "up")] == ["█", "█"]
    assert [cell.glyph for cell in volume_column(0, 1000, 1, "up")] == [" "]


def test_a_curve_takes_the_quarter_of_its_cell() -> None:
    found = [curve_cell(value, Scale(0.0, 4.0, 1), "info") for value in (3.9, 2.9, 1.9, 0.1)]
    assert [cell.glyph for place in found if place for cell in (place[1],)] == list("⠉⠒⠤⣀")
    assert curve_cell(math.nan, SCALE, "info") is None
    assert curve_cell(9.0, SCALE, "info") is None


def test_a_sparkline_leaves_blank_what_is_unknown() -> None:
    assert sparkline((1.0, math.nan, 2.0), 4) == " ▁ █"
    assert sparkline((), 3) == "   "


def test_a_scale_has_round_ends_and_holds_near_plan_lines_only() -> None:
    scale = make_scale([100.0, 110.0], [115.0, 500.0], 20)
    assert scale is not None
    assert scale.holds(115.0)
    assert scale.high < 130
    assert make_scale([], [1.0], 20) is None
    assert make_scale([5.0], [], 20) is not None


def test_ticks_are_round_and_inside() -> None:
    scale = Scale(97_000.0, 101_000.0, 16)
    assert ticks(scale, 0.1) == [100_000.0, 99_000.0, 98_000.0]
    assert nice_step(0.0) == 1.0
    assert [nice_step(value) for value in (1.0, 2.1, 3.0, 7.0)] == [1.0, 2.5, 5.0, 10.0]


def test_lines_give_way_where_room_is_short() -> None:
    wide = [field(0, Span("keep")), field(2, Span("go first")), field(1, Span("go last"))]
    assert plain(pack(wide, 40)) == "keep   go first   go last"
    assert plain(pack(wide, 15)) == "keep   go last"
    assert plain(pack(wide, 5)) == "keep"
    assert plain(fit((Span("abc"), Span("def")), 4)) == "abc…"
    assert plain(spread((Span("left"),), (Span("right"),), 8)) == "le…right"


def test_no_key_means_two_things() -> None:
    for when in When:
        pressed = [name for key in KEYS if key.when is when for name in key.keys]
        assert len(pressed) == len(set(pressed))
    assert len({key.id for key in KEYS}) == len(KEYS)
    ranks = [key.footer for key in KEYS if key.footer is not None]
    assert len(ranks) == len(set(ranks))


@pytest.mark.parametrize("theme", [DARK, LIGHT])
def test_venues_and_inks_are_read_with_ease(theme: str) -> None:
    palette = PALETTES[theme]
    words = ("text", "bright", "dim", "up", "down", "ask", "info")
    pairs = [(word, ground) for word in words for ground in ("ground", "raised")]
    pairs += [("on_venue", venue) for venue in ("demo", "paper", "testnet", "live", "none")]
    for colour, ground in pairs:
        found = contrast(getattr(palette, colour), getattr(palette, ground))
        assert found >= 4.5, (colour, ground, round(found, 2))


def test_contrast_is_that_of_the_standard() -> None:
    assert contrast("#ffffff", "#000000") == pytest.approx(21.0)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_an_ink_names_tokens_only() -> None:
    ink = Ink("bold bright on ask")
    assert (ink.bold, ink.colour, ink.ground) == (True, "bright", "ask")
    with pytest.raises(ValueError, match="no colour token"):
        Ink("crimson")
    assert {"rule"} <= DRAWING_TOKENS
