"""What can be made to go wrong, where, when and how often."""

import enum
from collections.abc import Mapping
from typing import Any

import msgspec

from rusy_tui.domain.errors import UsageError
from rusy_tui.simulator.faults.changes import changes_of


class Kind(enum.StrEnum):
    """Every kind of fault."""

    # Replies of the REST interface.
    REPLY_LOST_AFTER = "reply_lost_after"
    """Carried out; then the connection is cut or, with ``hang``, never answered."""
    REPLY_LOST_BEFORE = "reply_lost_before"
    """Cut, or with ``hang`` never answered; nothing was carried out."""
    REQUEST_DELAYED = "request_delayed"
    """The request reaches the exchange ``delay_s`` later, and is judged then."""
    REPLY_DELAYED = "reply_delayed"
    """Carried out in time, answered ``delay_s`` later."""
    STATUS_UNKNOWN = "status_unknown"
    """503 "Unknown error": carried out or not, by the seed. With one of the numbers that
    mean the same (−1000, −1001, −1006, −1007) as ``code`` it is answered under that number."""
    UNAVAILABLE = "unavailable"
    """503 "Service Unavailable": not carried out."""
    TOO_MANY_REQUESTS = "too_many_requests"
    """429 for ``retry_after_s``; whoever goes on asking is banned."""
    BANNED = "banned"
    """418 for ``retry_after_s``, whatever is asked."""
    CLOCK_DRIFT = "clock_drift"
    """The exchange's clock is ``offset_ms`` ahead; with ``checks_only`` /time hides it."""
    OVERLOADED = "overloaded"
    """−1008 for whatever opens; reduce-only and close-position orders pass."""
    STOP_REFUSED = "stop_refused"
    """A conditional order is refused with ``code``."""
    BROKEN_REPLY = "broken_reply"
    """Carried out; the answer (HTTP 200) is ``damage``d."""

    # Streams.
    EVENT_DELAYED = "event_delayed"
    """Late by ``delay_s``, and with it what follows of its own kind."""
    EVENT_TWICE = "event_twice"
    EVENTS_REORDERED = "events_reordered"
    """Overtaken for up to ``delay_s``; with ``within_kind`` by its own kind too."""
    CLOSE_MISSING = "close_missing"
    """The message that ends a candle never comes."""
    CLOSE_LATE = "close_late"
    """It comes ``delay_s`` late, after the next candle has begun."""
    CLOSE_TWICE = "close_twice"
    STREAM_CUT = "stream_cut"
    """Open connections are cut without a farewell."""
    STREAM_HALF_OPEN = "stream_half_open"
    """Connections, open ones and new ones, accept and are silent; at its end they are cut."""
    STREAM_SLOW = "stream_slow"
    """``delay_s`` between any two messages of a connection."""
    CONNECTION_REFUSED = "connection_refused"
    """Stream connections are cut while they are being made."""
    LISTEN_KEY_EXPIRED = "listen_key_expired"
    """The account's listen key ends, and its connections are told."""
    LISTEN_KEY_LOST = "listen_key_lost"
    """It ends, and nobody is told."""
    BROKEN_MESSAGE = "broken_message"
    """A message is ``damage``d."""

    # Accounts and the market.
    TRIGGERS_HELD = "triggers_held"
    """Triggered conditional orders stay in TRIGGERING until the end."""
    STOP_EXPIRED = "stop_expired"
    """Conditional orders are ended by the exchange ``delay_s`` after they came to rest."""
    PRICE_GAP = "price_gap"
    """All prices are ``factor`` times what they were, at once and for good."""
    FILLS_LIMITED = "fills_limited"
    """A resting order is filled to a ``fraction`` of what is left, then nothing more."""
    INSTRUMENT_CHANGED = "instrument_changed"
    """The contract is as ``change`` says from now on."""
    OPENINGS_BARRED = "openings_barred"
    """What opens is refused with ``code``; reduce-only passes."""
    THIN_BOOK = "thin_book"
    """Market orders are refused with −4131."""
    LIQUIDATED = "liquidated"
    """The account's position is liquidated, as soon as there is one."""
    DELEVERAGED = "deleveraged"
    """A ``fraction`` of the account's position is closed by ADL, as soon as there is one."""
    SETTLED = "settled"
    """The contract is settled, as on its delisting."""


