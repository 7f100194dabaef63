"""The faults in force: who is struck by what, and the log of it."""

import random
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator

import msgspec
import structlog

from rusy_tui.domain.clock import Clock
from rusy_tui.simulator.faults.blow import Blow, blow_of
from rusy_tui.simulator.faults.damage import damaged
from rusy_tui.simulator.faults.fault import (
    CLOSE_KINDS,
    CONNECTION_KINDS,
    MESSAGE_KINDS,
    REST_KINDS,
    Fault,
    Kind,
)
from rusy_tui.simulator.randomness import generator

log = structlog.get_logger("simulator")

_KEPT = 20_000
"""Effects remembered; older ones are only counted."""

_STOP_PATH = "/fapi/v1/algoOrder"


class Asked(msgspec.Struct, frozen=True):
    """A request as it came in.

    ``places``: it brings an order; ``closes``: one that can only reduce a position.
    """

    method: str
    path: str
    symbol: str | None
    account: int | None
    places: bool = False
    closes: bool = False

    def __str__(self) -> str:
        return f"{self.method} {self.path}" + (f" {self.symbol}" if self.symbol else "")


class Told(msgspec.Struct, frozen=True):
    """A message about to be sent. ``kind`` is what keeps its order; ``closes`` ends a bar."""

    route: str
    stream: str
    event: str
    symbol: str | None
    account: int | None
    closes: bool

    @property
    def kind(self) -> str:
        """Messages of equal kind are told in order."""
        return f"{self.stream}/{self.event}"

    def __str__(self) -> str:
        return f"{self.event or 'message'} of {self.stream}"


class Effect(msgspec.Struct, frozen=True):
    """What a fault did: when (wall ms), and to which request or message."""

    at_ms: int
    number: int
    kind: Kind
    what: str


class Sending(msgspec.Struct, frozen=True):
    """How a message goes out: after a delay, alone or with its kind behind it."""

    payload: bytes
    delay_s: float = 0.0
    overtaken_by_own: bool = False


class Held:
    """A fault in force: how often it struck, and its own chance."""

    def __init__(self, fault: Fault, number: int) -> None:
        self.fault = fault
        self.number = number
        self.struck = 0
        self.source = generator(fault.seed, "fault", fault.kind, number)

    def is_open(self, now_ms: int) -> bool:
        """Whether it can still strike at an instant (wall ms)."""
        return self.fault.lasts_at(now_ms) and self.has_strikes_left

    @property
    def has_strikes_left(self) -> bool:
        """Whether it has not struck as often as it may."""
        return self.fault.times is None or self.struck < self.fault.times

    def draws(self) -> bool:
        """Whether chance lets it strike; only asked where everything else fits."""
        return self.fault.share >= 1 or self.source.random() < self.fault.share


