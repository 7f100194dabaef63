"""Files into tables: each row accounted for, nothing changed by a second import."""

import math
from pathlib import Path

import numpy as np
import pytest

from rusy_tui.domain.bars import COLUMNS, Bars
from rusy_tui.domain.candle import Candle, Interval
from rusy_tui.domain.history import Cure, Finding, FindingKind, FundingRate, MarkCandle
from rusy_tui.market import hours
from rusy_tui.market.importing import bars as bringing
from rusy_tui.store.market_data import MarketData
from tests.market.importing.files import (
    QUARTER_MS,
    START_MS,
    counts,
    imported,
    line,
    lines,
    ohlcv,
    write_csv,
    write_parquet,
    write_zip,
)

BTC = "BTCUSDT"
FAR_MS = START_MS + 400 * 86_400_000


async def _table(market: MarketData) -> list[tuple[object, ...]]:
    """All of market data, its revisions and its findings, but for when they were found."""
    parts = []
    findings = (
        "SELECT symbol, timeframe, open_time, until_time, kind, cure, detail, candle::text "
        "FROM findings ORDER BY symbol, timeframe, open_time, kind"
    )
    for query in (
        findings,
        "SELECT * FROM market_data ORDER BY symbol, timeframe, open_time",
        "SELECT * FROM market_data_revisions ORDER BY symbol, timeframe, open_time, revision",
        "SELECT * FROM funding_rates ORDER BY symbol, at",
        "SELECT * FROM mark_prices ORDER BY symbol, timeframe, open_time",
    ):
        rows = await market.database.rows(query)
        parts += [tuple("NaN" if value != value else value for value in row) for row in rows]
    return parts


async def _stored(market: MarketData, interval: Interval) -> Bars:
    found, _ = await market.bar_columns.read(BTC, interval, START_MS, FAR_MS)
    return found


async def _sources(market: MarketData) -> list[str]:
    rows = await market.database.rows("SELECT source FROM market_data ORDER BY open_time")
    return [row["source"] for row in rows]


def _candle(number: int, interval: Interval = Interval.M15, **changed: float) -> Candle:
    figures = [float(cell) for cell in line(number, interval).split(",")]
    found = dict(zip(COLUMNS, (*figures[1:6], *figures[7:10]), strict=True)) | changed
    return Candle(
        symbol=BTC,
        interval=interval,
        open_time_ms=START_MS + number * interval.ms,
        **found,
        closed=True,
    )


