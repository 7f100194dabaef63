from collections.abc import Callable

import msgspec
import pytest

from rusy_tui.domain.errors import ModelError
from rusy_tui.ensemble import manifest as manifests
from rusy_tui.ensemble.manifest import Calibration, Manifest, Thresholds
from tests.ensemble import shipped

replace = msgspec.structs.replace


def test_a_manifest_reads_back_as_it_was_written() -> None:
    manifest = shipped.manifest()
    assert manifests.decode(manifests.encode(manifest), "here") == manifest


def test_an_unknown_field_is_refused_by_name() -> None:
    text = manifests.encode(shipped.manifest()).replace(b'"version"', b'"varsion"', 1)
    with pytest.raises(ModelError, match=r"here: not a manifest .*varsion"):
        manifests.decode(text, "here")


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(ModelError, match="here: not a manifest"):
        manifests.decode(b"{", "here")


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (lambda m: replace(m, format=99), "format: expected 1, found 99"),
        (lambda m: replace(m, graphs={}), "graphs: expected"),
        (lambda m: replace(m, weights={"lstm": 1.0}), "weights: expected"),
        (
            lambda m: replace(m, weights={"lstm": 0.9, "cnn": 0.9, "dnn": 0.9}),
            "weights: expected shares",
        ),
        (
            lambda m: replace(m, thresholds=Thresholds(long=0.4, short=0.6)),
            "thresholds: expected 0 < short < long < 1, found 0.6 and 0.4",
        ),
        (
            lambda m: replace(
                m,
                calibrations=dict.fromkeys(
                    m.calibrations, Calibration(slope=-1.0, intercept=0.0)
                ),
            ),
            "slope: expected above 0",
        ),
        (lambda m: replace(m, warmup_bars={"15m": 10}), "warmup_bars: expected"),
    ],
)
def test_each_wrong_field_is_named(wrong: Callable[[Manifest], Manifest], field: str) -> None:
    text = manifests.encode(wrong(shipped.manifest()))
    with pytest.raises(ModelError, match=field):
        manifests.decode(text, "here")
