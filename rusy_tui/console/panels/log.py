"""The log, newest line first."""

from rusy_tui.console import format as fmt
from rusy_tui.console.text import Line, Span, fit, heading
from rusy_tui.console.view import View
from rusy_tui.domain.state import LogLine

_TONES = frozenset({"text", "up", "down", "ask", "info"})


def log_lines(view: View, width: int, height: int, *, title: bool = True) -> list[Line]:
    """As many of the newest lines as fit."""
    lines: list[Line] = []
    chosen = view.log_filter
    if title:
        parts = [part for part in (chosen.topic, chosen.words and f"“{chosen.words}”") if part]
        note = Span(f"only {' '.join(parts)}", "ask") if parts else Span("/ filter", "dim")
        lines.append(heading("LOG", (*_history(view), note), width))
    log = view.state.log if view.state else ()
    found = [line for line in reversed(log) if chosen.lets_through(line)]
    room = max(0, height - len(lines))
    lines.extend(_line(line, width) for line in found[:room])
    if not found and title:
        lines.append((Span(" nothing yet", "dim"),))
    return lines


def _history(view: View) -> Line:
    """How far the history that is being fetched is: no news, so it stands in the rule."""
    history = view.state.history if view.state else None
    if history is None or not view.state or view.state.phase != "running":
        return ()
    share = fmt.percent(history.share, 0).rjust(5)
    known = history.seconds_left
    left = f", {fmt.age(known)} left" if known is not None else ""
    # As wide with every figure, so that nothing moves sideways.
    return (Span(f"history {share}{left:<13}   ", "dim"),)


def _line(line: LogLine, width: int) -> Line:
    tone = line.tone if line.tone in _TONES else "text"
    text = line.text.replace("\n", " ")
    return fit(
        (
            Span(f" {fmt.clock(line.at_ms)}  ", "dim"),
            Span(f"{line.topic:<6} ", tone),
            Span(text, tone),
        ),
        width,
    )