async def test_rows_are_stored_and_accounted_for(market: MarketData, tmp_path: Path) -> None:
    rows = lines(20)
    rows[4] = line(4, high="1")
    rows[7] = line(7, volume="x")
    rows += [line(3), line(9, close="105.0")]
    path = write_zip(tmp_path / "BTCUSDT-15m-2021-03.zip", rows, checksum=True)
    report = await imported(market, tmp_path)
    # 4 and 7 are broken, 3 comes twice, 9 comes twice and not alike.
    assert counts(report) == (22, 17, 1, 4)
    (file,) = report.files
    assert (file.path, file.symbol, file.kind, file.interval) == (path, BTC, "klines", "15m")
    assert [each.line for each in file.set_aside] == [6, 9, 11, 23]
    stored = await _stored(market, Interval.M15)
    assert len(stored) == 17
    assert stored.close[0] == 101.2
    assert set(await _sources(market)) == {"archive"}
    assert [(gap.from_ms - START_MS) // QUARTER_MS for gap in report.gaps] == [4, 7, 9]
    # A bad row of a file settles nothing: the exchange is asked for that bar.
    assert {gap.settled for gap in report.gaps} == {""}
    findings = await market.findings.listed(
        BTC, kinds=[FindingKind.BROKEN_ROW, FindingKind.DUPLICATE]
    )
    assert [each.kind for each in findings] == ["broken row", "broken row", "duplicate"]
    assert {each.cure for each in findings} == {Cure.QUARANTINED}
    assert findings[0].detail.startswith("BTCUSDT-15m-2021-03.zip line 6: high 1.0 is below")
    assert findings[0].candle is not None
    assert findings[0].candle.high == 1.0
    assert findings[1].candle is not None
    assert math.isnan(findings[1].candle.volume)
    assert "line 11: " in findings[2].detail
    assert "line 23: " in findings[2].detail

    before = await _table(market)
    again = await imported(market, tmp_path)
    assert counts(again) == (22, 0, 18, 4)
    assert await _table(market) == before


async def test_a_file_that_is_refused_leaves_the_others(
    market: MarketData, tmp_path: Path
) -> None:
    write_zip(tmp_path / "BTCUSDT-15m-2021-03-01.zip", lines(8))
    broken = tmp_path / "BTCUSDT-15m-2021-03-02.zip"
    broken.write_bytes(b"PK nothing")
    write_zip(tmp_path / "BTCUSDT-15m-2021-03-03.zip", lines(8, first=8))
    (tmp_path / "notes.txt").touch()
    report = await imported(market, tmp_path, tmp_path / "notes.txt")
    assert counts(report) == (16, 16, 0, 0)
    assert sorted(each.path.name for each in report.failed) == [broken.name, "notes.txt"]


async def test_absent_columns_stay_absent_and_are_filled_by_who_agrees(
    market: MarketData, tmp_path: Path
) -> None:
    bare = write_parquet(tmp_path / "BTCUSDT-15m.parquet", ohlcv(lines(10)))
    assert counts(await imported(market, bare)) == (10, 10, 0, 0)
    stored = await _stored(market, Interval.M15)
    for name in COLUMNS[5:]:
        assert np.isnan(getattr(stored, name)).all()

    whole = write_zip(tmp_path / "BTCUSDT-15m-2021-03.zip", lines(10))
    assert counts(await imported(market, whole)) == (10, 10, 0, 0)
    stored = await _stored(market, Interval.M15)
    assert stored.trades.tolist()[:3] == [40, 41, 42]
    assert await market.candles.revised(BTC, Interval.M15) == 0
    assert await market.database.value("SELECT count(*) FROM market_data_revisions") == 0
    before = await _table(market)
    assert counts(await imported(market, bare, whole)) == (20, 0, 20, 0)
    assert await _table(market) == before


@pytest.mark.parametrize("source", ["rest", "stream"])
async def test_the_exchanges_own_bar_stands_against_a_recording(
    market: MarketData, tmp_path: Path, source: str
) -> None:
    await market.candles.store([_candle(2, volume=99.0)], source)
    path = write_parquet(tmp_path / "BTCUSDT-15m.parquet", ohlcv(lines(4)))
    report = await imported(market, path)
    assert counts(report) == (4, 3, 0, 1)
    (row,) = report.files[0].set_aside
    assert (row.line, row.kind) == (3, FindingKind.CONTRADICTED)
    assert row.why == f"volume 12.25 for 99 of {source}, which stays"
    assert (await _stored(market, Interval.M15)).volume.tolist() == [10.25, 11.25, 99.0, 13.25]
    (finding,) = await market.findings.listed(BTC, kinds=[FindingKind.CONTRADICTED])
    assert finding.cure is Cure.QUARANTINED
    before = await _table(market)
    assert counts(await imported(market, path)) == (4, 0, 3, 1)
    assert await _table(market) == before


async def test_noise_of_sums_is_no_difference(market: MarketData, tmp_path: Path) -> None:
    await market.candles.store([_candle(2, volume=12.25 * (1 + 1e-9))], "stream")
    path = write_zip(tmp_path / "BTCUSDT-15m-2021-03.zip", lines(4))
    assert counts(await imported(market, path)) == (4, 3, 1, 0)


async def test_the_exchanges_archive_replaces_what_differs_and_keeps_it(
    market: MarketData, tmp_path: Path
) -> None:
    await market.candles.store([_candle(1), _candle(2, close=101.0)], "stream")
    path = write_zip(tmp_path / "BTCUSDT-15m-2021-03.zip", lines(4))
    assert counts(await imported(market, path)) == (4, 3, 1, 0)
    assert (await _stored(market, Interval.M15)).close[2] == 103.2
    former = await market.database.rows("SELECT close, source FROM market_data_revisions")
    assert [tuple(row) for row in former] == [(101.0, "stream")]
    (finding,) = await market.findings.listed(BTC, kinds=[FindingKind.REVISED])
    assert finding.cure is Cure.ACCEPTED
    assert finding.detail == "by the exchange's archive: close 103.2 for 101 of stream"
    before = await _table(market)
    assert counts(await imported(market, path)) == (4, 0, 4, 0)
    assert await _table(market) == before


async def test_two_archives_that_disagree_do_not_replace_each_other_for_ever(
    market: MarketData, tmp_path: Path
) -> None:
    write_zip(tmp_path / "BTCUSDT-15m-2021-03-01.zip", lines(4))
    write_zip(tmp_path / "BTCUSDT-15m-2021-03.zip", [*lines(3), line(3, close="104.0")])
    assert counts(await imported(market, tmp_path)) == (8, 4, 3, 1)
    before = await _table(market)
    assert counts(await imported(market, tmp_path)) == (8, 0, 7, 1)
    assert await _table(market) == before


async def test_a_price_finer_than_the_tick_is_no_bar(
    market: MarketData, tmp_path: Path
) -> None:
    await market.ticks.note(BTC, 0.1, START_MS)
    path = write_csv(tmp_path / "BTCUSDT-15m.csv", [line(0), line(1, open="101.15"), line(96)])
    report = await imported(market, path)
    assert counts(report) == (3, 2, 0, 1)
    (finding,) = await market.findings.listed(BTC, kinds=[FindingKind.FINER_THAN_TICK])
    assert finding.cure is Cure.QUARANTINED
    assert "finer than the tick 0.1 of that day: open 101.15" in finding.detail
    # Of the day after nothing is on record: stored, and told once.
    assert report.unknown_ticks == [BTC]
    again = write_csv(tmp_path / "BTCUSDT-15m-again.csv", lines(4, first=96))
    await imported(market, again)
    await imported(market, path)
    (unknown,) = await market.findings.listed(BTC, kinds=[FindingKind.UNKNOWN_TICK])
    assert unknown.open_time_ms == START_MS + 96 * QUARTER_MS
    assert unknown.interval is None


async def test_quarters_and_hours_are_built_of_whole_minutes(
    market: MarketData, tmp_path: Path
) -> None:
    minutes = lines(150, Interval.M1)
    del minutes[20]
    path = write_zip(tmp_path / "BTCUSDT-1m-2021-03.zip", minutes)
    report = await imported(market, path)
    assert counts(report) == (149, 149, 0, 0)
    quarters, whole = [await _stored(market, each) for each in (Interval.M15, Interval.H1)]
    assert ((quarters.open_time_ms - START_MS) // QUARTER_MS).tolist() == [
        0, 2, 3, 4, 5, 6, 7, 8, 9,
    ]  # fmt: skip
    assert ((whole.open_time_ms - START_MS) // Interval.H1.ms).tolist() == [1]
    cells = [[float(cell) for cell in row.split(",")] for row in minutes]
    part = [row for row in cells if START_MS + 3_600_000 <= row[0] < START_MS + 7_200_000]
    assert len(part) == 60
    assert (whole.open[0], whole.close[0]) == (part[0][1], part[-1][4])
    assert (whole.high[0], whole.low[0]) == (
        max(row[2] for row in part), min(row[3] for row in part),
    )  # fmt: skip
    for name, at in (("volume", 5), ("quote_volume", 7), ("trades", 8)):
        assert getattr(whole, name)[0] == pytest.approx(math.fsum(row[at] for row in part))
    assert [(each.interval, each.stored) for each in report.built] == [("15m", 9), ("1h", 1)]
    assert [(gap.interval, gap.bars) for gap in report.gaps] == [("1m", 1)]
    before = await _table(market)
    again = await imported(market, path)
    assert [(each.stored, each.equal) for each in again.built] == [(0, 9), (0, 1)]
    assert await _table(market) == before


async def test_an_hour_whose_minutes_come_in_two_imports_is_built(
    market: MarketData, tmp_path: Path
) -> None:
    first = write_zip(tmp_path / "BTCUSDT-1m-2021-03-01.zip", lines(40, Interval.M1))
    assert [each.interval for each in (await imported(market, first)).built] == ["15m"]
    rest = lines(20, Interval.M1, first=40)
    second = write_zip(tmp_path / "BTCUSDT-1m-2021-03-02.zip", rest)
    built = (await imported(market, second)).built
    assert [(each.interval, each.stored) for each in built] == [("15m", 2), ("1h", 1)]


async def test_rows_that_tell_no_time_are_on_record_together(
    market: MarketData, tmp_path: Path
) -> None:
    rows = [line(0), "<html>", line(1, open_time="now"), line(2, open_time=77)]
    report = await imported(market, write_csv(tmp_path / "BTCUSDT-15m.csv", rows))
    assert counts(report) == (4, 1, 0, 3)
    (finding,) = await market.findings.listed(BTC, kinds=[FindingKind.BROKEN_ROW])
    assert finding.open_time_ms == 0
    for told in ("line 3: 1 cells", "line 4: open_time 'now'", "line 5: time 77 is no moment"):
        assert told in finding.detail


async def test_the_exchanges_own_bars_stand_against_built_ones(
    market: MarketData, tmp_path: Path
) -> None:
    write_zip(tmp_path / "BTCUSDT-1m-2021-03.zip", lines(60, Interval.M1))
    minutes = await imported(market, tmp_path)
    built = await _stored(market, Interval.M15)
    await market.candles.store([_candle(1)], "rest")
    report = await imported(market, tmp_path)
    assert counts(minutes) == (60, 60, 0, 0)
    stored = await _stored(market, Interval.M15)
    assert stored.volume.tolist() == [built.volume[0], 11.25, built.volume[2], built.volume[3]]
    # The quarter is not its minutes, and the hour that was built of them not its quarters.
    assert [(each.interval, each.open_time_ms) for each in report.differing] == [
        (Interval.M15, START_MS + QUARTER_MS)
    ]
    assert "of rest" in report.differing[0].detail
    (finding,) = await market.findings.listed(BTC, kinds=[FindingKind.HOUR_DIFFERS])
    assert finding.cure is Cure.OPEN


async def test_hours_that_are_not_their_quarters_are_found_and_mended_by_better_ones(
    market: MarketData, tmp_path: Path
) -> None:
    quarters = write_csv(tmp_path / "BTCUSDT-15m.csv", lines(12))
    await imported(market, quarters)
    whole = hours.build(await _stored(market, Interval.M15), Interval.H1)
    rows = [
        f"{int(whole.open_time_ms[at])},{whole.open[at]},{whole.high[at]},{whole.low[at]},"
        f"{whole.close[at]},{whole.volume[at] * (1.00001 if at == 1 else 1)}"
        for at in range(3)
    ]
    recorded = write_csv(tmp_path / "BTCUSDT-1h.csv", rows, None)
    report = await imported(market, recorded)
    assert report.compared == {BTC: 3}
    assert [each.open_time_ms for each in report.differing] == [START_MS + 3_600_000]
    (finding,) = await market.findings.listed(BTC, kinds=[FindingKind.HOUR_DIFFERS])
    assert (finding.cure, finding.detail[:7]) == (Cure.OPEN, "volume ")

    archive = write_zip(
        tmp_path / "BTCUSDT-1h-2021-03.zip",
        [
            f"{row.rsplit(',', 1)[0]},{whole.volume[at]},{whole.open_time_ms[at] + 3_599_999},"
            f"{whole.quote_volume[at]},{whole.trades[at]},{whole.taker_buy_volume[at]},0,0"
            for at, row in enumerate(rows)
        ],
    )
    report = await imported(market, archive)
    assert report.differing == []
    (finding,) = await market.findings.listed(BTC, kinds=[FindingKind.HOUR_DIFFERS])
    assert finding.cure is Cure.REFETCHED


async def test_what_somebody_accepted_stays_accepted(
    market: MarketData, tmp_path: Path
) -> None:
    write_csv(tmp_path / "BTCUSDT-15m.csv", lines(4))
    write_csv(tmp_path / "BTCUSDT-1h.csv", lines(1, Interval.H1))
    await imported(market, tmp_path)
    (finding,) = await market.findings.listed(BTC, kinds=[FindingKind.HOUR_DIFFERS])
    accepted = {name: getattr(finding, name) for name in Finding.__struct_fields__}
    await market.findings.keep([Finding(**(accepted | {"cure": Cure.ACCEPTED}))])
    await imported(market, tmp_path)
    (finding,) = await market.findings.listed(BTC, kinds=[FindingKind.HOUR_DIFFERS])
    assert finding.cure is Cure.ACCEPTED


async def test_halts_are_stored_and_accepted_as_real(
    market: MarketData, tmp_path: Path
) -> None:
    flat = ("open", "high", "low", "close")
    nothing = (
        "volume", "quote_volume", "count", "taker_buy_volume", "taker_buy_quote_volume",
    )  # fmt: skip
    still: dict[str, object] = {**dict.fromkeys(flat, "100"), **dict.fromkeys(nothing, "0")}
    rows = [line(n, Interval.M15, **(still if n in (2, 3, 4, 7) else {})) for n in range(9)]
    report = await imported(market, write_zip(tmp_path / "BTCUSDT-15m-2021-03.zip", rows))
    assert counts(report) == (9, 9, 0, 0)
    found = await market.findings.listed(BTC, kinds=[FindingKind.HALT])
    spans = [
        ((each.open_time_ms - START_MS) // QUARTER_MS, (each.until_ms - START_MS) // QUARTER_MS)
        for each in found
    ]
    assert spans == [(2, 5), (7, 8)]
    assert {each.cure for each in found} == {Cure.ACCEPTED}


async def test_funding_rates_are_one_a_payment(market: MarketData, tmp_path: Path) -> None:
    at = [START_MS + n * 28_800_000 for n in range(6)]
    await market.funding_rates.store(
        [
            FundingRate(symbol=BTC, time_ms=at[1], rate=1e-4, mark_price=100.0),
            FundingRate(symbol=BTC, time_ms=at[2], rate=3e-4, mark_price=101.0),
        ]
    )
    recorded = write_parquet(
        tmp_path / "BTCUSDT-8h.parquet",
        {
            "open_time": [at[0], at[1] + 4, *at[2:4], at[0] + 7, 5],
            "funding_rate": [1e-4, 1e-4, 2e-4, 0.0, 1e-4, 0.1],
        },
    )
    report = await imported(market, recorded)
    # The third differs from the exchange's own, the fifth repeats the first, the last is old.
    assert counts(report) == (6, 2, 2, 2)
    assert [each.line for each in report.files[0].set_aside] == [6, 3]
    header = "calc_time,funding_interval_hours,last_funding_rate"
    rows = [f"{at[2] + 3},8,0.0002", f"{at[4] + 3},8,-0.0001"]
    archive = write_zip(tmp_path / "BTCUSDT-fundingRate-2021-03.zip", rows, header)
    assert counts(await imported(market, archive)) == (2, 2, 0, 0)
    stored = await market.funding_rates.between(BTC, None, START_MS, FAR_MS)
    assert [(each.time_ms - START_MS, each.rate) for each in stored] == [
        (0, 1e-4), (28_800_000, 1e-4), (57_600_000, 2e-4), (86_400_000, 0.0),
        (115_200_000, -1e-4),
    ]  # fmt: skip
    assert stored[2].mark_price == 101.0
    before = await _table(market)
    assert counts(await imported(market, archive)) == (2, 0, 2, 0)
    assert await _table(market) == before


async def test_mark_prices_have_a_table_of_their_own(
    market: MarketData, tmp_path: Path
) -> None:
    await market.mark_prices.store(
        [
            MarkCandle(
                symbol=BTC, interval=Interval.M15, open_time_ms=START_MS + QUARTER_MS,
                open=1.0, high=1.0, low=1.0, close=1.0,
            )
        ]
    )  # fmt: skip
    rows = [line(n, volume="0", quote_volume="0", taker_buy_volume="0") for n in range(4)]
    rows.append(line(4, low="200"))
    folder = tmp_path / "um" / "monthly" / "markPriceKlines" / BTC / "15m"
    write_zip(folder / "BTCUSDT-15m-2021-03.zip", rows)
    report = await imported(market, tmp_path)
    assert counts(report) == (5, 4, 0, 1)
    assert len(await _stored(market, Interval.M15)) == 0
    stored = await market.mark_prices.between(BTC, "15m", START_MS, FAR_MS)
    assert [each.close for each in stored] == [101.2, 102.2, 103.2, 104.2]
    assert report.gaps == []
    before = await _table(market)
    assert counts(await imported(market, tmp_path)) == (5, 0, 4, 1)
    assert await _table(market) == before


async def test_an_import_that_ended_half_way_goes_on(
    market: MarketData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bringing, "_CHUNK", 16)
    path = write_zip(tmp_path / "BTCUSDT-15m-2021-03.zip", lines(100))
    added = market.bar_columns.add
    calls = 0

    async def killed(symbol: str, bars: Bars, source: str) -> bool:
        nonlocal calls
        calls += 1
        if calls == 4:
            raise KeyboardInterrupt
        return await added(symbol, bars, source)

    with monkeypatch.context() as patch:
        patch.setattr(market.bar_columns, "add", killed)
        with pytest.raises(KeyboardInterrupt):
            await imported(market, path)
    assert len(await _stored(market, Interval.M15)) == 48
    assert counts(await imported(market, path)) == (100, 52, 48, 0)


async def test_a_bar_that_another_program_writes_meanwhile_is_not_lost(
    market: MarketData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_csv(tmp_path / "BTCUSDT-15m.csv", lines(10))
    read = market.bar_columns.read
    first = True

    async def beaten(*arguments: object) -> object:
        nonlocal first
        found = await read(*arguments)  # type: ignore[arg-type]  # passed on as they came
        if first:
            first = False
            await market.candles.store([_candle(5, volume=99.0)], "stream")
        return found

    monkeypatch.setattr(market.bar_columns, "read", beaten)
    report = await imported(market, path)
    assert counts(report) == (10, 9, 0, 1)
    monkeypatch.undo()
    assert (await _stored(market, Interval.M15)).volume[5] == 99.0
