"""The disk on which bars wait is full itself: in a child whose files may not grow."""

import json
import subprocess
import sys
from pathlib import Path

import msgspec

from rusy_tui.store.address import DatabaseAddress
from tests.data_faults.proxy import Proxy
from tests.data_faults.scene import Scene, under

_ROOM = 3_000


def child(address: DatabaseAddress, folder: Path) -> None:
    """The database is away over ten closes, and the disk takes but the first of them."""
    import resource

    async def act(scene: Scene) -> None:
        proxy = Proxy(address)
        await proxy.start()
        scene.address = proxy.address
        await scene.start()
        await scene.minute(20)
        await proxy.stop()
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (_ROOM, hard))
        await scene.minute(155)
        on_disk = scene.spool.rows
        await proxy.start()
        await scene.minute(166)
        await scene.must_hold()
        assert await scene.sources() == ["stream"]
        (full,) = await scene.noted(state="full")
        (back,) = await scene.noted(state="back")
        said = json.dumps([on_disk, full["why"], back["given_up"]])
        sys.stdout.write(f"{said}\n")
        await scene.stop()
        await proxy.close()

    under(act, address, folder)


def test_a_full_disk_leaves_bars_in_memory_and_all_are_written_in_the_end(
    database_address: DatabaseAddress, tmp_path: Path
) -> None:
    script = (
        "import sys, msgspec; from pathlib import Path; "
        "from rusy_tui.store.address import DatabaseAddress; "
        "from tests.data_faults.test_disk import child; "
        "child(msgspec.json.decode(sys.argv[1], type=DatabaseAddress), Path(sys.argv[2]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, msgspec.json.encode(database_address), str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    on_disk, why, given_up = json.loads(done.stdout.splitlines()[-1])
    assert 0 < on_disk < 2 * (9 + 2)
    assert "File too large" in why
    assert given_up == 0
