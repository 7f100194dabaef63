"""TimescaleDB for tests: compiled to WebAssembly, fetched by npm, kept inside the checkout."""

import functools
import shutil
import subprocess
from pathlib import Path

_HERE = Path(__file__).parent
_PARTS = ("package.json", "package-lock.json", "server.mjs")
FOLDER = _HERE.parent.parent / ".cache" / "timescaledb"
_LIMIT_S = 300


@functools.cache
def missing() -> str | None:
    """Fetch it unless it is there; why it can't be had, or None."""
    for program in ("node", "npm"):
        if not shutil.which(program):
            return f"{program} is not installed; apt-get install nodejs npm"
    FOLDER.mkdir(parents=True, exist_ok=True)
    lock = (_HERE / "package-lock.json").read_bytes()
    stamp = FOLDER / "installed"
    for name in _PARTS:
        shutil.copyfile(_HERE / name, FOLDER / name)
    if stamp.is_file() and stamp.read_bytes() == lock:
        return None
    fetched = subprocess.run(
        ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=0"],
        cwd=FOLDER,
        capture_output=True,
        text=True,
        timeout=_LIMIT_S,
    )
    if fetched.returncode:
        said = fetched.stderr.strip().splitlines() or ["it says nothing"]
        return f"npm can't fetch it: {said[0]}"
    stamp.write_bytes(lock)
    return None
