"""What can happen to a trade, and what its life then wants done."""

from collections.abc import Callable
from decimal import Decimal

import msgspec

from rusy_tui.domain.instrument import Instrument
from rusy_tui.domain.market import BookTop
from rusy_tui.domain.order import (
    Fill,
    OrderBook,
    OrderIntent,
    OrderReport,
    Outcome,
    Purpose,
)
from rusy_tui.domain.trade import ExitReason


class Begin(msgspec.Struct, frozen=True):
    """The trade starts."""


class Answered(msgspec.Struct, frozen=True):
    """The outcome of sending an order is known, or known to be unresolved."""

    intent: OrderIntent
    outcome: Outcome


class CancelAnswered(msgspec.Struct, frozen=True):
    """The outcome of cancelling an order."""

    client_order_id: str
    outcome: Outcome


class Reported(msgspec.Struct, frozen=True):
    """The exchange described an order, by stream or because it was asked."""

    report: OrderReport


class Absent(msgspec.Struct, frozen=True):
    """The exchange never had an order, or forgot a dead one: query, list and fills agree.

    ``held`` is the position that the exchange then had (base asset, signed), read for an entry:
    where it is not what the trade's fills make, the entry may have opened it, and nothing is
    proven. None where it was not read.
    """

    client_order_id: str
    held: Decimal | None = None


class Filled(msgspec.Struct, frozen=True):
    """An execution, each delivered once."""

    fill: Fill


class ExitAsked(msgspec.Struct, frozen=True):
    """Somebody wants the trade closed now."""

    reason: ExitReason


class FundingPaid(msgspec.Struct, frozen=True):
    """Funding was paid (negative) or received for the trade's position; kept already."""

    amount: Decimal


class Tick(msgspec.Struct, frozen=True):
    """A time that the life asked for has come."""


Message = (
    Begin
    | Answered
    | CancelAnswered
    | Reported
    | Absent
    | Filled
    | ExitAsked
    | FundingPaid
    | Tick
)


class Send(msgspec.Struct, frozen=True):
    """Make the intent durable, then send the order."""

    intent: OrderIntent


class Cancel(msgspec.Struct, frozen=True):
    """Cancel an order; harmless twice."""

    client_order_id: str
    book: OrderBook


class Ask(msgspec.Struct, frozen=True):
    """Ask the exchange for an order, and for fills that may have been missed."""

    client_order_id: str
    book: OrderBook


class WakeIn(msgspec.Struct, frozen=True):
    """Send a Tick after a span of wall time, in seconds."""

    wall_s: float


class WakeAt(msgspec.Struct, frozen=True):
    """Send a Tick at a market time."""

    market_ms: int


class Halt(msgspec.Struct, frozen=True):
    """Close a gate until a person resumes."""

    gate: str
    why: str


class Bar(msgspec.Struct, frozen=True):
    """The exchange refuses what opens in this symbol: no entries there for a while."""

    why: str


class Say(msgspec.Struct, frozen=True):
    """A line for the log; ``tone`` as in the state's log."""

    text: str
    tone: str = "text"


Action = Send | Cancel | Ask | WakeIn | WakeAt | Halt | Bar | Say


# A timer may fire a hair before its time, and a sum of floats may end below it; seconds.
_SLACK_S = 1e-6


class Now(msgspec.Struct, frozen=True):
    """What a life may look at when it decides: times, prices, the contract, new ids.

    ``gate`` names the first closed gate, or says why the contract takes no entries, "" when
    entries may go; ``halted`` says that one of the closed gates waits for a person.
    """

    market_ms: int
    monotonic_s: float
    book: BookTop | None
    instrument: Instrument
    new_id: Callable[[Purpose], str]
    mark: Decimal | None = None
    gate: str = ""
    halted: bool = False

    def reached(self, monotonic_s: float) -> bool:
        """Whether an instant of the monotonic clock has come."""
        return self.monotonic_s >= monotonic_s - _SLACK_S