class Damage(enum.StrEnum):
    """How a text is broken."""

    TRUNCATED = "truncated"
    HTML = "html"
    TYPES = "types"


_REST_PLACES = frozenset({"path", "method", "symbol", "account"})
_STREAM_PLACES = frozenset({"route", "stream", "event", "symbol", "account"})
_CONNECTION_PLACES = frozenset({"route", "account"})

UNKNOWN_CODES = (-1000, -1001, -1006, -1007)
"""The exchange's numbers for an execution whose outcome is not known."""

REST_KINDS = (
    Kind.REPLY_LOST_AFTER,
    Kind.REPLY_LOST_BEFORE,
    Kind.REQUEST_DELAYED,
    Kind.REPLY_DELAYED,
    Kind.STATUS_UNKNOWN,
    Kind.UNAVAILABLE,
    Kind.TOO_MANY_REQUESTS,
    Kind.BANNED,
    Kind.OVERLOADED,
    Kind.STOP_REFUSED,
    Kind.BROKEN_REPLY,
)
MESSAGE_KINDS = (
    Kind.EVENT_DELAYED,
    Kind.EVENT_TWICE,
    Kind.EVENTS_REORDERED,
    Kind.CLOSE_MISSING,
    Kind.CLOSE_LATE,
    Kind.CLOSE_TWICE,
    Kind.BROKEN_MESSAGE,
)
CLOSE_KINDS = (Kind.CLOSE_MISSING, Kind.CLOSE_LATE, Kind.CLOSE_TWICE)
CONNECTION_KINDS = (
    Kind.STREAM_CUT,
    Kind.STREAM_HALF_OPEN,
    Kind.STREAM_SLOW,
    Kind.CONNECTION_REFUSED,
)

PLACES: Mapping[Kind, frozenset[str]] = (
    dict.fromkeys(REST_KINDS, _REST_PLACES)
    | dict.fromkeys(MESSAGE_KINDS, _STREAM_PLACES)
    | dict.fromkeys(CONNECTION_KINDS, _CONNECTION_PLACES)
    | {
        Kind.CLOCK_DRIFT: frozenset(),
        Kind.LISTEN_KEY_EXPIRED: frozenset({"account"}),
        Kind.LISTEN_KEY_LOST: frozenset({"account"}),
        Kind.TRIGGERS_HELD: frozenset({"symbol"}),
        Kind.STOP_EXPIRED: frozenset({"symbol", "account"}),
        Kind.PRICE_GAP: frozenset({"symbol"}),
        Kind.FILLS_LIMITED: frozenset({"symbol"}),
        Kind.INSTRUMENT_CHANGED: frozenset({"symbol"}),
        Kind.OPENINGS_BARRED: frozenset({"symbol"}),
        Kind.THIN_BOOK: frozenset({"symbol"}),
        Kind.LIQUIDATED: frozenset({"symbol", "account"}),
        Kind.DELEVERAGED: frozenset({"symbol", "account"}),
        Kind.SETTLED: frozenset({"symbol"}),
    }
)
"""Where each kind can be narrowed to; what is not named is everywhere."""

_SYMBOL_NEEDED = frozenset(
    {
        *(Kind.TRIGGERS_HELD, Kind.PRICE_GAP, Kind.FILLS_LIMITED, Kind.INSTRUMENT_CHANGED),
        *(Kind.OPENINGS_BARRED, Kind.THIN_BOOK, Kind.LIQUIDATED, Kind.DELEVERAGED),
        *(Kind.SETTLED,),
    }
)