class Faults:
    """Holds the faults, decides for each request and message, and remembers the effects.

    Decisions depend on nothing but the faults, the time and the order of what is asked.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._held: list[Held] = []
        self._number = 0
        self.effects: deque[Effect] = deque(maxlen=_KEPT)
        self.counts: Counter[str] = Counter()
        self.struck: set[int] = set()
        """Numbers of the faults that struck at least once, those that are over among them."""
        self.on_change: Callable[[Iterable[Held]], None] = _nobody
        """Told of faults that were added, for what happens by itself at their time."""
        self.on_clear: Callable[[], None] = _nothing

    def add(self, *faults: Fault) -> list[int]:
        """Put faults in force; their numbers, in order."""
        added = []
        for fault in faults:
            self._number += 1
            added.append(Held(fault, self._number))
        self._held += added
        self.on_change(added)
        return [held.number for held in added]

    def clear(self) -> None:
        """End all of them now."""
        self._held.clear()
        self.on_clear()

    def listed(self) -> list[Held]:
        """Those that are not over, oldest first."""
        now_ms = self._clock.wall_ms()
        self._held = [
            held
            for held in self._held
            if held.fault.until_ms is None or now_ms < held.fault.until_ms
        ]
        return self._held

    def note(self, held: Held, what: str) -> None:
        """Remember that a fault struck."""
        held.struck += 1
        kind = held.fault.kind
        self.effects.append(Effect(self._clock.wall_ms(), held.number, kind, what))
        self.counts[kind] += 1
        self.struck.add(held.number)
        log.info("fault", fault=held.number, kind=kind.value, what=what)

    @property
    def on_messages(self) -> bool:
        """Whether any fault of messages is held: most of the time none is."""
        return self._any(MESSAGE_KINDS)

    @property
    def on_connections(self) -> bool:
        """Whether any fault of connections is held."""
        return self._any(CONNECTION_KINDS)

    def _any(self, kinds: tuple[Kind, ...]) -> bool:
        return bool(self._held) and any(held.fault.kind in kinds for held in self._held)

    # ── decisions ─────────────────────────────────────────────────────────────────────

    def on_request(self, asked: Asked) -> Blow:
        """What happens to a request; each kind strikes once at most."""
        found: dict[Kind, Held] = {}
        for held in self._open(REST_KINDS):
            kind = held.fault.kind
            if kind not in found and _strikes_request(held.fault, asked) and held.draws():
                found[kind] = held
        blow = blow_of((held.fault, held.source) for held in found.values())
        for held in found.values():
            fate = " (carried out)" if blow.unknown_after else ""
            self.note(held, f"{asked}{fate if held.fault.kind is Kind.STATUS_UNKNOWN else ''}")
        return blow

    def on_message(self, told: Told, payload: bytes) -> list[Sending] | None:
        """How a message goes out; None as it is, an empty list not at all."""
        struck = [
            held
            for held in self._open(MESSAGE_KINDS)
            if _strikes_message(held.fault, told) and held.draws()
        ]
        if not struck:
            return None
        delay_s, copies, overtaken = 0.0, 1, False
        for held in struck:
            fault = held.fault
            match fault.kind:
                case Kind.CLOSE_MISSING:
                    copies = 0
                case Kind.CLOSE_TWICE | Kind.EVENT_TWICE:
                    copies *= 2
                case Kind.EVENT_DELAYED:
                    delay_s = max(delay_s, fault.delay_s)
                case Kind.CLOSE_LATE:
                    delay_s, overtaken = max(delay_s, fault.delay_s), True
                case Kind.EVENTS_REORDERED:
                    delay_s = max(delay_s, _milliseconds(held.source) * fault.delay_s)
                    overtaken = overtaken or fault.within_kind
                case Kind.BROKEN_MESSAGE:
                    payload = damaged(payload, fault.damage, held.source)
            self.note(held, str(told))
        return [Sending(payload, delay_s, overtaken)] * copies

    def on_connection(self, kind: Kind, route: str, accounts: Iterable[int]) -> Held | None:
        """The fault of a kind that strikes a connection now; None for none."""
        known = list(accounts)
        for held in self._open((kind,)):
            if reaches_connection(held.fault, route, known) and held.draws():
                return held
        return None

    def clock_offset_ms(self, what: str, *, checks: bool) -> int:
        """How far the exchange's clock is ahead, in a check or in the time it tells.

        Args:
            what: is judged by that clock, or told its time; noted with each fault.
            checks: whether it is a check.
        """
        offset_ms = 0
        for held in self._open((Kind.CLOCK_DRIFT,)):
            if checks or not held.fault.checks_only:
                offset_ms += held.fault.offset_ms
                self.note(held, f"{what}: {held.fault.offset_ms:+d} ms")
        return offset_ms

    def open_of(self, kind: Kind) -> list[Held]:
        """The faults of a kind that can strike now."""
        return list(self._open((kind,)))

    def _open(self, kinds: Iterable[Kind]) -> Iterator[Held]:
        if not self._held:
            return
        now_ms = self._clock.wall_ms()
        for held in self._held:
            if held.fault.kind in kinds and held.is_open(now_ms):
                yield held


def _strikes_request(fault: Fault, asked: Asked) -> bool:
    if fault.path not in (None, asked.path) or fault.method not in (None, asked.method):
        return False
    if fault.symbol not in (None, asked.symbol) or fault.account not in (None, asked.account):
        return False
    if fault.kind is Kind.STOP_REFUSED:
        return (asked.method, asked.path) == ("POST", _STOP_PATH)
    # The exchange's own exemption.
    return fault.kind is not Kind.OVERLOADED or (asked.places and not asked.closes)


def _strikes_message(fault: Fault, told: Told) -> bool:
    return (
        fault.route in (None, told.route)
        and fault.stream in (None, told.stream)
        and fault.event in (None, told.event)
        and fault.symbol in (None, told.symbol)
        and fault.account in (None, told.account)
        and (told.closes or fault.kind not in CLOSE_KINDS)
    )


def reaches_connection(fault: Fault, route: str, accounts: Iterable[int]) -> bool:
    """Whether a connection of a route and of these accounts is meant."""
    if fault.route not in (None, route):
        return False
    return fault.account is None or fault.account in accounts


def _milliseconds(source: random.Random) -> float:
    """A share of one, in thousandths, never zero: sums of them stay exact in a log."""
    return source.randrange(1, 1001) / 1000


def _nobody(_: Iterable[Held]) -> None: ...


def _nothing() -> None: ...
