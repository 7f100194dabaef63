import itertools

from rusy_tui.features import catalogue
from rusy_tui.features.catalogue import Group
from rusy_tui.features.indicators import indicators
from rusy_tui.features.microstructure import bar_group, flow_group
from rusy_tui.features.price_action import M15_SPANS, calendar, price_action, return_lags
from tests.features.market import market


def test_the_catalogue_names_what_the_functions_compute_in_their_order() -> None:
    bars = market(40)
    computed = {
        Group.PRICE_ACTION: price_action(bars, M15_SPANS),
        Group.LAGS: return_lags(bars, M15_SPANS),
        Group.CALENDAR: calendar(bars),
        Group.INDICATORS: indicators(bars),
        Group.BAR: bar_group(bars),
        Group.FLOW: flow_group(bars),
    }
    described = {
        group: [feature.name for feature in features]
        for group, features in itertools.groupby(catalogue.FEATURES, lambda one: one.group)
    }
    assert {group: list(values) for group, values in computed.items()} == described


def test_each_feature_says_unit_formula_and_source() -> None:
    for feature in catalogue.FEATURES:
        assert feature.unit
        assert feature.formula
        assert feature.source
        assert feature.warm_up >= 1


def test_the_live_warm_up_covers_the_slowest_feature_and_the_window_above_it() -> None:
    slowest = max(feature.warm_up for feature in catalogue.FEATURES)
    assert catalogue.WARMUP_BARS["15m"] >= slowest + catalogue.SEQUENCE_BARS
    assert catalogue.WARMUP_BARS["1h"] >= slowest + catalogue.IMAGE_BARS
    assert max(catalogue.WARMUP_BARS.values()) <= 512


def test_the_digest_is_the_same_each_time() -> None:
    assert catalogue.digest() == catalogue.digest()
    assert len(catalogue.digest()) == 64
