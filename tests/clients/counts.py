"""What the independent clients have done in this session, noted as they did it."""

from typing import Any

endpoints: set[str] = set()
"""Methods of the SDK's REST client whose answer was parsed and walked."""

streams: set[str] = set()
"""Methods of the SDK's stream client, and names of account events, heard and walked."""

errors: set[int | str] = set()
"""Numbers of errors that were received; a text for an answer without one."""

told: list[str] = []
"""What is written at the end of the session."""

_parsed: dict[int, tuple[str, Any]] = {}


def parsed(method: str, answer: Any) -> None:
    """A method's answer was parsed; kept, so that its identity stays its own."""
    for each in _with_rows(answer):
        _parsed[id(each)] = (method, each)


def walked(answer: Any) -> None:
    """An answer, or rows of one, was walked to its end, and nothing was wrong."""
    for each in _with_rows(answer):
        if id(each) in _parsed:
            endpoints.add(_parsed[id(each)][0])


def _with_rows(answer: Any) -> list[Any]:
    return [answer, *(answer if isinstance(answer, list) else ())]
