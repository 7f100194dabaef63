"""Holds a document against the settings' types, constraints and rules, to the last mistake."""

import math
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from rusy_tui.config.document import Document, Path_, spell
from rusy_tui.config.errors import Mistake, nearest, shown
from rusy_tui.config.rules import broken_rules
from rusy_tui.config.schema import adapter
from rusy_tui.config.shape import Key, Shape
from rusy_tui.domain.settings import Settings

_SECRET_WORDS = ("secret", "api_key", "apikey", "password", "passphrase", "token")

# The validator's words, and ours.
_WORDS = (
    ("Input should be ", "must be "),
    ("Tuple should have at least 1 item after validation, not 0", "must not be empty"),
    ("String should have at least 1 character", "must not be empty"),
    ("Field required", "is missing"),
    ("a valid tuple", "a list"),
    ("a valid integer, unable to parse string as an integer", "a whole number"),
    ("a valid integer, got a number with a fractional part", "a whole number"),
    ("a valid number, unable to parse string as a number", "a number"),
    ("a valid integer", "a whole number"),
    ("a valid decimal", "a number"),
    ("a valid number", "a number"),
    ("a valid string", "text in quotes"),
    ("a valid datetime", "a date and time"),
    ("a valid boolean", "true or false"),
    ("a dictionary or an instance of", "a group of keys, as for"),
)


def judge(document: Document, shape: Shape) -> Settings:
    """Settings from a document; what is wrong is added to its mistakes.

    The result is of use only when the document has no mistakes.
    """
    return _Judge(document, shape).settings()


class _Judge:
    """One reading. A wrong value is reported and stood in for, so that all others are seen."""

    def __init__(self, document: Document, shape: Shape) -> None:
        self._document = document
        self._shape = shape
        self._wrong: set[Path_] = set()
        """The ways to values that were wrong, and to keys that were misspelt."""

    def settings(self) -> Settings:
        tree = self._known(self._document.tree, self._shape.root, ())
        while True:
            try:
                settings = adapter().validate_python(tree)
                break
            except ValidationError as error:
                for detail in sorted(
                    error.errors(include_url=False), key=lambda found: -len(found["loc"])
                ):
                    if detail["type"] == "missing" or not self._holds_wrong(detail["loc"]):
                        self._report_invalid(detail)
                        _stand_in(tree, detail["loc"])
        for path, mistake in broken_rules(settings, self._document):
            # A rule about something that holds a stand-in says nothing of what was written.
            if not any(path[: len(wrong) - 1] == wrong[:-1] for wrong in self._in_lists()):
                self._document.mistakes.append(mistake)
        return settings

    def _holds_wrong(self, path: Path_) -> bool:
        # A list is also called too short when it is its items that are wrong.
        return any(wrong[: len(path)] == path for wrong in self._wrong)

    def _in_lists(self) -> list[Path_]:
        return [path for path in self._wrong if any(isinstance(part, int) for part in path)]

    def _report(
        self, path: Path_, problem: str, remedy: str, value: object = None, *, show: bool = True
    ) -> None:
        self._wrong.add(path)
        self._document.mistakes.append(
            Mistake(
                place=self._document.place(path),
                key=spell(path),
                value=shown(value) if show else None,
                problem=problem,
                remedy=remedy,
            )
        )

    # --- keys ----------------------------------------------------------------------------

    def _known(self, values: Mapping[str, object], group: type, path: Path_) -> dict[str, Any]:
        """The values whose keys exist and whose kind can be right."""
        keys = self._shape.keys(group)
        kept: dict[str, Any] = {}
        for name, value in values.items():
            here = (*path, name)
            key = keys.get(name)
            if key is None:
                self._report_unknown(here, value, keys)
            elif key.group is not None and key.plain is not tuple:
                if isinstance(value, dict):
                    kept[name] = self._known(value, key.group, here)
                elif value is not None:  # a group whose keys are all commented out is empty
                    inner = next(iter(self._shape.keys(key.group)))
                    self._report(
                        here,
                        "stands where a group of keys belongs",
                        f"Write {name}: and below it, indented, {inner}: …",
                        value,
                    )
            elif key.group is not None and isinstance(value, list):
                kept[name] = [
                    self._known(item, key.group, (*here, at))
                    if isinstance(item, dict)
                    else item
                    for at, item in enumerate(value)
                ]
            elif (problem := _misfit(value, key)) is not None:
                self._report(here, problem, _remedy(here), value, show=value is not None)
            else:
                kept[name] = value
        return kept

    def _report_unknown(self, path: Path_, value: object, keys: Mapping[str, Key]) -> None:
        name = str(path[-1])
        if any(word in name.casefold().replace("-", "_") for word in _SECRET_WORDS):
            self._report(
                path,
                "is a secret, and secrets have no place in this file",
                "Delete it here; put RUSY_API_KEY and RUSY_API_SECRET into the environment or "
                ".env. If others could read the file, make a new key on the exchange.",
                show=False,
            )
            return
        if likely := nearest(name, keys):
            meant = (*path[:-1], likely)
            self._wrong.add(meant)
            remedy = f"Did you mean {spell(meant)}?"
        elif homes := [spell(way) for way in self._shape.scalar_paths() if way[-1] == name]:
            remedy = f"It belongs elsewhere: {' or '.join(homes)}."
        else:
            remedy = f"Known here: {', '.join(keys)}."
        if isinstance(value, dict | list) or value is None:
            self._report(path, "is no known key", remedy, show=False)
        else:
            self._report(path, "stands under a key that is not known", remedy, value)

    # --- values --------------------------------------------------------------------------

    def _report_invalid(self, detail: ErrorDetails) -> None:
        path: Path_ = detail["loc"]
        if detail["type"] == "missing":
            if path not in self._wrong:  # else it is there, misspelt
                self._report(
                    path, "is missing", f"Add {path[-1]}: {_example(path)}", show=False
                )
            return
        problem = detail["msg"]
        for theirs, ours in _WORDS:
            problem = problem.replace(theirs, ours)
        remedy = _remedy(path)
        if detail["type"] == "enum":
            expected = detail["ctx"]["expected"].replace(" or ", ", ").replace("'", "")
            if likely := nearest(str(detail["input"]), expected.split(", ")):
                remedy = f"Did you mean {likely}?"
        self._report(path, problem, remedy, detail["input"])


