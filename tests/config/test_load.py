"""Where settings come from, and which source wins."""

import dataclasses
import datetime
from decimal import Decimal
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from rusy_tui.config import (
    ConfigurationMistakesError,
    demo_settings,
    dumps,
    fingerprint,
    load,
    load_secrets,
    loads,
)
from rusy_tui.config.environment import variable_name
from rusy_tui.config.shape import Shape
from rusy_tui.domain.candle import Interval
from rusy_tui.domain.settings import Mode, Settings, Venue
from rusy_tui.features.catalogue import WARMUP_BARS


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """An empty configuration, which is a valid one."""
    path = tmp_path / "configuration.yaml"
    path.touch()
    return path


def test_an_empty_file_is_the_defaults(file: Path) -> None:
    assert load(file, {}) == Settings()


def test_groups_whose_keys_are_commented_out_are_the_defaults(file: Path) -> None:
    file.write_text("data:\n  # pairs: []\nrisk:\n")
    assert load(file, {}) == Settings()


def test_the_shipped_file_says_what_its_comments_promise(root: Path) -> None:
    settings = load(root / "configuration.yaml", {})
    assert settings.data.lookback_days == 3000
    assert [pair.intervals for pair in settings.data.pairs] == [(Interval.M15, Interval.H1)] * 2
    # Every key but the list of pairs is written with its default.
    data = dataclasses.replace(settings.data, pairs=Settings().data.pairs)
    assert dataclasses.replace(settings, data=data) == Settings()


def test_the_shipped_file_names_every_key(root: Path) -> None:
    text = (root / "configuration.yaml").read_text()
    missing = [path for path in Shape().scalar_paths() if f"{path[-1]}:" not in text]
    assert missing == []


def test_the_busy_file_lowers_the_thresholds_of_the_demo(root: Path) -> None:
    settings = demo_settings(root / "busy.yaml", {})
    assert settings.ensemble.long_probability is not None
    assert settings.ensemble.short_probability is not None
    assert 0.5 <= settings.ensemble.long_probability < 0.52
    assert 0.48 < settings.ensemble.short_probability <= 0.5
    assert settings.exchange.venue is Venue.DEMO


def test_the_environment_wins_over_env_file_and_the_file(file: Path) -> None:
    file.write_text("risk:\n  leverage: 2\n  max_open_trades: 2\napproval:\n  seconds: 2\n")
    (file.parent / ".env").write_text(
        "export RUSY_RISK__LEVERAGE=4  # four\nRUSY_RISK__MAX_OPEN_TRADES='4'\n"
    )
    settings = load(file, {"RUSY_RISK__LEVERAGE": "5", "RUSY_DESK__MODE": "auto"})
    assert settings.risk.leverage == 5
    assert settings.risk.max_open_trades == 4
    assert settings.approval.seconds == 2
    assert settings.desk.mode is Mode.AUTO


def test_a_variable_set_to_nothing_is_not_set(file: Path) -> None:
    file.write_text("risk:\n  leverage: 2\n")
    assert load(file, {"RUSY_RISK__LEVERAGE": ""}).risk.leverage == 2


def test_a_variable_mends_a_wrong_value_of_the_file(file: Path) -> None:
    file.write_text("risk:\n  leverage: many\n")
    assert load(file, {"RUSY_RISK__LEVERAGE": "2"}).risk.leverage == 2


@pytest.mark.parametrize("written", ["AUSDT,BUSDT", "[AUSDT, BUSDT]", "AUSDT, BUSDT,"])
def test_a_list_in_a_variable(file: Path, written: str) -> None:
    settings = load(file, {"RUSY_DEMO__SYMBOLS": written})
    assert settings.demo.symbols == ("AUSDT", "BUSDT")


def test_pairs_in_a_variable(file: Path) -> None:
    settings = load(file, {"RUSY_DATA__PAIRS": "[{symbol: ETHUSDT}]"})
    assert settings.data.symbols == ("ETHUSDT",)


def test_variables_of_other_things_are_left_alone(file: Path) -> None:
    load(file, {"RUSY_RECORDINGS": "/nowhere", "RUSTY__X": "1", "PATH": "/bin"})


def test_money_is_exact(file: Path) -> None:
    file.write_text("risk:\n  risk_per_trade_percent: 0.1\ndemo:\n  balance: 1234.10\n")
    settings = load(file, {})
    assert settings.risk.risk_per_trade_percent == Decimal("0.1")
    assert settings.demo.balance == Decimal("1234.1")


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2024-03-04", datetime.datetime(2024, 3, 4, tzinfo=datetime.UTC)),
        ("2024-03-04 05:00", datetime.datetime(2024, 3, 4, 5, tzinfo=datetime.UTC)),
        ("2024-03-04T05:00:00+02:00", datetime.datetime(2024, 3, 4, 3, tzinfo=datetime.UTC)),
        ("2024-03-04T05:00:00Z", datetime.datetime(2024, 3, 4, 5, tzinfo=datetime.UTC)),
    ],
)
def test_a_moment_without_an_offset_is_utc(
    file: Path, written: str, moment: datetime.datetime
) -> None:
    file.write_text(f"demo:\n  start: {written}\n")
    assert load(file, {}).demo.start == moment
    assert load(file, {"RUSY_DEMO__START": written}).demo.start_ms == moment.timestamp() * 1000


