"""Panels as pure functions: all sizes, all states, nothing cut that decides."""

from dataclasses import replace as with_fields
from datetime import UTC
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from rusy_tui.console.arming import Armed
from rusy_tui.console.layout import arrange
from rusy_tui.console.panels.card import card_lines
from rusy_tui.console.panels.ensemble import edge_spans, vote_bar
from rusy_tui.console.panels.foot import hint_line
from rusy_tui.console.panels.header import header_lines
from rusy_tui.console.panels.holdings import position_lines
from rusy_tui.console.panels.log import log_lines
from rusy_tui.console.screens.board import _PANELS, demand_of
from rusy_tui.console.screens.help import help_lines
from rusy_tui.console.text import line_width, plain
from rusy_tui.console.theme import DRAWING_TOKENS, PALETTES, Ink, contrast
from rusy_tui.console.view import View
from rusy_tui.console.watch import Watch
from rusy_tui.domain.events import Snapshot
from rusy_tui.domain.history import BackfillProgress
from rusy_tui.domain.modes import Gate
from rusy_tui.domain.order import Side
from rusy_tui.domain.state import State
from tests.console import sample

SIZES = [(80, 24), (90, 30), (100, 45), (110, 24), (116, 24), (120, 40), (160, 50), (200, 60)]
STATES = {
    "starting": sample.starting,
    "watching": sample.watching,
    "holding": sample.holding,
    "deciding": sample.deciding,
    "halted": sample.halted,
}


def view_of(state: State | None) -> View:
    watch = Watch("rusy", UTC)
    if state is not None:
        watch.take(Snapshot(state), sample.NOW.monotonic_s)
    return watch.view(sample.NOW)


def views() -> list[View]:
    found = [view_of(make(venue)) for make in STATES.values() for venue in ("demo", "live")]
    deciding = view_of(sample.deciding())
    armed = Armed(17, "x", 4, sample.NOW.monotonic_s)
    return [
        *found,
        view_of(None),
        with_fields(deciding, armed=armed),
        with_fields(deciding, card_open=False),
        with_fields(view_of(sample.holding()), lost="the engine was killed"),
    ]


@pytest.mark.parametrize("size", SIZES)
def test_no_panel_is_wider_or_higher_than_its_place(size: tuple[int, int]) -> None:
    for view in views():
        places = arrange(*size, demand_of(view))
        for name, draw in _PANELS.items():
            area = places.get(name)
            if area is not None:
                lines = draw(view, area.width, area.height)
                assert len(lines) <= area.height, name
                assert all(line_width(line) <= area.width for line in lines), name


@pytest.mark.parametrize("size", SIZES)
def test_places_fill_the_screen_and_never_overlap(size: tuple[int, int]) -> None:
    width, height = size
    for view in views():
        places = list(arrange(width, height, demand_of(view)).items())
        for place, (name, area) in enumerate(places):
            assert area.x >= 0, name
            assert area.y >= 0, name
            assert area.right <= width, name
            assert area.bottom <= height, name
            assert area.area > 0, name
            for other, region in places[place + 1 :]:
                assert not area.overlaps(region), (name, other)


@pytest.mark.parametrize("theme", list(PALETTES))
def test_every_ink_in_use_has_contrast(theme: str) -> None:
    palette = PALETTES[theme]
    used: set[tuple[str, str]] = set()
    for view in views():
        for size in SIZES:
            places = arrange(*size, demand_of(view))
            for name, draw in _PANELS.items():
                area = places.get(name)
                ground = "raised" if name in ("header", "card") else "ground"
                if area is not None:
                    lines = draw(view, area.width, area.height)
                    spans = [span for line in lines for span in line]
                    used |= {(span.ink, ground) for span in spans if span.text.strip()}
    assert len(used) > 20
    for words, ground in used:
        ink = Ink(words)
        if ink.colour not in DRAWING_TOKENS:
            below = getattr(palette, ink.ground or ground)
            assert contrast(getattr(palette, ink.colour), below) >= 4.5, (words, ground)


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize("size", SIZES)
def test_a_card_shows_all_that_decides_at_every_size(size: tuple[int, int], side: Side) -> None:
    state = replace(sample.deciding(), proposals=(sample.proposal(17, "BTCUSDT", side),))
    view = view_of(state)
    area = arrange(*size, demand_of(view))["card"]
    text = "\n".join(plain(line) for line in card_lines(view, area.width, area.height))
    proposal = sample.proposal(17, "BTCUSDT", side)
    plan = proposal.plan
    shown = [
        f"PROPOSAL {proposal.proposal_id}",
        f"{side.direction.upper()} BTCUSDT",
        f"rev {proposal.revision}",
        "71 s",
        f"{plan.quantity} BTC",
        f"{plan.entry_price:,.1f}",
        f"{plan.entries[0].worst_price:,.1f}",
        f"{plan.stop_price:,.1f}",
        f"{plan.targets[0].price:,.1f}",
        "25.04 USDT",
        "1.51 R",
        "0.09 R",
        "5 allow · 1 reduced size",
        "6,202 of 15,063",
        f"a then  {proposal.digit} ",
    ]
    for part in shown:
        assert part in text, part


def test_the_header_names_the_venue_beyond_doubt() -> None:
    for venue, words in (
        ("demo", "DEMO simulated money"),
        ("paper", "PAPER live market, simulated money"),
        ("testnet", "TESTNET test network, no real money"),
        ("live", "LIVE real money"),
    ):
        first = header_lines(view_of(sample.watching(venue)), 120)[0]
        assert plain(first[:1]).strip() == words
        assert first[0].ink == f"bold on_venue on {venue}"
    narrow = header_lines(view_of(sample.watching("live")), 80)[0]
    assert "LIVE real money" in plain(narrow)


