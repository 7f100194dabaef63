"""What a command loads, seen from outside, and that the rules for imports catch a breach."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ["textual", "numpy", "torch", "pandas", "onnxruntime", "binance", "pyarrow", "talib"]


def loaded_by(statement: str, root: Path) -> set[str]:
    """The top-level modules that a fresh Python has loaded after a statement."""
    program = f"{statement}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True
    )
    return {name.partition(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}


def test_the_command_line_loads_nothing_heavy(root: Path) -> None:
    assert loaded_by("import rusy_tui.cli.main", root).isdisjoint(HEAVY)


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["status"], ["proposals"], ["mode", "auto", "--yes"], ["reject", "x"]],
    ids=" ".join,
)
def test_one_shot_commands_load_neither_screen_nor_numbers(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    for name in ("RUSY_HOME", "XDG_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path))
    statement = (
        f"import sys\nsys.argv[1:] = {arguments}\n"
        "from rusy_tui.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass"
    )
    assert loaded_by(statement, root).isdisjoint(HEAVY)


@pytest.mark.parametrize(
    ("module", "forbidden"),
    [
        ("rusy_tui.domain.settings", {"pydantic", "yaml", "numpy", "asyncio"}),
        ("rusy_tui.domain.errors", {"msgspec", "numpy"}),
        ("rusy_tui.config", {"textual", "numpy", "aiohttp", "asyncpg"}),
        ("rusy_tui.resources", {"numpy", "msgspec"}),
    ],
)
def test_light_modules_stay_light(root: Path, module: str, forbidden: set[str]) -> None:
    assert loaded_by(f"import {module}", root).isdisjoint(forbidden)


def test_the_import_rules_catch_a_breach(tmp_path: Path, root: Path) -> None:
    package = tmp_path / "house"
    for name, text in {
        "": "",
        "ground": "",
        "first": "from house import ground\n",
        "second": "import json\n\nfrom house.first import ground\nfrom house import ground\n",
    }.items():
        (package / name).mkdir(parents=True, exist_ok=True)
        (package / name / "__init__.py").write_text(text)
    (tmp_path / "rules.toml").write_text(
        """\
[tool.importlinter]
root_packages = ["house"]
contract_types = ["allowed: tools.import_contract.AllowedContract"]

[[tool.importlinter.contracts]]
name = "first: ground"
type = "allowed"
source_modules = ["house.first"]
allowed_modules = ["house.ground"]

[[tool.importlinter.contracts]]
name = "second: ground"
type = "allowed"
source_modules = ["house.second"]
allowed_modules = ["house.ground"]
"""
    )
    done = subprocess.run(
        [
            Path(sys.executable).with_name("lint-imports"),
            "--config",
            "rules.toml",
            "--no-cache",
            "--no-logo",
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{root}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "1 kept, 1 broken" in done.stdout
    assert "house.second -> house.first (l.3)" in done.stdout
