"""`rusy attach --stdio`: the far end of ssh is the same link over a program's pipes."""

import sys
import tempfile
from pathlib import Path

import pytest

from rusy_tui.domain.commands import Halt
from rusy_tui.domain.events import PhaseChanged, Snapshot
from rusy_tui.link.client import LinkClient, LinkLost
from tests.link.scripted import scripted_engine

pytestmark = pytest.mark.timeout(30)


def _bridge(path: Path) -> list[str]:
    command = [sys.executable, "-m", "rusy_tui.cli.main", "attach", "--stdio", "--socket"]
    return [*command, str(path)]


async def test_a_console_elsewhere_watches_and_commands() -> None:
    with tempfile.TemporaryDirectory(prefix="rusy-") as made:
        path = Path(made) / "run" / "e.sock"
        async with scripted_engine() as engine:
            await engine.server.serve_unix(path)
            client = await LinkClient.connect_command(_bridge(path))
            events = client.events()
            assert isinstance(await anext(events), Snapshot)
            engine.publisher.publish(PhaseChanged(phase="running", progress=""))
            assert await anext(events) == PhaseChanged(phase="running", progress="")
            assert (await client.send(Halt("1"))).ok
            await client.close()
            assert engine.handled[0][0] == Halt("1")


async def test_without_an_engine_over_there_its_message_comes_back(tmp_path: Path) -> None:
    with pytest.raises(LinkLost, match="no engine answers there"):
        await LinkClient.connect_command(_bridge(tmp_path / "none.sock"))