def _misfit(value: object, key: Key) -> str | None:
    """What the validator would let pass: empty values, yes for a number, infinity."""
    if value is None and not key.optional:
        return "is left empty"
    if isinstance(value, bool) and key.plain is not bool:
        return "is a yes or no, and something else belongs here"
    if isinstance(value, float) and not math.isfinite(value):
        return "is no finite number"
    return None


def _example(path: Path_) -> object:
    """What stands at the end of a way in the defaults; of a list, in its first item."""
    example: object = Settings()
    for part in path:
        if isinstance(part, int):
            example = example[0] if isinstance(example, tuple) and example else None
        else:
            example = getattr(example, part, None)
    return example


def _remedy(path: Path_) -> str:
    """What to write, by the example of the default."""
    example = _example(path)
    if example is None:
        return (
            f"Correct {spell(path)}, or delete it; docs/configuration.md says what it may be."
        )
    if isinstance(example, tuple) or hasattr(example, "__dataclass_fields__"):
        return f"Correct {spell(path)}; configuration.yaml as shipped shows how it is written."
    if isinstance(example, bool):
        example = str(example).lower()
    if isinstance(path[-1], int):
        return f"Write - {example}, or another value that fits."
    return f"Write {path[-1]}: {example} (the default), or another value that fits."


def _stand_in(tree: dict[str, Any], path: Path_) -> None:
    """Replace a value by its default, or by the example where a value must be given."""
    owner: Any = tree
    for part in path[:-1]:
        owner = owner[part]
    last = path[-1]
    if isinstance(owner, dict) and last in owner:
        # Without the key the default holds; where there is none, it is reported missing and
        # comes here a second time.
        del owner[last]
    elif isinstance(owner, dict) and len(path) > 1:
        at = next((part for part in reversed(path) if isinstance(part, int)), 0)
        example = _example(path)
        # A name of its own for each, so that stand-ins are not doubles of one another.
        owner[last] = f"{example}?{at}".upper() if type(example) is str else example
    elif isinstance(owner, list) and isinstance(last, int):
        owner[last] = _example(path)
