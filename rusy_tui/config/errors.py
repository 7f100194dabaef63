"""Mistakes in the configuration: all of them at once, each with its place and its remedy."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rusy_tui.domain.errors import ConfigurationError


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a value was written: a file and line, or a variable of the environment."""

    source: str
    line: int | None = None
    variable: str | None = None
    """The variable's name, when a variable said it."""

    def __str__(self) -> str:
        place = self.source if self.line is None else f"{self.source}:{self.line}"
        return place if self.variable is None else f"{place} {self.variable}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """One thing that is wrong, and what to write instead."""

    place: Place
    key: str
    """The key's full path, `data.pairs[0].symbol`; empty for a mistake of the whole file."""

    problem: str
    """What is wrong, following the key in a sentence."""

    remedy: str
    """What to do, as an order."""

    value: str | None = None
    """What was written; None where there is nothing to show, or it must not be shown."""

    def __str__(self) -> str:
        subject = f"{self.key}: " if self.key else ""
        shown = "" if self.value is None else f"{self.value} "
        return f"{self.place}: {subject}{shown}{self.problem}\n    {self.remedy}"


class ConfigurationMistakesError(ConfigurationError):
    """The configuration is wrong; the text lists every mistake, in the order of the file."""

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes: Sequence[Mistake] = tuple(mistakes)
        count = len(self.mistakes)
        head = "1 mistake" if count == 1 else f"{count} mistakes"
        super().__init__("\n".join([f"{head} in the configuration", *map(str, self.mistakes)]))


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that somebody who wrote this one most likely meant."""
    by_folded = {name.casefold().replace("-", "_"): name for name in known}
    folded = word.casefold().replace("-", "_")
    found = difflib.get_close_matches(folded, by_folded, n=1, cutoff=0.6)
    return by_folded[found[0]] if found else None


def shown(value: object) -> str:
    """A value as the operator wrote it, cut to a readable length."""
    text = f"'{value}'" if isinstance(value, str) else str(value)
    if isinstance(value, bool):
        text = text.lower()
    elif value is None:
        text = "nothing"
    return text if len(text) <= 60 else f"{text[:57]}…"
