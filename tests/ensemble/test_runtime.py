import dataclasses
from collections.abc import Callable
from typing import cast

import numpy as np
import pytest

from rusy_tui.domain.bars import Bars
from rusy_tui.domain.candle import Interval
from rusy_tui.domain.clock import Clock
from rusy_tui.domain.errors import ModelError
from rusy_tui.ensemble.manifest import MEMBERS
from rusy_tui.ensemble.runtime import Ensemble
from rusy_tui.features import catalogue
from tests.features.market import hours, market, with_another_future, without_flow


class HereAndNow:
    """As much of a clock as a prediction needs: work is done where it is asked for."""

    async def in_thread(self, job: Callable[[], object]) -> object:
        return job()


@pytest.fixture(scope="module")
def ensemble() -> Ensemble:
    return Ensemble.load()


@pytest.fixture(scope="module")
def bars() -> Bars:
    return market(1_920)


async def test_the_shipped_graphs_vote(ensemble: Ensemble, bars: Bars) -> None:
    clock = cast(Clock, HereAndNow())
    said = await ensemble.predict("BTCUSDT", bars, hours(bars), clock)
    assert said.symbol == "BTCUSDT"
    assert said.interval is Interval.M15
    assert said.bar_open_ms == bars.open_time_ms[-1]
    assert said.model_version == ensemble.manifest.version
    assert tuple(vote.member for vote in said.members) == MEMBERS
    assert all(0 <= vote.probability <= 1 for vote in said.members)
    assert sum(vote.weight for vote in said.members) == pytest.approx(1)
    assert -1 <= said.score <= 1
    assert 0 < said.probability < 1
    assert 0 <= said.large_move <= 1
    assert said.flow_present


def test_two_runs_say_the_same_to_the_last_bit(ensemble: Ensemble, bars: Bars) -> None:
    again = Ensemble.load()
    for end in (1_900, 1_901, 1_918):
        part = bars[:end]
        assert ensemble.vote("X", part, hours(part)) == again.vote("X", part, hours(part))


def test_the_length_of_history_at_hand_changes_nothing(ensemble: Ensemble, bars: Bars) -> None:
    enough, context = bars[-catalogue.WARMUP_BARS["15m"] :], hours(bars)
    assert ensemble.vote("X", enough, context) == ensemble.vote("X", bars, context)


def test_hours_that_have_not_closed_by_then_are_not_looked_at(
    ensemble: Ensemble, bars: Bars
) -> None:
    part = bars[:1_801]
    changed = hours(with_another_future(bars, 1_801))
    assert ensemble.vote("X", part, hours(bars)) == ensemble.vote("X", part, changed)


def test_without_flow_all_members_still_vote(ensemble: Ensemble, bars: Bars) -> None:
    bare = without_flow(bars)
    said = ensemble.vote("X", bare, hours(bare))
    assert not said.flow_present
    assert len(said.members) == len(MEMBERS)
    seen = ensemble.vote("X", bars, hours(bars))
    by_member = {vote.member: vote.probability for vote in seen.members}
    for vote in said.members:
        assert (vote.probability == by_member[vote.member]) == (vote.member != "dnn")


def test_too_few_bars_are_refused(ensemble: Ensemble, bars: Bars) -> None:
    few = bars[-200:]
    with pytest.raises(ModelError, match="X: 200 closed 15m bars, the networks need"):
        ensemble.vote("X", few, hours(bars))
    with pytest.raises(ModelError, match="X: 0 closed 1h bars, the networks need"):
        ensemble.vote("X", bars, hours(bars)[:0])


def test_a_gap_is_refused(ensemble: Ensemble, bars: Bars) -> None:
    keep = np.delete(np.arange(len(bars)), 1_800)
    gapped = dataclasses.replace(
        bars,
        **{
            field.name: getattr(bars, field.name)[keep]
            for field in dataclasses.fields(bars)
            if field.name != "interval"
        },
    )
    with pytest.raises(ModelError, match="a gap in the 15m bars"):
        ensemble.vote("X", gapped, hours(bars))


def test_an_hour_that_has_not_arrived_is_refused(ensemble: Ensemble, bars: Bars) -> None:
    with pytest.raises(ModelError, match="has not arrived"):
        ensemble.vote("X", bars, hours(bars)[:-1])


def test_a_price_that_is_no_number_is_refused(ensemble: Ensemble, bars: Bars) -> None:
    close = bars.close.copy()
    close[-5] = np.nan
    with pytest.raises(ModelError, match="close is not a number"):
        ensemble.vote("X", dataclasses.replace(bars, close=close), hours(bars))


def test_the_journal_gets_every_feature_by_name(ensemble: Ensemble, bars: Bars) -> None:
    vector = ensemble.feature_vector("X", bars, hours(bars))
    assert set(vector) == {*catalogue.BAR_COLUMNS, *catalogue.FLOW_COLUMNS}
    assert all(value is not None for value in vector.values())
    bare = without_flow(bars)
    hidden = ensemble.feature_vector("X", bare, hours(bare))
    absent = {name for name, value in hidden.items() if value is None}
    assert absent == set(catalogue.FLOW_COLUMNS)


def test_a_batch_says_what_single_votes_say(ensemble: Ensemble, bars: Bars) -> None:
    from rusy_tui.features.windows import feature_table, member_inputs

    rows = np.array([1_700, 1_800, 1_919])
    outputs = ensemble.run(member_inputs(feature_table(bars, hours(bars)), rows))
    for index, row in enumerate(rows):
        said = ensemble.vote("X", bars[: row + 1], hours(bars))
        single = {vote.member: vote.probability for vote in said.members}
        assert outputs.probabilities(index) == pytest.approx(single, abs=1e-5)
        assert outputs.large_move(index) == pytest.approx(said.large_move, abs=1e-5)
