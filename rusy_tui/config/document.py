"""One source of configuration as a tree of values that remembers where each was written."""

import re
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from rusy_tui.config.errors import Mistake, Place

Path_ = tuple[str | int, ...]
"""The way to a value: keys of mappings and positions in lists."""

Value = object
"""A scalar, a list or a mapping, as YAML has them."""

Tree = dict[str, Value]


def spell(path: Path_) -> str:
    """A way through the tree as the operator reads it: ``data.pairs[0].symbol``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text


@dataclass(slots=True)
class Document:
    """Values, the place of each, and the mistakes met while reading."""

    tree: Tree = field(default_factory=dict)
    places: dict[Path_, Place] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)

    def place(self, path: Path_) -> Place:
        """Where a value, or the nearest group around it, was written."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path, Place(source="defaults"))

    def put(self, path: Path_, value: Value, place: Place) -> None:
        """Write a value over what stands there; only keys of mappings are walked."""
        group = self.tree
        for part in path[:-1]:
            inner = group.get(str(part))
            if not isinstance(inner, dict):
                inner = group[str(part)] = {}
            group = inner
        group[str(path[-1])] = value
        for known in [known for known in self.places if known[: len(path)] == path]:
            del self.places[known]
        self.places[path] = place


# Quoted strings and comments hide what looks like a `//` comment.
_HIDDEN = re.compile(r""""(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|(?:^|(?<=\s))#.*""")
_SLASHES = re.compile(r"(?:^|(?<=\s))//")


def read(path: Path) -> Document:
    """Read a YAML file; whatever is wrong with it becomes a mistake, not an exception."""
    document = Document()
    whole = Place(source=str(path))
    document.places[()] = whole
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        document.mistakes.append(
            Mistake(
                place=whole,
                key="",
                problem="does not exist",
                remedy="Name the file with --config FILE, change to the folder that holds it, "
                "or type `rusy demo`, which needs none.",
            )
        )
        return document
    except UnicodeDecodeError as error:
        document.mistakes.append(
            Mistake(
                place=whole,
                key="",
                problem=f"is not text in UTF-8: byte {error.start} can't be read",
                remedy="Save it as UTF-8.",
            )
        )
        return document
    except OSError as error:
        document.mistakes.append(
            Mistake(
                place=whole,
                key="",
                problem=f"can't be read: {error.strerror}",
                remedy="Name a readable file with --config FILE.",
            )
        )
        return document
    return _parse(document, text, str(path))


def _parse(document: Document, text: str, source: str) -> Document:
    # Slashes are mended before parsing, so that the mistakes behind them are found too.
    text, slashes = _mend_slashes(text)
    loader: yaml.SafeLoader | None = None
    try:
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        if isinstance(root, yaml.MappingNode):
            document.tree = _Reader(document, loader, source).mapping(root, ())
        elif root is not None:
            document.mistakes.append(
                Mistake(
                    place=Place(source=source, line=1),
                    key="",
                    problem="holds no keys",
                    remedy="Write groups of keys, `exchange:` and below it `  venue: demo`.",
                )
            )
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        document.mistakes.append(
            Mistake(
                place=Place(source=source, line=mark.line + 1 if mark else None),
                key="",
                problem=f"is no valid YAML here: {error.problem or error.context}",
                remedy=_syntax_remedy(error.problem or ""),
            )
        )
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        document.mistakes.append(
            Mistake(
                place=Place(source=source, line=line),
                key="",
                problem=f"holds a character that YAML forbids ({error.reason})",
                remedy="Delete that character.",
            )
        )
    finally:
        if loader is not None:
            loader.dispose()
    for line, corrected in slashes:
        place = Place(source=source, line=line)
        on_line = (path for path, known in document.places.items() if known == place)
        document.mistakes.append(
            Mistake(
                place=place,
                # Of an item of a list and its first key, on one line, the key is the longer.
                key=spell(max(on_line, key=len, default=())),
                problem="`//` starts no comment in YAML; it becomes part of the value",
                remedy=f"Use #: {corrected}",
            )
        )
    return document


def _syntax_remedy(problem: str) -> str:
    if r"'\t'" in problem:
        return "Indent with spaces; YAML refuses tabs."
    return "Check the indentation, the colon and the quotes of this line and the one above."


def _mend_slashes(text: str) -> tuple[str, list[tuple[int, str]]]:
    """The text with `//` comments made right, and the number and new text of such lines."""
    mended: list[str] = []
    found: list[tuple[int, str]] = []
    for number, line in enumerate(text.splitlines(keepends=True), start=1):
        # Hidden parts keep their length, so that positions in the line stay true.
        bare = _HIDDEN.sub(lambda hidden: "x" * len(hidden[0]), line)
        if slashes := _SLASHES.search(bare):
            before, comment = line[: slashes.start()], line[slashes.end() :]
            found.append((number, f"{before}# {comment.strip()}".strip()))
            mended.append(f"{before}# {comment}")
        else:
            mended.append(line)
    return "".join(mended), found


class _Reader:
    """Turns YAML nodes into plain values, noting places and doubled keys."""

    def __init__(self, document: Document, loader: yaml.SafeLoader, source: str) -> None:
        self._document = document
        self._loader = loader
        self._source = source
        self._open: set[int] = set()

    def mapping(self, node: yaml.MappingNode, path: Path_) -> Tree:
        tree: Tree = {}
        first_lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else "?"
            line = key_node.start_mark.line + 1
            here = (*path, key)
            if key in first_lines:
                self._document.mistakes.append(
                    Mistake(
                        place=Place(source=self._source, line=line),
                        key=spell(here),
                        problem=f"is written twice, first in line {first_lines[key]}",
                        remedy="Keep one of the two.",
                    )
                )
                continue
            first_lines[key] = line
            self._document.places[here] = Place(source=self._source, line=line)
            tree[key] = self._value(value_node, here)
        return tree

    def _value(self, node: yaml.Node, path: Path_) -> Value:
        if id(node) in self._open:
            raise yaml.MarkedYAMLError(
                problem="an alias contains itself", problem_mark=node.start_mark
            )
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self.mapping(node, path)
            if isinstance(node, yaml.SequenceNode):
                return [self._item(item, path, at) for at, item in enumerate(node.value)]
            return self._scalar(node)
        finally:
            self._open.discard(id(node))

    def _item(self, node: yaml.Node, path: Path_, at: int) -> Value:
        here = (*path, at)
        line = node.start_mark.line + 1
        self._document.places[here] = Place(source=self._source, line=line)
        return self._value(node, here)

    def _scalar(self, node: yaml.Node) -> Value:
        try:
            return self._loader.construct_object(node)
        except ValueError as error:
            # A date like 2024-02-30 looks like one and is none.
            raise yaml.MarkedYAMLError(
                problem=f"{node.value} is impossible: {error}", problem_mark=node.start_mark
            ) from error
