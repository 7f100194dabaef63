"""Settings for a command: from a file and the environment, or for the demo from neither."""

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rusy_tui.config import document, environment
from rusy_tui.config.document import Document, Path_
from rusy_tui.config.errors import ConfigurationMistakesError, Mistake, Place
from rusy_tui.config.judge import judge
from rusy_tui.config.shape import Shape
from rusy_tui.domain.settings import Pair, Settings, Venue

DEFAULT_FILE = Path("configuration.yaml")
# Days of the past that a demo fetches beside its start: enough to look back in, and done in a
# minute. What a file says holds.
_DEMO_LOOKBACK_DAYS = 30
_LOOKBACK: Path_ = ("data", "lookback_days")


def load(path: Path = DEFAULT_FILE, environ: Mapping[str, str] | None = None) -> Settings:
    """Settings from a file, with ``.env`` beside it and the environment laid over.

    The file need not be whole: what it leaves out has its default.

    Raises:
        ConfigurationMistakesError: something is wrong; its text lists every mistake.
    """
    return _judge(document.read(path), path.parent, environ)


def default_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Settings where there is no file: defaults, ``.env`` of this folder and the environment.

    Raises:
        ConfigurationMistakesError: something is wrong; its text lists every mistake.
    """
    return _judge(Document(), Path(), environ)


def demo_settings(
    path: Path | None = None, environ: Mapping[str, str] | None = None, **demo: Any
) -> Settings:
    """Settings of `rusy demo`: none but the defaults need be given.

    A file may override them, and keywords override the fields of its `demo` section; a
    keyword that is None was not given on the command line. Whatever the file says, the venue
    is the demo, its addresses and its database are its own, and the pairs are the demo's. A
    lookback that nobody wrote is a short one.

    Raises:
        ConfigurationMistakesError: something is wrong; its text lists every mistake.
    """
    source = Document() if path is None else document.read(path)
    given: dict[Path_, object] = {
        ("demo", name): value for name, value in demo.items() if value is not None
    }
    settings = _judge(source, None if path is None else path.parent, environ, given)
    if _LOOKBACK not in source.places:
        settings = dataclasses.replace(
            settings,
            data=dataclasses.replace(settings.data, lookback_days=_DEMO_LOOKBACK_DAYS),
        )
    return dataclasses.replace(
        settings,
        exchange=dataclasses.replace(
            settings.exchange, venue=Venue.DEMO, rest_url=None, ws_url=None, sapi_url=None
        ),
        database=dataclasses.replace(settings.database, url=None),
        data=dataclasses.replace(
            settings.data, pairs=tuple(Pair(symbol=name) for name in settings.demo.symbols)
        ),
    )


def _judge(
    source: Document,
    folder: Path | None,
    environ: Mapping[str, str] | None,
    given: Mapping[Path_, object] | None = None,
) -> Settings:
    """Lay the environment and then the command line over a document, and hold it to account."""
    shape = Shape()
    env_file = None if folder is None else folder / ".env"
    variables, mistakes = environment.gather(
        os.environ if environ is None else environ, env_file
    )
    source.mistakes.extend(mistakes)
    environment.overlay(source, variables, shape)
    for path, value in (given or {}).items():
        source.put(path, value, Place(source="command line"))
    settings = judge(source, shape)
    if source.mistakes:
        raise ConfigurationMistakesError(sorted(source.mistakes, key=_in_order))
    return settings


def _in_order(mistake: Mistake) -> tuple[str, int]:
    return mistake.place.source, mistake.place.line or 0
