"""What comes out of a FreeSWITCH event socket (ESL), cut into frames and events. No I/O; every cut gives the same.

A frame is a block of header lines, an empty line, and as many bytes of body as Content-Length says. In an event the body
is a block of its own, and only its values are URL-encoded: so it is split into lines first and each value decoded after.
Decoding before splitting lets a citizen's display name write headers (measured: docs/MEASURED.md).
"""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote_to_bytes

MOST_HEAD = 8 * 1024  # Bytes of a frame's own headers; mod_event_socket's longest is below 300.
MOST_BODY = 8 * 1024 * 1024  # Bytes; `show channels` of 5,000 channels is about 4 MB.

# How mod_event_socket.c opens every event; any other frame is read line by line.
_PLAIN_EVENT = re.compile(rb"Content-Length: (\d{1,8})\nContent-Type: text/event-plain\n\n")
_NUMBER = re.compile(rb"\d{1,8}")
# mod_event_socket.c says these two twice itself; anything else that comes twice was put there by somebody.
_TWICE_ITSELF = frozenset({b"Hangup-Cause"})


class BrokenStreamError(Exception):
    """What came is not what a FreeSWITCH sends; nothing after it can be trusted. str() says what it was."""


def text_of(raw: bytes) -> str:
    """Text as people wrote it: UTF-8, else GB18030 (older Chinese phones and PBXs), else with replacement characters."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        try:
            return raw.decode("gb18030")
        except UnicodeDecodeError:
            return raw.decode("utf-8", "replace")


def value_of(raw: bytes) -> str:
    """One header's value. FreeSWITCH writes `_undef_` for the empty one."""
    if b"%" in raw:
        raw = unquote_to_bytes(raw)
    elif raw == b"_undef_":
        return ""
    return text_of(raw)


class EslEvent:
    """One event. Headers are decoded when they are asked for: of the 200 of a channel a reader wants ten."""

    __slots__ = ("_raw", "body", "forged", "size")

    def __init__(self, content: bytes) -> None:
        """`content`: the body of the frame."""
        self.size = len(content)  # In bytes.
        block, _, self.body = content.partition(b"\n\n")
        lines = block.rstrip(b"\n").split(b"\n")
        self.forged = False  # Somebody smuggled line ends in: a header comes twice that never does, or a line is none.
        try:
            self._raw: dict[bytes, bytes] = dict([line.split(b": ", 1) for line in lines])
        except ValueError:
            self._raw = {}
            self.forged = True
        if not self.forged and len(self._raw) != len(lines):
            names = [line.split(b": ", 1)[0] for line in lines]
            self.forged = any(names.count(name) > 1 and name not in _TWICE_ITSELF for name in set(names))

    def get(self, name: str, default: str = "") -> str:
        """The header's value, by its exact name."""
        raw = self._raw.get(name.encode())
        return default if raw is None else value_of(raw)

    def items(self) -> Iterator[tuple[str, str]]:
        """Every header, decoded."""
        return ((text_of(name), value_of(raw)) for name, raw in self._raw.items())


class Answer:
    """One frame that is not an event: what it is, its headers (never URL-encoded), its body."""

    __slots__ = ("body", "headers", "kind")

    def __init__(self, kind: str, headers: dict[str, str], body: bytes) -> None:
        self.kind = kind
        self.headers = headers
        self.body = body


class Frames:
    """The stream of one connection."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, chunk: bytes) -> list[EslEvent | Answer]:
        """Every frame that is whole now, in order. Raises BrokenStreamError; the connection is worth nothing after it."""
        buffer = self._buffer + chunk if self._buffer else chunk
        found: list[EslEvent | Answer] = []
        at = 0
        while True:
            event = _PLAIN_EVENT.match(buffer, at)
            if event is not None:
                start, kind, headers = event.end(), "text/event-plain", None
                length = int(event[1])
            else:
                end = buffer.find(b"\n\n", at)
                if end < 0:
                    if len(buffer) - at > MOST_HEAD:
                        raise BrokenStreamError(f"{MOST_HEAD} bytes without an end of headers")
                    break
                if end - at > MOST_HEAD:
                    raise BrokenStreamError(f"headers of more than {MOST_HEAD} bytes")
                start, headers = end + 2, _headers(buffer[at:end])
                kind, length = _kind_and_length(headers)
            if length > MOST_BODY:
                raise BrokenStreamError(f"a frame of {length} bytes")
            if len(buffer) - start < length:
                break
            at = start + length
            content = buffer[start:at]
            found.append(EslEvent(content) if kind == "text/event-plain" else Answer(kind, headers or {}, content))
        self._buffer = buffer[at:]
        return found


def _headers(block: bytes) -> dict[str, str]:
    headers: dict[str, Any] = {}
    for line in block.strip(b"\n").split(b"\n"):
        name, colon, value = line.partition(b": ")
        if not colon:
            raise BrokenStreamError("a line of a frame is no header")
        headers[text_of(name)] = text_of(value)
    return headers


def _kind_and_length(headers: dict[str, str]) -> tuple[str, int]:
    kind = headers.get("Content-Type")
    if kind is None:
        raise BrokenStreamError("a frame without Content-Type")
    length = headers.get("Content-Length", "0")
    if not _NUMBER.fullmatch(length.encode()):
        raise BrokenStreamError("a Content-Length that is no length")
    return kind, int(length)
