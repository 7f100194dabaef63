"""The end of a ban, kept in a small file, so that a restart obeys it too.

The exchange bans an address for 2 minutes to 3 days; who asks on meanwhile is banned longer.
The file holds wall time, because nothing else goes on while no process runs.
"""

import logging
from pathlib import Path

import msgspec

from rusy_tui.domain.clock import Clock

_log = logging.getLogger(__name__)

# The longest ban that the exchange gives.
_LONGEST_S = 3 * 86_400.0


class _Ban(msgspec.Struct):
    until_ms: int
    why: str


class BanFile:
    """Remembers until when nothing may be sent to one address.

    Args:
        path: the file; its folder is made when there is something to keep. None: keep nothing.
        clock: wall time.
        if_damaged_s: how long to send nothing when the file can't be read. That is the safe
            side: an error would keep an operator from closing positions until he has found
            and deleted a file that he does not know of.
    """

    def __init__(self, path: Path | None, clock: Clock, if_damaged_s: float) -> None:
        self._path = path
        self._clock = clock
        self._if_damaged_s = if_damaged_s

    def keep(self, for_s: float, why: str) -> None:
        """Keep the end of a ban; an earlier one than is kept already changes nothing.

        A file that can't be written is logged, not raised: the ban holds in this process.
        """
        if self._path is None:
            return
        ban = _Ban(self._clock.wall_ms() + round(for_s * 1000), why)
        draft = self._path.with_suffix(".new")
        try:
            kept = self._read(self._path)
            if kept is not None and kept.until_ms >= ban.until_ms:
                return
        except (OSError, msgspec.MsgspecError):
            pass  # what is known now replaces what can't be read
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            draft.write_bytes(msgspec.json.encode(ban))
            draft.replace(self._path)
        except OSError as error:
            _log.error(
                "%s: the end of the exchange's ban can't be kept (%s); do not start again "
                "within %.0f s",
                self._path,
                error.strerror,
                for_s,
            )

    def left(self) -> tuple[float, str]:
        """Wall seconds in which nothing may be sent, 0 without a ban; the exchange's words."""
        if self._path is None:
            return 0.0, ""
        try:
            ban = self._read(self._path)
        except (OSError, msgspec.MsgspecError) as error:
            _log.warning(
                "%s can't be read (%s); it may hold a ban of the exchange, so nothing is sent "
                "for %.0f s. Delete it if you know of none",
                self._path,
                error,
                self._if_damaged_s,
            )
            return self._if_damaged_s, "its words are not known"
        if ban is None:
            return 0.0, ""
        left_s = (ban.until_ms - self._clock.wall_ms()) / 1000
        # More than the exchange ever bans for: one of the clocks was wrong.
        return min(max(left_s, 0.0), _LONGEST_S), ban.why

    @staticmethod
    def _read(path: Path) -> _Ban | None:
        try:
            return msgspec.json.decode(path.read_bytes(), type=_Ban)
        except FileNotFoundError:
            return None
