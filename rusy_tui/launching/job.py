"""What an engine process is asked to run, as one value that can be handed to it."""

import dataclasses
import hashlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from rusy_tui.domain.errors import ConfigurationError, UsageError
from rusy_tui.domain.settings import DataSource, Venue
from rusy_tui.launching import places

if TYPE_CHECKING:
    from rusy_tui.config import Secrets
    from rusy_tui.domain.settings import Settings

_RECORDING = re.compile(r"(?P<symbol>[A-Za-z0-9]+)-(?P<interval>\d+[mh])(?:-.*)?$")


class Replay(msgspec.Struct, frozen=True, kw_only=True):
    """A recorded market: what `rusy demo --replay` was given. Times in ms, UTC."""

    file: str
    from_ms: int | None = None
    until_ms: int | None = None
    funding: str | None = None
    interval: str | None = None


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One engine to run.

    ``demo`` is `rusy demo`; otherwise the configuration says everything. ``speed`` is None for
    the configured one and 0 for lockstep. ``fresh`` forgets the demo's former account.
    """

    demo: bool
    directory: str | None = None
    config: str | None = None
    mode: str | None = None
    seed: int | None = None
    speed: float | None = None
    symbols: tuple[str, ...] = ()
    replay: Replay | None = None
    fresh: bool = False

    @property
    def folder(self) -> Path:
        """Where this job's simulated exchange, database and log are."""
        if self.demo:
            return places.demo_folder(Path(self.directory) if self.directory else None)
        return Path(self.directory).absolute() if self.directory else places.home() / "engine"

    def database_folder(self, settings: "Settings") -> Path:
        """Where the embedded database is; a demo's own is with the demo."""
        if not self.demo and settings.database.directory:
            return Path(settings.database.directory).expanduser().absolute()
        return self.market_folder(settings) / "database"

    def market_folder(self, settings: "Settings") -> Path:
        """Where one market's exchange and database are: another market is another folder.

        The candles of two markets must not meet in one database.
        """
        if not settings.exchange.venue.simulated:
            return self.folder / settings.exchange.venue.value
        demo = settings.demo
        if settings.exchange.venue is Venue.PAPER:
            exchange = settings.exchange
            what_paper = (
                settings.data.symbols,
                str(demo.balance),
                exchange.rest_url,
                exchange.ws_url,
            )
            return self.folder / f"paper-{_digest(what_paper)}"
        what = (demo.seed, demo.start_ms, demo.symbols, str(demo.balance), self.replay)
        name = f"seed-{demo.seed}" if self.replay is None else Path(self.replay.file).stem
        return self.folder / f"{name}-{_digest(what)}"

    def settings(self) -> "Settings":
        """The configuration of this job, judged.

        Raises:
            ConfigurationError: every mistake in it.
            UsageError: an unknown symbol, or options that the configuration excludes.
        """
        from rusy_tui import config

        if not self.demo:
            return _configured(Path(self.config or "configuration.yaml"))
        given: dict[str, Any] = {"seed": self.seed, "speed": self.speed or None}
        if symbols := self._symbols():
            given["symbols"] = list(symbols)
        path = Path(self.config) if self.config else None
        settings = config.demo_settings(path, **given)
        if self.replay is None:
            _known_symbols(settings.demo.symbols)
        self._refuse_nonsense(settings)
        return self._with_mode(settings)

    def _refuse_nonsense(self, settings: "Settings") -> None:
        """What can't be had from a database that another program fills.

        Raises:
            UsageError: naming the option, the key and the remedy.
        """
        if settings.data.source is not DataSource.DATABASE:
            return
        for given, name in ((self.replay, "--replay"), (self.fresh, "--fresh")):
            if given:
                why = (
                    "nobody collects a recording"
                    if name == "--replay"
                    else "the collector's database would be removed under it"
                )
                raise UsageError(
                    f"{name} and data.source: database exclude each other: {why}. Leave the "
                    "option out, or set data.source: exchange (RUSY_DATA__SOURCE=exchange)"
                )

    def secrets(self) -> "Secrets":
        """The API key and what signs with it, from the environment or ``.env``.

        Raises:
            ConfigurationError: they are not set.
        """
        from rusy_tui import config

        folder = Path(self.config or "configuration.yaml").parent
        found = config.load_secrets(os.environ, folder)
        if not found.complete:
            raise ConfigurationError(
                "no API key: set RUSY_API_KEY and RUSY_API_SECRET (or RUSY_API_PRIVATE_KEY) in "
                f"the environment, or in {folder.absolute() / '.env'} (mode 600)"
            )
        return found

    def api_key(self) -> str:
        """The API key, which names the account.

        Raises:
            ConfigurationError: as :meth:`secrets`.
        """
        key = self.secrets().api_key
        assert key is not None, "secrets() has just said that it is there"
        return key.get_secret_value()

    def _symbols(self) -> tuple[str, ...]:
        symbols = tuple(symbol.upper() for symbol in self.symbols)
        if self.replay is None:
            return symbols
        if symbols:
            return symbols[:1]
        named = _RECORDING.match(Path(self.replay.file).stem)
        if named is None:
            raise UsageError(
                f"--replay {self.replay.file}: the name does not tell the symbol, as in "
                "BTCUSDT-15m.parquet; say it with --symbol and --interval"
            )
        return (named["symbol"].upper(),)

    def _with_mode(self, settings: "Settings") -> "Settings":
        from rusy_tui.domain.modes import Mode

        if self.mode is None:
            return settings
        desk = dataclasses.replace(settings.desk, mode=Mode(self.mode))
        return dataclasses.replace(settings, desk=desk)


def _digest(what: object) -> str:
    return hashlib.sha256(msgspec.json.encode(what)).hexdigest()[:8]


def _configured(path: Path) -> "Settings":
    from rusy_tui import config

    if not path.is_file():
        raise ConfigurationError(
            f"{path.absolute()}: there is no configuration; write one (the clone's "
            "configuration.yaml is a good start), name another with --config, or try "
            "`rusy demo`, which needs none"
        )
    return config.load(path)


def _known_symbols(symbols: tuple[str, ...]) -> None:
    """Refuse a symbol that the simulated exchange does not list."""
    from rusy_tui.config import nearest
    from rusy_tui.simulator.feeds.contracts import known_symbols

    known = known_symbols()
    for symbol in symbols:
        if symbol not in known:
            meant = nearest(symbol, known)
            hint = f"did you mean {meant}? " if meant else ""
            raise UsageError(
                f"{symbol}: the simulated exchange has no such contract; {hint}"
                f"It lists {', '.join(known)}"
            )
