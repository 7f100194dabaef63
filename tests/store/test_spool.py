"""Bars on disk: in order, whole after a kill, bounded, and unharmed by a full disk."""

import errno
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from rusy_tui.domain.errors import StorageError
from rusy_tui.store.spool import Spool, SpoolFull
from tests.market.row import bar


def _opened(folder: Path, **limits: int) -> Spool:
    spool = Spool(folder, **limits)
    spool.open()
    return spool


def _numbers(spool: Spool) -> list[float]:
    return [candle.volume for frame in spool.frames() for candle in frame.candles]


def test_what_waits_is_read_in_its_order_by_the_next_run(tmp_path: Path) -> None:
    spool = _opened(tmp_path)
    spool.append("stream", [bar(0), bar(1, trades=float("nan"))])
    spool.append("rest", [bar(2)])
    spool.close()
    again = Spool(tmp_path)
    assert again.open() == (3, 0)
    first, second = again.frames()
    assert (first.source, second.source) == ("stream", "rest")
    assert first.candles[0] == bar(0)
    assert first.candles[1].trades != first.candles[1].trades
    again.append("stream", [bar(3)])
    assert [frame.candles[-1] for frame in again.frames()][1:] == [bar(2), bar(3)]
    again.clear()
    assert again.rows == 0
    assert again.frames() == []


@pytest.mark.parametrize("cut", [1, 5, 9, 40])
def test_a_torn_end_is_cut_and_told_and_what_was_before_it_is_whole(
    tmp_path: Path, cut: int
) -> None:
    spool = _opened(tmp_path)
    spool.append("stream", [bar(0)])
    whole = (tmp_path / "newer.bars").stat().st_size
    spool.append("stream", [bar(1)])
    spool.close()
    os.truncate(tmp_path / "newer.bars", whole + cut)
    again = Spool(tmp_path)
    assert again.open() == (1, cut)
    again.append("rest", [bar(2)])
    assert [frame.candles[0] for frame in again.frames()] == [bar(0), bar(2)]


def test_a_changed_byte_is_noticed(tmp_path: Path) -> None:
    spool = _opened(tmp_path)
    spool.append("stream", [bar(0)])
    spool.append("stream", [bar(1)])
    spool.close()
    path = tmp_path / "newer.bars"
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    found = Spool(tmp_path).open()
    assert found.rows == 1
    assert found.torn_bytes > 0


@pytest.mark.parametrize("limits", [{"most_rows": 20}, {"most_bytes": 3000}])
def test_beyond_its_bounds_the_oldest_are_given_up_and_counted(
    tmp_path: Path, limits: dict[str, int]
) -> None:
    spool = _opened(tmp_path, **limits)
    given_up = sum(
        spool.append("stream", [bar(number, volume=float(number))]) for number in range(100)
    )
    kept = _numbers(spool)
    assert given_up > 0
    assert kept == [float(number) for number in range(given_up, 100)]
    assert spool.rows == len(kept) <= 20
    if most_bytes := limits.get("most_bytes"):
        assert sum(path.stat().st_size for path in tmp_path.glob("*.bars")) <= most_bytes
    spool.close()
    assert Spool(tmp_path, **limits).open().rows == len(kept)


def test_a_second_program_is_refused(tmp_path: Path) -> None:
    first = _opened(tmp_path)
    with pytest.raises(StorageError, match="another program"):
        Spool(tmp_path).open()
    first.close()
    Spool(tmp_path).open()


_FULL = """
import resource, sys
from pathlib import Path
from rusy_tui.store.spool import Spool, SpoolFull
from tests.market.row import bar
spool = Spool(Path(sys.argv[1]))
spool.open()
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
kept = 0
try:
    for kept in range(100):
        spool.append("stream", [bar(kept)])
except SpoolFull as error:
    print(kept, error)
"""


def test_a_full_disk_is_told_and_harms_nothing_that_is_kept(tmp_path: Path) -> None:
    """In a child whose files may not grow beyond a size, as on a disk that is full."""
    done = subprocess.run(
        [sys.executable, "-c", _FULL, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    kept, _, why = done.stdout.partition(" ")
    assert f"[Errno {errno.EFBIG}]" in why
    again = Spool(tmp_path)
    assert again.open() == (int(kept), 0)
    assert int(kept) > 5
    assert [frame.candles[0] for frame in again.frames()] == [bar(n) for n in range(int(kept))]


def test_a_spool_that_takes_nothing_raises_what_the_writer_knows(tmp_path: Path) -> None:
    spool = _opened(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
    try:
        with pytest.raises(SpoolFull):
            spool.append("stream", [bar(0)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert spool.rows == 0
    spool.append("stream", [bar(1)])
    assert [frame.candles[0] for frame in spool.frames()] == [bar(1)]
