"""Forgetting demos: end what still runs in their folders, then remove the folders."""

import asyncio
import shutil
import signal
from pathlib import Path

from rusy_tui.domain.errors import StorageError
from rusy_tui.launching import simulated

_END_WITHIN_S = 30.0
_LOOK_EVERY_S = 0.02


def forget_demo(folder: Path) -> None:
    """Remove a demo's directory with all its markets; no engine may run there.

    Raises:
        StorageError: it can't be removed, or is no demo's directory.
    """
    if not folder.is_dir():
        return
    strangers = [each.name for each in folder.iterdir() if not _ours(each)]
    if strangers:
        raise StorageError(
            f"{folder}: holds what no demo made ({', '.join(sorted(strangers)[:5])}), so "
            "nothing was removed; name the demo's own directory with --directory"
        )
    for market in folder.iterdir():
        if market.is_dir():
            forget_market(market)
    _remove(folder)


def forget_market(folder: Path) -> None:
    """Remove one market: its simulated exchange and its database.

    Raises:
        StorageError: it can't be removed.
    """
    from rusy_tui.store.postmaster import Postmaster
    from rusy_tui.store.server_user import place, server_user

    asyncio.run(simulated.forget(folder))
    database = folder / "database"
    if database.is_dir():
        home = place(database, server_user())
        living = Postmaster.living(home / "data")
        if living is not None:
            living.stop(signal.SIGINT, _END_WITHIN_S, _LOOK_EVERY_S)
        _remove(home)
    if folder.is_dir():
        _remove(folder)


def _ours(path: Path) -> bool:
    """Whether a demo made it: a log, or a market's folder."""
    if path.name.startswith(("engine.log", "collect.log")):
        return True
    known = ("database", simulated.ADDRESS_FILE, simulated.LOG_FILE)
    return path.is_dir() and any((path / name).exists() for name in known)


def _remove(folder: Path) -> None:
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise StorageError(f"{folder}: can't be removed: {error}") from error
