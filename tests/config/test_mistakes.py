"""Every mistake is found at once, with its place, its value and a remedy."""

from pathlib import Path

import pytest

from rusy_tui.config import ConfigurationMistakesError, Mistake, load
from rusy_tui.domain.errors import ConfigurationError


def mistakes(folder: Path, text: str, **environ: str) -> list[Mistake]:
    """The mistakes of a configuration, in the order they are told."""
    path = folder / "configuration.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationMistakesError) as caught:
        load(path, environ)
    return list(caught.value.mistakes)


def only(folder: Path, text: str, **environ: str) -> Mistake:
    """The one mistake of a configuration."""
    found = mistakes(folder, text, **environ)
    assert len(found) == 1, "\n".join(map(str, found))
    return found[0]


def test_a_mistake_names_file_line_key_value_and_remedy(tmp_path: Path) -> None:
    mistake = only(tmp_path, "risk:\n  # how much\n  leverage: many\n")
    assert str(mistake) == (
        f"{tmp_path}/configuration.yaml:3: risk.leverage: 'many' must be a whole number\n"
        "    Write leverage: 3 (the default), or another value that fits."
    )


def test_the_exit_code_is_that_of_bad_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path / "configuration.yaml", {})
    assert caught.value.exit_code == 2
    assert "does not exist" in str(caught.value)
    assert "rusy demo" in str(caught.value)


def test_a_slash_comment_is_told_to_use_a_hash(tmp_path: Path) -> None:
    mistake = only(tmp_path, "data:\n  lookback_days: 3000 // since 2019\n")
    assert mistake.key == "data.lookback_days"
    assert mistake.place.line == 2
    assert mistake.remedy == "Use #: lookback_days: 3000 # since 2019"


@pytest.mark.parametrize(
    "text",
    [
        "// Rusy\ndata:\n  lookback_days: 1\n",
        "data:   // what is kept\n  lookback_days: 1\n",
        "data:\n  // days\n  lookback_days: 1\n",
    ],
)
def test_a_slash_comment_is_found_wherever_it_stands(tmp_path: Path, text: str) -> None:
    assert "starts no comment" in only(tmp_path, text).problem


@pytest.mark.parametrize(
    "text",
    [
        "exchange:\n  rest_url: https://127.0.0.1:8080  # // not a comment of its own\n",
        "link:\n  socket: '/run // rusy'\n",
    ],
)
def test_slashes_in_addresses_comments_and_quotes_are_left_alone(
    tmp_path: Path, text: str
) -> None:
    path = tmp_path / "configuration.yaml"
    path.write_text(text)
    load(path, {})


def test_mistakes_behind_a_slash_comment_are_found_as_well(tmp_path: Path) -> None:
    found = mistakes(tmp_path, "data:\n  lookback_days: -1 // all\nrisk:\n  leverag: 3\n")
    assert [mistake.place.line for mistake in found] == [2, 2, 4]


def test_a_misspelt_key_is_told_the_nearest_one(tmp_path: Path) -> None:
    mistake = only(tmp_path, "data:\n  lookback_day: 30\n")
    assert mistake.remedy == "Did you mean data.lookback_days?"
    assert mistake.value == "30"


def test_a_misspelt_group_is_told_the_nearest_one(tmp_path: Path) -> None:
    assert only(tmp_path, "Risk:\n  leverage: 3\n").remedy == "Did you mean risk?"


def test_a_key_in_the_wrong_group_is_told_where_it_belongs(tmp_path: Path) -> None:
    mistake = only(tmp_path, "data:\n  max_drift_bps: 3\n")
    assert mistake.remedy == "It belongs elsewhere: approval.max_drift_bps."


def test_a_misspelt_key_in_a_list_is_one_mistake(tmp_path: Path) -> None:
    mistake = only(tmp_path, "data:\n  pairs:\n    - symbl: BTCUSDT\n")
    assert mistake.key == "data.pairs[0].symbl"
    assert mistake.remedy == "Did you mean data.pairs[0].symbol?"


def test_a_doubled_key_names_both_lines(tmp_path: Path) -> None:
    mistake = only(tmp_path, "desk:\n  mode: auto\n  mode: manual\n")
    assert mistake.place.line == 3
    assert "first in line 2" in mistake.problem


@pytest.mark.parametrize("name", ["api_key", "apiSecret", "API-KEY", "password", "token"])
def test_a_secret_is_refused_and_not_repeated(tmp_path: Path, name: str) -> None:
    mistake = only(tmp_path, f"exchange:\n  {name}: hunter2\n")
    assert "secret" in mistake.problem
    assert "RUSY_API_KEY" in mistake.remedy
    assert "hunter2" not in str(mistake)


def test_a_password_in_an_address_is_refused_and_not_repeated(tmp_path: Path) -> None:
    mistake = only(tmp_path, "database:\n  url: postgresql://me:hunter2@host/rusy\n")
    assert "RUSY_DATABASE__URL" in mistake.remedy
    assert "hunter2" not in str(mistake)


