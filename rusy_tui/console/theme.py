"""Colours by meaning: tokens, a dark and a light palette, and how inks become styles.

One colour has one meaning: *up* gain and long, *down* loss and short and danger, *ask* what
waits for the operator, *info* neutral news. Every word that a colour stresses also says it.
"""

import functools
from dataclasses import dataclass, fields

from rich.style import Style
from textual.theme import Theme

DARK = "rusy-dark"
LIGHT = "rusy-light"


@dataclass(frozen=True, slots=True, kw_only=True)
class Palette:
    """A colour for each token; lifted until words have a contrast of 4.5:1."""

    ground: str
    raised: str
    text: str
    bright: str
    dim: str
    rule: str
    up: str
    down: str
    ask: str
    info: str
    volume_up: str
    volume_down: str
    on_venue: str
    demo: str
    paper: str
    testnet: str
    live: str
    none: str


PALETTES = {
    DARK: Palette(
        ground="#10151b",
        raised="#171e26",
        text="#c9d1da",
        bright="#f2f5f8",
        dim="#7f8c9b",
        rule="#2c3540",
        up="#43b88f",
        down="#ef7469",
        ask="#e6b450",
        info="#6fb3f2",
        volume_up="#2f7460",
        volume_down="#8d4640",
        on_venue="#ffffff",
        demo="#6b4fa0",
        paper="#1f66b0",
        testnet="#8f5c00",
        live="#c62828",
        none="#4a5563",
    ),
    LIGHT: Palette(
        ground="#f8f9fb",
        raised="#e8edf2",
        text="#2b3540",
        bright="#07090c",
        dim="#596673",
        rule="#c3ccd6",
        up="#0a6849",
        down="#b3261e",
        ask="#7d5200",
        info="#0b58a5",
        volume_up="#5fae95",
        volume_down="#d98d86",
        on_venue="#ffffff",
        demo="#6b4fa0",
        paper="#1f66b0",
        testnet="#8f5c00",
        live="#c62828",
        none="#4a5563",
    ),
}
TOKENS = tuple(item.name for item in fields(Palette))
# Lines, bars and candles' volume are drawings: they are never the only sign of anything.
DRAWING_TOKENS = frozenset({"rule", "volume_up", "volume_down"})


def textual_theme(name: str) -> Theme:
    """The palette as a Textual theme, so that dialogs' CSS reads the same tokens."""
    palette = PALETTES[name]
    return Theme(
        name=name,
        primary=palette.info,
        secondary=palette.dim,
        warning=palette.ask,
        error=palette.down,
        success=palette.up,
        accent=palette.ask,
        foreground=palette.text,
        background=palette.ground,
        surface=palette.raised,
        panel=palette.raised,
        dark=name == DARK,
        variables={
            f"rusy-{token.replace('_', '-')}": getattr(palette, token) for token in TOKENS
        },
    )


class Ink:
    """An ink, taken apart: which token writes, on which ground, and whether in bold."""

    __slots__ = ("bold", "colour", "ground")

    def __init__(self, words: str) -> None:
        self.bold = False
        self.colour = "text"
        self.ground: str | None = None
        parts = iter(words.split())
        for word in parts:
            if word == "bold":
                self.bold = True
            elif word == "on":
                self.ground = _token(next(parts, ""), words)
            else:
                self.colour = _token(word, words)


def _token(word: str, words: str) -> str:
    if word not in TOKENS:
        raise ValueError(f"ink {words!r}: {word!r} is no colour token")
    return word


class Inks:
    """Turns inks into the styles of one palette; each pair is worked out once."""

    def __init__(self, palette: Palette) -> None:
        self.palette = palette
        self._styles: dict[tuple[str, str], Style] = {}

    def style(self, ink: str, ground: str) -> Style:
        """The style of an ink on a panel's ground."""
        key = (ink, ground)
        style = self._styles.get(key)
        if style is None:
            parsed = Ink(ink)
            style = Style(
                color=getattr(self.palette, parsed.colour),
                bgcolor=getattr(self.palette, parsed.ground or ground),
                bold=parsed.bold or None,
            )
            self._styles[key] = style
        return style


@functools.cache
def inks_of(theme: str) -> Inks:
    """The inks of a theme by its name; the dark ones for a theme that is not ours."""
    return Inks(PALETTES.get(theme, PALETTES[DARK]))


def contrast(one: str, other: str) -> float:
    """The contrast of two colours by WCAG 2: 1 to 21."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    channels = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    red, green, blue = (
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in channels
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