def test_the_demo_needs_no_file_and_keeps_to_itself() -> None:
    settings = demo_settings(
        None,
        {"RUSY_EXCHANGE__VENUE": "live", "RUSY_DATABASE__URL": "postgresql://u:p@h/real"},
        seed=3,
        speed=None,
        symbols=("SOLUSDT",),
    )
    assert settings.exchange.venue is Venue.DEMO
    assert settings.database.url is None
    assert settings.demo.seed == 3
    assert settings.demo.speed == 60
    assert settings.data.symbols == ("SOLUSDT",)


def test_the_command_line_wins_over_the_environment() -> None:
    assert demo_settings(None, {"RUSY_DEMO__SEED": "1"}, seed=2).demo.seed == 2


def test_a_wrong_argument_is_told_like_a_wrong_key() -> None:
    with pytest.raises(ConfigurationMistakesError, match=r"command line: demo\.seed: -1"):
        demo_settings(None, {}, seed=-1)


def test_settings_pass_to_another_process_unchanged(root: Path) -> None:
    settings = load(
        root / "configuration.yaml", {"RUSY_RISK__RISK_PER_TRADE_PERCENT": "0.123456789"}
    )
    assert loads(dumps(settings)) == settings


def test_the_fingerprint_moves_with_what_decides_and_holds_no_password() -> None:
    plain = demo_settings(None, {})
    assert fingerprint(plain) == fingerprint(demo_settings(None, {}))
    assert fingerprint(plain) != fingerprint(demo_settings(None, {"RUSY_RISK__LEVERAGE": "2"}))
    elsewhere = dataclasses.replace(plain.database, directory="/elsewhere")
    assert fingerprint(dataclasses.replace(plain, database=elsewhere)) == fingerprint(plain)


def test_an_address_with_a_password_shows_in_no_text(file: Path) -> None:
    settings = load(file, {"RUSY_DATABASE__URL": "postgresql://me:hunter2@host/rusy"})
    assert settings.database.url == "postgresql://me:hunter2@host/rusy"
    assert "hunter2" not in repr(settings)


def test_secrets_come_from_the_environment_and_hide(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("RUSY_API_KEY=from-file\nRUSY_API_SECRET=hunter2\n")
    secrets = load_secrets({"RUSY_API_KEY": "from-process"}, tmp_path)
    assert secrets.api_key is not None
    assert secrets.api_secret is not None
    assert secrets.api_key.get_secret_value() == "from-process"
    assert secrets.api_secret.get_secret_value() == "hunter2"
    assert secrets.complete
    assert "hunter2" not in f"{secrets!r} {secrets!s}"


def test_no_secrets_are_no_mistake_and_half_of_them_are(tmp_path: Path) -> None:
    assert not load_secrets({}, tmp_path).complete
    with pytest.raises(ConfigurationMistakesError, match="RUSY_API_SECRET") as caught:
        load_secrets({"RUSY_API_KEY": "hunter2"}, tmp_path)
    assert "hunter2" not in str(caught.value)


def test_every_key_has_a_variable() -> None:
    names = {variable_name(path) for path in Shape().scalar_paths()}
    assert {"RUSY_RISK__LEVERAGE", "RUSY_DEMO__SYMBOLS", "RUSY_DATA__PAIRS"} <= names


_scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
_trees = st.recursive(
    _scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["data", "pairs", "symbol", "risk", "leverage", "demo", "x"]), inner
        )
    ),
    max_leaves=8,
)


@given(_trees)
def test_no_tree_of_values_breaks_the_reader(
    tmp_path_factory: pytest.TempPathFactory, tree: object
) -> None:
    path = tmp_path_factory.mktemp("any") / "configuration.yaml"
    path.write_text(yaml.safe_dump(tree, allow_unicode=True), encoding="utf-8")
    try:
        settings = load(path, {})
    except ConfigurationMistakesError:
        return
    assert settings.data.pairs


def test_what_is_kept_is_enough_to_begin_with_and_all_that_is_asked_for(file: Path) -> None:
    file.write_text("data:\n  keep_days: 16\n")
    data = load(file, {}).data
    assert (data.keep_days, data.history_days) == (16, 16)
    file.write_text("")
    assert load(file, {}).data.history_days == 3000
    days = max(bars * Interval(name).ms / 86_400_000 for name, bars in WARMUP_BARS.items())
    # A day to spare: whole days are removed, and the newest bar is one that forms.
    assert days + 1 <= 16


def test_a_demo_looks_back_a_month_unless_told_otherwise(tmp_path: Path) -> None:
    assert demo_settings(None, {}).data.lookback_days == 30
    assert demo_settings(None, {"RUSY_DATA__LOOKBACK_DAYS": "7"}).data.lookback_days == 7
    path = tmp_path / "demo.yaml"
    path.write_text("data:\n  lookback_days: 3000\n")
    assert demo_settings(path, {}).data.lookback_days == 3000
    path.write_text("data:\n  pairs:\n    - symbol: BTCUSDT\n")
    assert demo_settings(path, {}).data.lookback_days == 30
