"""Names and folders tell what a file holds, and refuse what is not kept."""

from pathlib import Path

import pytest

from rusy_tui.domain.candle import Interval
from rusy_tui.domain.errors import UsageError
from rusy_tui.market.importing.report import FileRefused
from rusy_tui.market.importing.sources import Given, Kind, find, identify

UM = "data/futures/um/monthly"


@pytest.mark.parametrize(
    ("path", "symbol", "kind", "interval"),
    [
        ("BTCUSDT-15m-2021-03.zip", "BTCUSDT", None, Interval.M15),
        ("BTCUSDT-15m-2021-03-01.zip", "BTCUSDT", None, Interval.M15),
        ("ETHUSDT-1h.parquet", "ETHUSDT", None, Interval.H1),
        ("btcusdt-1m-recorded.csv", "BTCUSDT", None, Interval.M1),
        ("BTCUSDT_210326-1h-2021-03.zip", "BTCUSDT_210326", None, Interval.H1),
        ("1000PEPEUSDT-fundingRate-2024-01.zip", "1000PEPEUSDT", Kind.FUNDING, None),
        ("BTCUSDT-8h.parquet", "BTCUSDT", None, None),
        (
            f"{UM}/markPriceKlines/BTCUSDT/15m/BTCUSDT-15m-2021-03.zip",
            "BTCUSDT", Kind.MARK_PRICES, Interval.M15,
        ),
        (f"{UM}/klines/X-USDT/1m/X-1m-2021-03.zip", "X", Kind.KLINES, Interval.M1),
        ("trades/mine/BTCUSDT-1h.csv", "BTCUSDT", None, Interval.H1),
    ],
)  # fmt: skip
def test_a_name_tells_symbol_kind_and_interval(
    path: str, symbol: str, kind: Kind | None, interval: Interval | None
) -> None:
    source = identify(Path(path), Given())
    assert (source.symbol, source.kind, source.interval) == (symbol, kind, interval)


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("BTCUSDT-5m-2021-03.zip", "bars of 5m are not kept"),
        ("klines/BTCUSDT-5m.csv", "bars of 5m are not kept"),
        ("BTCUSDT-8h-2021-03.zip", "bars of 8h are not kept"),
        ("recording.csv", "tells no symbol"),
        ("BTCUSDT-aggTrades-2021-03.zip", "aggTrades are not kept"),
        (f"{UM}/indexPriceKlines/BTCUSDT/15m/BTCUSDT-15m-2021-03.zip", "indexPriceKlines are"),
        ("data/spot/monthly/klines/BTCUSDT/15m/BTCUSDT-15m-2021-03.zip", "spot market"),
        ("BTCUSD_PERP-15m-2021-03.zip", "coin-margined"),
        ("data/futures/cm/daily/klines/X/15m/X-15m-2021-03.zip", "coin-margined"),
        ("BTCUSDT-15m.txt", "not one of .zip"),
    ],
)
def test_what_is_not_kept_is_refused_for_what_it_is(path: str, why: str) -> None:
    with pytest.raises(FileRefused, match=why):
        identify(Path(path), Given())


def test_an_odd_file_is_what_the_operator_says() -> None:
    given = Given(symbol="BTCUSDT", interval=Interval.H1, kind=Kind.KLINES)
    source = identify(Path("recording.csv"), given)
    assert (source.symbol, source.kind, source.interval) == (
        "BTCUSDT", Kind.KLINES, Interval.H1,
    )  # fmt: skip


def test_folders_are_walked_each_file_once_and_archives_first(tmp_path: Path) -> None:
    names = (
        "a/BTCUSDT-15m.csv", "b/BTCUSDT-15m-2021-03.zip", "b/c/AAAUSDT-1h.parquet",
        "b/BTCUSDT-15m-2021-03.zip.CHECKSUM", "README.md", "b/BTCUSDT-5m.csv",
    )  # fmt: skip
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found, left_out = find([tmp_path, tmp_path / "b", tmp_path / "a" / "BTCUSDT-15m.csv"])
    assert [source.path.name for source in found] == [
        "AAAUSDT-1h.parquet", "BTCUSDT-15m-2021-03.zip", "BTCUSDT-15m.csv",
    ]  # fmt: skip
    assert {(each.path.name, each.named) for each in left_out} == {("BTCUSDT-5m.csv", False)}


def test_nothing_to_import_is_a_wrong_command(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        find([tmp_path / "absent.zip"])
    with pytest.raises(UsageError, match="nothing to import"):
        find([tmp_path])
    (tmp_path / "BTCUSDT-5m-2021-03.zip").touch()
    with pytest.raises(UsageError, match="bars of 5m are not kept"):
        find([tmp_path])
