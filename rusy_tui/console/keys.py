"""Every key of the console, in one table: bindings, footer and help are made from it."""

import enum
from typing import NamedTuple

from textual.binding import Binding, BindingType


class Group(enum.StrEnum):
    """The chapters of the help screen."""

    DECIDE = "Decide on a proposal"
    TRADE = "Trade and protect"
    LOOK = "Look around"
    LEAVE = "Help and leaving"


class When(enum.StrEnum):
    """In which situation a key means this."""

    RUNNING = "running"
    LOST = "no engine"


class KeySpec(NamedTuple):
    """One key: how the table calls it, what is pressed, what it says, what it does.

    ``shown`` is the key as printed. ``footer`` orders the footer, lower numbers stay longest
    on a narrow screen; None leaves it out. ``danger`` colours it as what may cost money.
    ``above_dialogs`` keys work while a dialog is open too.
    """

    id: str
    keys: tuple[str, ...]
    shown: str
    label: str
    help: str
    group: Group
    action: str
    footer: int | None = None
    danger: bool = False
    when: When = When.RUNNING
    above_dialogs: bool = False


KEYS: tuple[KeySpec, ...] = (
    KeySpec(
        "arm",
        ("a",),
        "a",
        "arm",
        "Arm the card: its digit then sends it, other keys disarm",
        Group.DECIDE,
        "arm",
    ),
    KeySpec(
        "reject",
        ("r",),
        "r",
        "reject",
        "Reject the shown proposal",
        Group.DECIDE,
        "reject",
    ),
    KeySpec(
        "card",
        ("p",),
        "p",
        "card",
        "Open or close the card; the demo slows down while it is open",
        Group.DECIDE,
        "toggle_card",
        footer=3,
    ),
    KeySpec(
        "next_card",
        ("right_square_bracket", "down"),
        "] ↓",
        "next",
        "Show the next waiting proposal",
        Group.DECIDE,
        "select_card(1)",
    ),
    KeySpec(
        "previous_card",
        ("left_square_bracket", "up"),
        "[ ↑",
        "previous",
        "Show the previous waiting proposal",
        Group.DECIDE,
        "select_card(-1)",
    ),
    KeySpec(
        "close",
        ("x",),
        "x",
        "close",
        "Close the shown pair's position at the market, after asking",
        Group.TRADE,
        "close_position",
        footer=7,
    ),
    KeySpec(
        "mode",
        ("m",),
        "m",
        "mode",
        "Choose who turns proposals into trades: manual, approve, auto",
        Group.TRADE,
        "choose_mode",
        footer=6,
    ),
    KeySpec(
        "halt",
        ("H",),
        "H",
        "halt",
        "No entries until H again; exits and protection go on",
        Group.TRADE,
        "halt_or_resume",
        footer=1,
        danger=True,
    ),
    KeySpec(
        "flatten",
        ("F",),
        "F",
        "flatten",
        "Close everything and verify, after you typed the word",
        Group.TRADE,
        "flatten",
        footer=2,
        danger=True,
    ),
    KeySpec(
        "symbol",
        ("s",),
        "s",
        "symbol",
        "Show the next pair",
        Group.LOOK,
        "next_symbol",
        footer=4,
    ),
    KeySpec(
        "timeframe",
        ("t",),
        "t",
        "15m/1h",
        "Show the other timeframe",
        Group.LOOK,
        "next_timeframe",
        footer=8,
    ),
    KeySpec(
        "topic",
        ("l",),
        "l",
        "log",
        "Log: one topic after the other, then all again",
        Group.LOOK,
        "next_topic",
        footer=9,
    ),
    KeySpec(
        "filter",
        ("slash",),
        "/",
        "filter",
        "Log: only lines with the words you type",
        Group.LOOK,
        "filter_log",
    ),
    KeySpec(
        "theme",
        ("T",),
        "T",
        "theme",
        "Dark or light colours",
        Group.LOOK,
        "switch_theme",
    ),
    KeySpec(
        "help",
        ("question_mark",),
        "?",
        "help",
        "This list",
        Group.LEAVE,
        "help",
        footer=5,
    ),
    KeySpec(
        "quit",
        ("q",),
        "q",
        "quit",
        "Leave: the engine goes on, or stops, as you choose",
        Group.LEAVE,
        "ask_quit",
        footer=0,
    ),
    KeySpec(
        "interrupt",
        ("ctrl+c", "ctrl+q"),
        "ctrl+c",
        "quit",
        "The same; twice within 2 s leaves at once, the engine goes on",
        Group.LEAVE,
        "interrupt",
        above_dialogs=True,
    ),
    KeySpec(
        "restart",
        ("r",),
        "r",
        "start again",
        "When the engine is gone: start it again",
        Group.LEAVE,
        "restart",
        when=When.LOST,
    ),
)


def spec(key_id: str) -> KeySpec:
    """The key with an id."""
    return next(key for key in KEYS if key.id == key_id)


def bindings(*, above_dialogs: bool = False) -> list[BindingType]:
    """The running console's keys as Textual bindings, those above dialogs or the others."""
    return [
        Binding(
            ",".join(key.keys),
            key.action if key.above_dialogs else f"app.{key.action}",
            key.label,
            key_display=key.shown,
            tooltip=key.help,
            id=key.id,
            priority=key.above_dialogs,
        )
        for key in KEYS
        if key.when is When.RUNNING and key.above_dialogs is above_dialogs
    ]
