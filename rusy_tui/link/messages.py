"""What goes over the link, and how it is cut into frames.

A connection opens with a :class:`Hello` from the client and a :class:`Welcome` or
:class:`Refused` from the engine. Then the client sends commands, each of which gets its
reply, and a client that watches is sent a snapshot and events.

A frame is four bytes of length, the highest first, and so many bytes of MessagePack. It is
not JSON because JSON has no NaN, and here an absent figure is NaN: one of them in a chart
would otherwise cost a console its connection.
"""

import asyncio
from typing import TypeVar

import msgspec

from rusy_tui.domain.commands import Command, Reply
from rusy_tui.domain.errors import UnreachableError
from rusy_tui.domain.events import Event

Kind = TypeVar("Kind")

PROTOCOL = 1
"""Grows when an older console could misread what a newer engine says, or the other way."""

# Commands are a few dozen bytes; a snapshot of a dozen symbols is some megabytes.
MOST_FROM_CLIENT = 64 * 1024
MOST_FROM_ENGINE = 64 * 1024 * 1024

_LENGTH_BYTES = 4


class LinkLost(UnreachableError):
    """The connection to the engine could not be made, broke, or made no sense."""


class Hello(msgspec.Struct, frozen=True, tag=True):
    """The client's first words. ``origin`` says what it is: a console, a command."""

    protocol: int
    version: str
    origin: str
    watch: bool


class Welcome(msgspec.Struct, frozen=True, tag=True):
    """The engine takes the connection."""

    protocol: int
    version: str
    pid: int
    venue: str


class Refused(msgspec.Struct, frozen=True, tag=True):
    """The engine does not take the connection; ``reason`` has the remedy."""

    reason: str


FromClient = Hello | Command
FromEngine = Welcome | Refused | Event | Reply

_encoder = msgspec.msgpack.Encoder()
_from_client = msgspec.msgpack.Decoder(FromClient)
_from_engine = msgspec.msgpack.Decoder(FromEngine)


def framed(message: FromClient | FromEngine) -> bytes:
    """A message as one frame."""
    body = _encoder.encode(message)
    return len(body).to_bytes(_LENGTH_BYTES, "big") + body


async def next_from_client(reader: asyncio.StreamReader) -> FromClient | None:
    """The client's next message; None when it has hung up.

    Raises:
        LinkLost: when what came is no message of ours.
    """
    body = await _next_frame(reader, MOST_FROM_CLIENT)
    return None if body is None else _decoded(_from_client, body)


async def next_from_engine(reader: asyncio.StreamReader) -> FromEngine | None:
    """The engine's next message; None when it has hung up.

    Raises:
        LinkLost: when what came is no message of ours.
    """
    body = await _next_frame(reader, MOST_FROM_ENGINE)
    return None if body is None else _decoded(_from_engine, body)


async def _next_frame(reader: asyncio.StreamReader, most: int) -> bytes | None:
    try:
        head = await reader.readexactly(_LENGTH_BYTES)
        length = int.from_bytes(head, "big")
        if length > most:
            raise LinkLost(
                f"what came over the link is no message of Rusy's: it began with {head!r}, "
                f"which reads as {length} bytes, and {most} are the most"
            )
        return await reader.readexactly(length)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


def _decoded(decoder: msgspec.msgpack.Decoder[Kind], body: bytes) -> Kind:
    try:
        return decoder.decode(body)
    except msgspec.DecodeError as error:
        raise LinkLost(
            f"a message of the link can't be read: {error}; are both ends the same Rusy?"
        ) from error
