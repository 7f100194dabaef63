"""One engine an account: who holds it is told, and a killed one holds nothing."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rusy_tui.domain.errors import StorageError
from rusy_tui.launching.lock import AccountHeldError, AccountLock, Holder, holder_of, holders

_HOLDER = """
import sys, time
from pathlib import Path
from rusy_tui.launching.lock import AccountLock, Holder
import os
folder, account = Path(sys.argv[1]), sys.argv[2]
lock = AccountLock.take(folder, Holder(account=account, pid=os.getpid(), started_ms=0,
    socket="/run/first.sock", venue="demo", directory="/d", version="0"))
print("held", flush=True)
time.sleep(60)
"""


def a_holder(account: str = "demo-1") -> Holder:
    return Holder(
        account=account,
        pid=os.getpid(),
        started_ms=1_700_000_000_000,
        socket="/run/second.sock",
        venue="demo",
        directory="/d",
        version="0",
    )


def _another_process(folder: Path, account: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(folder), account],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_taker_is_told_who_came_first_and_a_killed_one_frees(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    first = _another_process(folder, "demo-1")
    try:
        with pytest.raises(AccountHeldError) as refused:
            AccountLock.take(folder, a_holder())
        text = str(refused.value)
        assert f"process {first.pid}" in text
        assert "rusy attach --socket /run/first.sock" in text
        assert refused.value.exit_code == 1
        assert [each.pid for each in holders(folder)] == [first.pid]
        # Another account is free meanwhile.
        AccountLock.take(folder, a_holder("demo-2")).release()
    finally:
        first.send_signal(signal.SIGKILL)
        first.communicate()
    assert holders(folder) == ()
    lock = AccountLock.take(folder, a_holder())
    found = holder_of(folder, "demo-1")
    assert found is not None
    assert found.pid == os.getpid()
    lock.release()
    assert holder_of(folder, "demo-1") is None


def test_who_only_looks_does_not_keep_an_engine_from_starting(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    AccountLock.take(folder, a_holder()).release()
    for _ in range(50):
        assert holders(folder) == ()
        AccountLock.take(folder, a_holder()).release()


def test_a_folder_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="file/run"):
        AccountLock.take(tmp_path / "file" / "run", a_holder())