SETTINGS: Mapping[Kind, frozenset[str]] = {
    Kind.REPLY_LOST_AFTER: frozenset({"hang"}),
    Kind.REPLY_LOST_BEFORE: frozenset({"hang"}),
    Kind.REQUEST_DELAYED: frozenset({"delay_s"}),
    Kind.REPLY_DELAYED: frozenset({"delay_s"}),
    Kind.STATUS_UNKNOWN: frozenset({"code"}),
    Kind.TOO_MANY_REQUESTS: frozenset({"retry_after_s"}),
    Kind.BANNED: frozenset({"retry_after_s"}),
    Kind.CLOCK_DRIFT: frozenset({"offset_ms", "checks_only"}),
    Kind.STOP_REFUSED: frozenset({"code"}),
    Kind.BROKEN_REPLY: frozenset({"damage"}),
    Kind.EVENT_DELAYED: frozenset({"delay_s"}),
    Kind.EVENTS_REORDERED: frozenset({"delay_s", "within_kind"}),
    Kind.CLOSE_LATE: frozenset({"delay_s"}),
    Kind.STREAM_SLOW: frozenset({"delay_s"}),
    Kind.BROKEN_MESSAGE: frozenset({"damage"}),
    Kind.STOP_EXPIRED: frozenset({"delay_s"}),
    Kind.PRICE_GAP: frozenset({"factor"}),
    Kind.FILLS_LIMITED: frozenset({"fraction"}),
    Kind.INSTRUMENT_CHANGED: frozenset({"change"}),
    Kind.OPENINGS_BARRED: frozenset({"code"}),
    Kind.DELEVERAGED: frozenset({"fraction"}),
}
"""The settings that a kind has of its own."""


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """Something that goes wrong.

    Times are wall milliseconds of the simulator's clock. ``until_ms`` None lasts for ever,
    ``times`` None strikes without limit. ``share`` of the requests or messages are struck,
    drawn by ``seed``. A place that is None is everywhere: ``path`` such as
    ``/fapi/v1/order``, ``route`` public, market or private, ``stream`` such as
    ``btcusdt@kline_15m``, ``event`` the event's own word such as ``ORDER_TRADE_UPDATE``,
    ``account`` its number from 0.

    Raises:
        UsageError: when a value makes no sense; the text names it and the remedy.
    """

    kind: Kind
    from_ms: int = 0
    until_ms: int | None = None
    times: int | None = None
    share: float = 1.0
    seed: int = 0

    path: str | None = None
    method: str | None = None
    symbol: str | None = None
    route: str | None = None
    stream: str | None = None
    event: str | None = None
    account: int | None = None

    delay_s: float = 2.0
    hang: bool = False
    retry_after_s: int = 10
    offset_ms: int = 8000
    checks_only: bool = False
    code: int = -4045
    damage: Damage = Damage.TRUNCATED
    within_kind: bool = False
    factor: float = 0.98
    fraction: float = 0.5
    change: dict[str, Any] = {}

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise UsageError(f"share: {self.share} is no share of requests: above 0, up to 1")
        if self.until_ms is not None and self.until_ms <= self.from_ms:
            raise UsageError("for: it ends before it begins; give a span above 0")
        if self.times is not None and self.times < 1:
            raise UsageError(f"times: {self.times}: at least 1, or leave it out for no limit")
        if self.delay_s <= 0:
            raise UsageError(f"delay_s: {self.delay_s}: seconds above 0")
        if self.retry_after_s < 1:
            raise UsageError(f"retry_after_s: {self.retry_after_s}: whole seconds, at least 1")
        if not 0 < self.fraction <= 1:
            raise UsageError(f"fraction: {self.fraction}: above 0, up to 1")
        if self.factor <= 0:
            raise UsageError(f"factor: {self.factor}: above 0; 0.98 is 2 % down")
        if self.code >= 0:
            raise UsageError(f"code: {self.code}: the exchange's numbers are below 0")
        for place in ("path", "method", "symbol", "route", "stream", "event", "account"):
            if getattr(self, place) is not None and place not in PLACES[self.kind]:
                known = ", ".join(sorted(PLACES[self.kind])) or "nothing"
                raise UsageError(f"{place}: {self.kind} can be narrowed to {known} alone")
        if self.kind in _SYMBOL_NEEDED and self.symbol is None:
            raise UsageError(f"symbol: {self.kind} needs one, such as BTCUSDT")
        if self.kind is Kind.INSTRUMENT_CHANGED and not self.change:
            raise UsageError('change: say what becomes different, such as {"tick_size": "0.5"}')
        changes_of(self.change)

    def lasts_at(self, now_ms: int) -> bool:
        """Whether an instant (wall ms) lies in its span."""
        return self.from_ms <= now_ms and (self.until_ms is None or now_ms < self.until_ms)
