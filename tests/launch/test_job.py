"""What an engine process is asked to run, and where it keeps things."""

import contextlib
import os
import stat
from pathlib import Path

import msgspec
import pytest

from rusy_tui.domain.errors import ConfigurationError, StorageError, UsageError
from rusy_tui.domain.settings import DataSource, Mode
from rusy_tui.launching import parts, places
from rusy_tui.launching.job import Job, Replay
from rusy_tui.link.paths import LONGEST_PATH
from rusy_tui.store.embedded import EmbeddedServer


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RUSY_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_a_job_reaches_another_process_whole() -> None:
    job = Job(
        demo=True, seed=3, speed=60.0, replay=Replay(file="/r/BTCUSDT-15m.csv", from_ms=1)
    )
    assert msgspec.json.decode(msgspec.json.encode(job), type=Job) == job


def test_each_market_has_a_folder_of_its_own(home: Path) -> None:
    first, second = Job(demo=True), Job(demo=True, seed=3)
    replay = Job(demo=True, replay=Replay(file="/r/BTCUSDT-15m.csv"))
    folders = [job.market_folder(job.settings()) for job in (first, second, replay)]
    assert len(set(folders)) == 3
    assert all(folder.parent == home / "demo" for folder in folders)
    assert first.market_folder(first.settings()) == folders[0], "and the same one each time"
    # The account is the demo directory's, whichever market: one demo at a time.
    assert first.folder == second.folder == home / "demo"


def test_options_become_settings() -> None:
    job = Job(demo=True, mode="auto", seed=9, symbols=("solusdt",))
    settings = job.settings()
    assert settings.desk.mode is Mode.AUTO
    assert settings.demo.seed == 9
    assert settings.data.symbols == ("SOLUSDT",)


def test_a_recordings_name_tells_its_symbol() -> None:
    job = Job(demo=True, replay=Replay(file="/r/LINKUSDT-15m.parquet"))
    assert job.settings().data.symbols == ("LINKUSDT",)
    with pytest.raises(UsageError, match="--symbol and --interval"):
        Job(demo=True, replay=Replay(file="/r/candles.csv")).settings()


def test_an_unknown_symbol_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean BTCUSDT"):
        Job(demo=True, symbols=("BTCUSD",)).settings()


def test_without_a_configuration_the_remedy_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "none.yaml"
    with pytest.raises(ConfigurationError, match=r"none\.yaml: there is no configuration"):
        Job(demo=False, config=str(missing)).settings()


def test_a_socket_path_always_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    account = places.account_of_folder("demo", tmp_path)
    monkeypatch.setenv("RUSY_HOME", f"/{'long' * 40}")
    path = places.socket_path(account)
    assert len(os.fsencode(path)) <= LONGEST_PATH
    assert str(os.getuid()) in path.parent.name


def test_paper_has_a_folder_for_each_source_and_needs_no_key(
    home: Path, tmp_path: Path
) -> None:
    def folder(lines: str) -> Path:
        path = tmp_path / "configuration.yaml"
        path.write_text("exchange:\n  venue: paper\n" + lines)
        job = Job(demo=False, config=str(path))
        return job.market_folder(job.settings())

    public, other = folder(""), folder("  rest_url: http://h:1\n  ws_url: ws://h:1\n")
    assert public != other
    assert public.parent == other.parent == home / "engine"
    assert public.name.startswith("paper-")


def test_a_database_that_others_fill_excludes_recordings_and_new_beginnings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RUSY_DATA__SOURCE", "database")
    assert Job(demo=True).settings().data.source is DataSource.DATABASE
    recording = Replay(file="/r/BTCUSDT-15m.csv")
    for job, option in (
        (Job(demo=True, replay=recording), "--replay"),
        (Job(demo=True, fresh=True), "--fresh"),
    ):
        with pytest.raises(UsageError, match=f"{option} and data.source: database exclude"):
            job.settings()


async def test_whichever_command_makes_the_home_it_is_its_users_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "above" / "home"
    monkeypatch.setenv("RUSY_HOME", str(home))
    monkeypatch.setattr(EmbeddedServer, "_start_now", _refuse)
    job = Job(demo=True)
    async with contextlib.AsyncExitStack() as stack:
        with pytest.raises(StorageError, match="not now"):
            await parts.database(job, job.settings(), stack)
    assert [stat.S_IMODE(each.stat().st_mode) for each in (home, home.parent)] == [0o700] * 2


def _refuse(server: EmbeddedServer) -> None:
    raise StorageError("not now")
