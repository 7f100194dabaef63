"""Where Rusy keeps things on this machine.

Everything lies below one folder, :func:`home`, also locks and sockets: a runtime directory of
the system would go when its user logs out, and an engine stays.
"""

import hashlib
import os
import sys
import tempfile
from pathlib import Path

from rusy_tui.link.paths import LONGEST_PATH

HOME_VARIABLE = "RUSY_HOME"


def home() -> Path:
    """The data directory: ``RUSY_HOME``, else the platform's place for a user's data."""
    if given := os.environ.get(HOME_VARIABLE):
        return Path(given).expanduser().absolute()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "rusy"
    data = os.environ.get("XDG_DATA_HOME", "")
    base = Path(data) if Path(data).is_absolute() else Path.home() / ".local" / "share"
    return base / "rusy"


def run_folder() -> Path:
    """Where engines keep their locks and sockets; private to the user."""
    return home() / "run"


def demo_folder(given: Path | None) -> Path:
    """The demo's own data: simulated exchange, database, log."""
    return (given or home() / "demo").expanduser().absolute()


def account_of_folder(venue: str, folder: Path) -> str:
    """A name for the simulated account that lives in a folder; the same for each path to it."""
    return f"{venue}-{_short_hash(str(folder.resolve()))}"


def account_of_key(venue: str, api_key: str) -> str:
    """A name for the account that a key opens, from which the key can't be told."""
    return f"{venue}-{_short_hash(api_key)}"


def ban_file(rest_url: str) -> Path:
    """Where the end of a ban by one address of an exchange is kept."""
    return run_folder() / f"ban-{_short_hash(rest_url)}.json"


def socket_path(account: str) -> Path:
    """Where an account's engine listens, unless the configuration names another path."""
    beside_lock = run_folder() / f"{account}.sock"
    if len(os.fsencode(beside_lock)) <= LONGEST_PATH:
        return beside_lock
    # Two homes may hold accounts of equal names: the folder's name tells them apart.
    folder = f"rusy-{os.getuid()}-{_short_hash(str(run_folder()))}"
    return Path(tempfile.gettempdir()) / folder / f"{account}.sock"


def _short_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def make_private(folder: Path) -> None:
    """Make a folder, and those above it that are missing, for its user alone.

    ``mkdir(parents=True)`` would give the ones above the machine's default mode.

    Raises:
        OSError: it can't be made.
    """
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(mode=0o700, exist_ok=True)
