"""The console starts fast because it loads little; and the README's picture can be drawn."""

import subprocess
import sys
from pathlib import Path

import msgspec

from tools.console_picture import Recording, draw

ROOT = Path(__file__).parents[2]
HEAVY = ("numpy", "pandas", "onnxruntime", "asyncpg", "aiohttp", "pydantic", "plotext", "yaml")


def test_the_console_loads_textual_and_the_domain_alone() -> None:
    listing = "import rusy_tui.console.app, sys; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", listing], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert "textual.app" in loaded
    assert not set(HEAVY) & set(loaded)
    ours = {name.split(".")[1] for name in loaded if name.startswith("rusy_tui.")}
    assert ours <= {"console", "domain", "link"}


async def test_the_recorded_state_can_be_drawn() -> None:
    recorded = (ROOT / "docs" / "console.state.json").read_bytes()
    recording = msgspec.json.decode(recorded, type=Recording)
    svg = await draw(recording, (120, 40), ["a"])
    assert "PROPOSAL" in svg
    assert "armed:" in svg