def test_the_header_says_the_pace() -> None:
    assert "60×" in plain(header_lines(view_of(sample.watching()), 120)[0])
    assert "1× (deciding)" in plain(header_lines(view_of(sample.deciding()), 120)[0])


def test_figures_left_of_the_pace_stay_where_they_are() -> None:
    fast = plain(header_lines(view_of(sample.watching()), 120)[0])
    slow = plain(header_lines(view_of(replace(sample.deciding())), 120)[0])
    assert fast.index("equity") == slow.index("equity")
    assert fast.index("may lose") == slow.index("may lose")


def test_each_closed_gate_is_named_with_its_remedy() -> None:
    gates = tuple(
        Gate(name=name, why="none came", opens=opens, halted=halted, since_ms=0)
        for name, opens, halted in (("data", "a fresh bar", False), ("limit", "press H", True))
    )
    lines = header_lines(view_of(replace(sample.watching(), gates=gates)), 80)
    assert "PAUSED" in plain(lines[2])
    assert "a fresh bar" in plain(lines[2])
    assert "HALTED" in plain(lines[3])
    assert "press H" in plain(lines[3])


def test_a_stale_feed_and_a_lost_one_are_said() -> None:
    view = view_of(sample.watching())
    old = header_lines(with_fields(view, feed_age_s=40.0), 120)[1]
    assert old[-1].ink == "bold down"
    state = sample.watching()
    cut = replace(state, connection=replace(state.connection, market_stream=False))
    assert "feed lost" in plain(header_lines(view_of(cut), 120)[1])


def test_a_wide_screen_shows_the_budget_of_requests_and_the_exchange_s_clock() -> None:
    state = sample.watching()
    link = replace(
        state.connection, weight_used=2000, weight_limit=2400, requests_waiting=2, offset_ms=-31
    )
    told = header_lines(view_of(replace(state, connection=link)), 180)[1]
    assert "budget 83% 2 wait" in plain(told)
    assert "clock -31 ms" in plain(told)
    assert "budget" not in plain(header_lines(view_of(state), 180)[1])


def test_history_that_is_being_fetched_stands_in_the_rule_of_the_log() -> None:
    def rule(history: BackfillProgress | None, width: int = 80, **changed: Any) -> str:
        state = replace(sample.watching(), history=history, **changed)
        return plain(log_lines(view_of(state), width, 4)[0])

    some = BackfillProgress(rows_done=41, rows_total=100, seconds_left=190.0)
    none = replace(some, rows_done=7, seconds_left=None)
    assert "history  41 %, 3 min left" in rule(some)
    assert "history   7 %  " in rule(none)
    # Nothing moves when a figure comes.
    assert rule(some).index("history") == rule(none).index("history")
    assert "history" not in rule(None)
    # A start says it in words of its own.
    assert "history" not in rule(some, phase="starting")
    assert (
        line_width(log_lines(view_of(replace(sample.watching(), history=some)), 30, 4)[0]) == 30
    )


def test_an_unprotected_position_is_shouted() -> None:
    held = sample.position(sample.trade())
    state = replace(sample.holding(), positions=(replace(held, protected_by=""),))
    lines = position_lines(view_of(state), 72, 6)
    assert "NO STOP" in plain(lines[2])
    assert "no stop rests yet" in plain(hint_line(view_of(state), 120))


def test_the_edge_is_weighed_against_the_cost() -> None:
    plan = sample.proposal().plan
    assert plain(edge_spans(plan)).startswith("no edge after cost: vote +5.1, cost 9.0 bp")
    cheap = replace(plan, expected_cost_bps=Decimal("1.2"))
    assert plain(edge_spans(cheap)).startswith("edge after cost: vote +5.1, cost 1.2 bp")
    short = replace(plan, side=Side.SELL)
    assert "vote −5.1" in plain(edge_spans(short))


@pytest.mark.parametrize(
    ("probability", "bar"),
    [(0.5, "────────"), (0.55, "────━━──"), (0.7, "────━━━━"), (0.475, "───━────")],
)
def test_a_vote_leaves_the_middle_on_its_side(probability: float, bar: str) -> None:
    assert plain(vote_bar(probability, 8)) == bar


def test_help_fits_the_smallest_terminal() -> None:
    lines = help_lines(22)
    assert len(lines) <= 22
    assert max(line_width(line) for line in lines) <= 74
    assert sum(len(line) == 2 for line in lines) == 18


def test_the_seconds_left_count_from_the_engines_start_when_it_shares_our_clock() -> None:
    proposal = sample.proposal()
    proposal = replace(proposal, expires_ms=sample.NOW.wall_ms + 900_000)
    watch = Watch("rusy", UTC)
    watch.take(Snapshot(replace(sample.watching("live"), proposals=(proposal,))), 1000.0)
    assert watch.seconds_left(proposal, sample.NOW) == pytest.approx(71)
    elsewhere = replace(proposal, created_monotonic_s=1e6)
    assert watch.seconds_left(elsewhere, sample.NOW) == pytest.approx(90)


def test_a_premise_that_ends_sooner_counts() -> None:
    ends_ms = sample.NOW.wall_ms + 10_000
    premise = replace(sample.proposal(), expires_ms=ends_ms)
    watch = Watch("rusy", UTC)
    watch.take(Snapshot(replace(sample.watching("live"), proposals=(premise,))), 1000.0)
    assert watch.seconds_left(premise, sample.NOW) == pytest.approx(10)
