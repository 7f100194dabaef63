"""Naming symbols to people."""

import difflib
from collections.abc import Iterable


def unknown_symbol(symbol: str, known: Iterable[str]) -> str:
    """What to tell somebody who configured a symbol that is not traded."""
    names = sorted(known)
    near = difflib.get_close_matches(symbol, names, n=1)
    remedy = f"did you mean {near[0]}?" if near else f"traded are: {', '.join(names[:12])}"
    return f"symbol {symbol!r} is not traded on this exchange; {remedy}"