@pytest.mark.parametrize(
    ("text", "key", "part"),
    [
        ("data:\n  lookback_days: 0\n", "data.lookback_days", "greater than or equal to 1"),
        ("data:\n  keep_days: 15\n", "data.keep_days", "greater than or equal to 16"),
        ("data:\n  lookback_days: 1.5\n", "data.lookback_days", "whole number"),
        ("data:\n  pairs: []\n", "data.pairs", "must not be empty"),
        ("data:\n  pairs: BTCUSDT\n", "data.pairs", "must be a list"),
        ("data:\n  pairs: [BTCUSDT]\n", "data.pairs[0]", "a group of keys"),
        ("exchange:\n  venue: real\n", "exchange.venue", "'live'"),
        ("exchange:\n  rest_url: example.org\n", "exchange.rest_url", "https://"),
        ("exchange: demo\n", "exchange", "a group of keys"),
        ("approval:\n  seconds: .inf\n", "approval.seconds", "no finite number"),
        ("approval:\n  seconds: .nan\n", "approval.seconds", "no finite number"),
        ("approval:\n  seconds:\n", "approval.seconds", "is left empty"),
        ("risk:\n  leverage: true\n", "risk.leverage", "a yes or no"),
        ("risk:\n  risk_per_trade_percent: a\n", "risk.risk_per_trade_percent", "a number"),
        ("risk:\n  risk_per_trade_percent: 3\n", "risk.risk_per_trade_percent", "whole day"),
        (
            "risk:\n  max_exposure_percent: 20\n",
            "risk.max_exposure_per_symbol_percent",
            "more than risk.max_exposure_percent",
        ),
        ("ensemble:\n  long_probability: 0.4\n", "ensemble.long_probability", "0.5"),
        ("demo:\n  start: yesterday\n", "demo.start", "a date and time"),
        ("demo:\n  symbols: [BTCUSDT, btc/usdt]\n", "demo.symbols[1]", "no symbol"),
        ("monitoring:\n  metrics_address: 0.0.0.0\n", "monitoring.metrics_address", "every"),
        ("monitoring:\n  metrics_address: '::'\n", "monitoring.metrics_address", "every"),
        ("link:\n  socket: /" + "x" * 100 + "\n", "link.socket", "101 bytes"),
    ],
)
def test_a_value_that_does_not_fit(tmp_path: Path, text: str, key: str, part: str) -> None:
    mistake = only(tmp_path, text)
    assert mistake.key == key
    assert part in mistake.problem
    assert mistake.remedy


def test_rules_between_the_pairs(tmp_path: Path) -> None:
    found = mistakes(
        tmp_path,
        """\
data:
  pairs:
    - symbol: BTCUSDT
      timeframes:
        - interval: 15m
        - interval: 15m
    - symbol: BTCUSDT
      contract_type: CURRENT_QUARTER
""",
    )
    assert [(mistake.place.line, mistake.key) for mistake in found] == [
        (4, "data.pairs[0].timeframes"),
        (6, "data.pairs[0].timeframes[1].interval"),
        (7, "data.pairs[1].symbol"),
        (8, "data.pairs[1].contract_type"),
    ]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("risk:\n\tleverage: 3\n", "tabs"),
        ("risk:\n  leverage: [3\n", "indentation"),
        ("- risk\n", "groups of keys"),
        ("a: &a\n  b: *a\n", "indentation"),
        ("demo:\n  start: 2024-02-30\n", "indentation"),
    ],
)
def test_broken_yaml_names_the_line(tmp_path: Path, text: str, part: str) -> None:
    mistake = only(tmp_path, text)
    assert mistake.place.line in (1, 2, 3)
    assert part in mistake.remedy


@pytest.mark.parametrize(
    "content", [b"risk:\n  leverage: \xff\n", b"risk:\n  leverage: \x07\n"]
)
def test_a_file_that_is_no_text(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "configuration.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigurationMistakesError):
        load(path, {})


def test_a_folder_in_the_place_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationMistakesError, match="can't be read"):
        load(tmp_path, {})


def test_variables_are_held_to_the_same_account(tmp_path: Path) -> None:
    found = mistakes(
        tmp_path, "risk:\n  leverage: 0\n", RUSY_DESK__MODE="atuo", RUSY_DEMO__SPED="3"
    )
    assert [(str(mistake.place), mistake.remedy) for mistake in found[1:]] == [
        ("environment RUSY_DEMO__SPED", "Did you mean RUSY_DEMO__SPEED?"),
        ("environment RUSY_DESK__MODE", "Did you mean auto?"),
    ]


def test_a_mistake_in_the_env_file_names_its_line_and_not_its_text(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("RUSY_RISK__LEVERAGE=many\nhunter2 is no assignment\n")
    found = mistakes(tmp_path, "")
    assert [mistake.place.line for mistake in found] == [1, 2]
    assert "hunter2" not in str(found[1])
