"""Postgres' messages as far as a pooler has to know them: the start of a connection, frames, a fatal error."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

PROTOCOL = 196608
CANCEL, SSL, GSS = 80877102, 80877103, 80877104
#: longer first packets are no first packets
LONGEST_START = 10_000


class Fatal(Exception):
    """The client is told so and its connection ends."""

    def __init__(self, message: str, code: str = "XX000") -> None:
        super().__init__(message)
        self.message, self.code = message, code

    def packet(self) -> bytes:
        fields = {"S": "FATAL", "V": "FATAL", "C": self.code, "M": self.message}
        body = b"".join(f"{name}{value}\0".encode() for name, value in fields.items()) + b"\0"
        return frame(b"E", body)


class Gone(Exception):
    """One of the two sides hung up."""


@dataclass
class Start:
    """The first packet of a connection: parameters, or the key of a request to cancel."""

    parameters: dict[str, str] = field(default_factory=dict)
    cancel: tuple[int, int] | None = None


def frame(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


async def read_start(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Start:
    """The first packet that is not a question about encryption: there is none here."""
    while True:
        (length,) = struct.unpack("!i", await reader.readexactly(4))
        if not 8 <= length <= LONGEST_START:
            raise Fatal("startup packet too large", "08P01")
        body = await reader.readexactly(length - 4)
        (code,) = struct.unpack("!i", body[:4])
        if code in (SSL, GSS):
            writer.write(b"N")
            await writer.drain()
            continue
        if code == CANCEL:
            pid, key = struct.unpack("!ii", body[4:12])
            return Start(cancel=(pid, key))
        parts = [part.decode() for part in body[4:].split(b"\0")]
        names, values = parts[::2], parts[1::2]
        return Start(parameters={name: value for name, value in zip(names, values, strict=False) if name})


def start_packet(parameters: Mapping[str, str]) -> bytes:
    body = struct.pack("!i", PROTOCOL)
    body += b"".join(f"{name}\0{value}\0".encode() for name, value in parameters.items()) + b"\0"
    return struct.pack("!i", len(body) + 4) + body


def cancel_packet(pid: int, key: int) -> bytes:
    return struct.pack("!iiii", 16, CANCEL, pid, key)


class Frames:
    """Whole messages of one side, as many at once as have come."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader, self._rest = reader, b""

    async def next(self) -> list[bytes]:
        """At least one message; raises :class:`Gone` when the other side has hung up."""
        while True:
            found, at, data = [], 0, self._rest
            while len(data) - at >= 5:
                (length,) = struct.unpack_from("!i", data, at + 1)
                if len(data) - at <= length:
                    break
                found.append(data[at : at + length + 1])
                at += length + 1
            self._rest = data[at:]
            if found:
                return found
            more = await self._reader.read(262_144)
            if not more:
                raise Gone
            self._rest += more


def search_path_of(parameters: Mapping[str, str]) -> str | None:
    """What is left of a client's wishes for the session: Supavisor understands two ways of writing an option and hands on
    ``search_path`` alone. ``-csearch_path=x`` in one word is skipped, and so is every other setting.
    """
    if "search_path" in parameters:
        return parameters["search_path"]
    words, found = _words(parameters.get("options", "")), None
    while words:
        word = words.pop(0)
        pair = words.pop(0) if word == "-c" and words else word[2:] if word.startswith("--") else ""
        name, is_pair, value = pair.partition("=")
        if is_pair and name == "search_path":
            found = value
    return found


def escaped(value: str) -> str:
    """A value inside ``options``."""
    return "".join(f"\\{letter}" if letter.isspace() or letter == "\\" else letter for letter in value)


def _words(text: str) -> list[str]:
    """Words of ``options``: white space parts them, a backslash keeps the next character."""
    words, word, is_inside, letters = [], "", False, iter(text)
    for letter in letters:
        if letter.isspace():
            if is_inside:
                words.append(word)
            word, is_inside = "", False
        else:
            word, is_inside = word + (next(letters, "") if letter == "\\" else letter), True
    return [*words, word] if is_inside else words
