"""What an operator can tell the engine. Every command has an id and gets one reply.

Repeating an id returns the first reply and does nothing again.
"""

import msgspec

from rusy_tui.domain.modes import Mode


class Approve(msgspec.Struct, frozen=True, tag=True):
    """Turn a proposal into a trade; judged by the engine, on arrival."""

    command_id: str
    proposal_id: int
    revision: str


class Reject(msgspec.Struct, frozen=True, tag=True):
    """Decline a proposal."""

    command_id: str
    proposal_id: int


class SetMode(msgspec.Struct, frozen=True, tag=True):
    """Change the mode; proposals that already pend are not touched."""

    command_id: str
    mode: Mode


class Halt(msgspec.Struct, frozen=True, tag=True):
    """No entries until somebody resumes; exits and protection go on."""

    command_id: str


class Resume(msgspec.Struct, frozen=True, tag=True):
    """Open the gates that wait for a person; the mode stays."""

    command_id: str


class Flatten(msgspec.Struct, frozen=True, tag=True):
    """Close everything, or one symbol, and verify; ends in a halted gate."""

    command_id: str
    symbol: str | None = None


class CloseTrade(msgspec.Struct, frozen=True, tag=True):
    """Close one symbol's position at the market."""

    command_id: str
    symbol: str


class Attend(msgspec.Struct, frozen=True, tag=True):
    """Tells whether this watcher has a card open: the demo slows down for it."""

    command_id: str
    card_open: bool


class StopEngine(msgspec.Struct, frozen=True, tag=True):
    """End the engine; positions stay protected on the exchange, or are flattened first."""

    command_id: str
    flatten: bool = False


Command = (
    Approve | Reject | SetMode | Halt | Resume | Flatten | CloseTrade | Attend | StopEngine
)


class Reply(msgspec.Struct, frozen=True, tag=True):
    """The engine's answer to a command.

    ``answer`` is one word (accepted, already, expired, changed, denied, done, failed,
    unknown); ``message`` says it for a person, with the figures.
    """

    command_id: str
    ok: bool
    answer: str
    message: str
