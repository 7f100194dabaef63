"""Recorded messages of the exchange's public streams, as read from a file.

A gzip file, one line a message: when it was received (ns, by the recorder's clock, which is
not believed), a space, and the JSON of the combined stream as it came: the streams ``depth``
(diffs), ``trade`` and ``bookTicker`` of one symbol. One line is an answer of REST ``depth``,
which has no ``data``. The stream ``trade`` is not in the exchange's documents; its fields are
those of recordings.
"""

import gzip
import zlib
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import msgspec

from rusy_tui.domain.errors import UsageError
from rusy_tui.simulator.level_book import Rows


class Depth(msgspec.Struct, frozen=True, tag_field="e", tag="depthUpdate", kw_only=True):
    """A diff of the book, from update ``first_id`` to ``last_id``; ``previous_id`` is the
    last one of the diff before.
    """

    symbol: str = msgspec.field(name="s")
    event_ms: int = msgspec.field(name="E")
    first_id: int = msgspec.field(name="U")
    last_id: int = msgspec.field(name="u")
    previous_id: int = msgspec.field(name="pu")
    bids: Rows = msgspec.field(name="b")
    asks: Rows = msgspec.field(name="a")


class Trade(msgspec.Struct, frozen=True, tag_field="e", tag="trade", kw_only=True):
    """A trade. ``kind`` is MARKET, or tells that the insurance fund or ADL traded."""

    symbol: str = msgspec.field(name="s")
    event_ms: int = msgspec.field(name="E")
    trade_id: int = msgspec.field(name="t")
    price: Decimal = msgspec.field(name="p")
    quantity: Decimal = msgspec.field(name="q")
    buyer_is_maker: bool = msgspec.field(name="m")
    kind: str = msgspec.field(name="X", default="MARKET")


class Ticker(msgspec.Struct, frozen=True, tag_field="e", tag="bookTicker", kw_only=True):
    """The best prices; only its time is needed, the message is passed on as it is."""

    symbol: str = msgspec.field(name="s")
    event_ms: int = msgspec.field(name="E")


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The book at update ``last_id``, as REST answered it."""

    last_id: int = msgspec.field(name="lastUpdateId")
    event_ms: int = msgspec.field(name="E")
    bids: Rows
    asks: Rows


Event = Depth | Trade | Ticker


class Message(msgspec.Struct, frozen=True):
    """One line: its number, the event's own bytes, and what they say."""

    line: int
    payload: bytes
    event: Event | Snapshot


class _Envelope(msgspec.Struct, frozen=True):
    data: msgspec.Raw = msgspec.Raw()


_envelope = msgspec.json.Decoder(_Envelope).decode
_event: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)
_snapshot = msgspec.json.Decoder(Snapshot).decode


def messages_of(path: Path) -> Iterator[Message]:
    """The messages of a file, in the order they were received.

    Raises:
        UsageError: the file can't be read or holds something else, with the line.
    """
    number = 0
    try:
        with gzip.open(path, "rb") as file:
            for number, line in enumerate(file, 1):
                text = line.partition(b" ")[2].strip()
                data = bytes(_envelope(text).data)
                if data:
                    yield Message(number, data, _event.decode(data))
                else:
                    yield Message(number, text, _snapshot(text))
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file; give a recording of messages") from None
    except (OSError, EOFError, zlib.error) as error:
        raise UsageError(
            f"{path}: can't be read as gzip after line {number}: {error}; fetch it anew"
        ) from error
    except msgspec.DecodeError as error:
        raise UsageError(
            f"{path}, line {number}: {error}; a recording holds depth, trade and bookTicker "
            "messages of the combined stream, and an answer of depth"
        ) from error
