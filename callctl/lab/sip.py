"""SIP messages (RFC 3261) without a socket: forgiving when reading, strict when writing."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

Headers = tuple[tuple[str, str], ...]

# RFC 3261 §7.3.3: every header's short form.
_SHORT = {"v": "via", "f": "from", "t": "to", "i": "call-id", "m": "contact", "l": "content-length", "c": "content-type"}
_NEEDED = ("via", "from", "to", "call-id", "cseq")
_REQUEST_LINE = re.compile(r"([A-Z]+) (\S+) SIP/2\.0")
_STATUS_LINE = re.compile(r"SIP/2\.0 ([1-6]\d\d)(?: .*)?")
_CSEQ = re.compile(r"(\d{1,10})\s+([A-Z]+)")
_URI = re.compile(r"<(sips?:[^>]+)>")
_BARE_URI = re.compile(r"sips?:[^\s;>]+")
_TAG = re.compile(r";\s*tag=([^;\s]+)")
_CHALLENGE = re.compile(r'(\w+)=(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))')


class MalformedSip(ValueError):
    """A datagram that is not a whole SIP message; a phone drops it."""


@dataclass(frozen=True, slots=True)
class Message:
    """One request or response as it came in; header names in lower case, long form."""

    start: str
    headers: Headers
    body: str
    method: str  # Of the request, or of the request that is answered.
    number: int  # CSeq.
    status: int = 0  # 0 for a request.
    uri: str = ""  # Of a request.

    def header(self, name: str) -> str:
        """The first header of this name, "" where there is none."""
        return next((value for key, value in self.headers if key == name.lower()), "")

    def every(self, name: str) -> list[str]:
        """All headers of this name, in order."""
        return [value for key, value in self.headers if key == name.lower()]

    @property
    def call_id(self) -> str:
        """Call-ID, which is also the key of a phone's calls."""
        return self.header("call-id")

    @property
    def branch(self) -> str:
        """The topmost Via's branch: the same in a message that was only sent again."""
        found = re.search(r";\s*branch=([^;,\s]+)", self.header("via"))
        return found[1] if found else ""


def read(datagram: bytes) -> Message:
    """The message in a datagram. Raises MalformedSip."""
    # Chinese display names are UTF-8; a broken byte in a name must not cost the call.
    head, _, body = datagram.decode("utf-8", "replace").lstrip("\r\n").partition("\r\n\r\n")
    lines = re.sub(r"\r\n[ \t]+", " ", head).split("\r\n")  # §7.3.1: a header may be folded.
    headers = tuple(_header(line) for line in lines[1:] if line)
    names = {name for name, _ in headers}
    missing = [name for name in _NEEDED if name not in names]
    if missing:
        raise MalformedSip(f"no {missing[0]} header in {lines[0][:60]!r}")
    cseq = _CSEQ.fullmatch(next(value for name, value in headers if name == "cseq"))
    if cseq is None:
        raise MalformedSip(f"bad CSeq in {lines[0][:60]!r}")
    if request := _REQUEST_LINE.fullmatch(lines[0]):
        if request[1] != cseq[2]:
            raise MalformedSip(f"CSeq {cseq[2]} in a {request[1]}")
        return Message(lines[0], headers, body, request[1], int(cseq[1]), uri=request[2])
    if response := _STATUS_LINE.fullmatch(lines[0]):
        return Message(lines[0], headers, body, cseq[2], int(cseq[1]), status=int(response[1]))
    raise MalformedSip(f"neither request nor response: {lines[0][:60]!r}")


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon:
        raise MalformedSip(f"a header without a colon: {line[:60]!r}")
    name = name.strip().lower()
    return _SHORT.get(name, name), value.strip()


def write(start: str, headers: Iterable[tuple[str, str]], body: str = "") -> bytes:
    """The datagram of a message. Raises ValueError where a value would smuggle in a line of its own."""
    content = body.encode()
    rows = [*headers, ("Content-Length", str(len(content)))]  # In bytes: Chinese text is longer than it looks.
    for text in (start, *(part for row in rows for part in row)):
        if "\r" in text or "\n" in text or "\0" in text:
            raise ValueError(f"a line break inside a SIP header: {text[:60]!r}")
    lines = [start, *(f"{name}: {value}" for name, value in rows), "", ""]
    return "\r\n".join(lines).encode() + content


def response(
    request: Message, status: int, reason: str, tag: str, extra: Iterable[tuple[str, str]] = (), body: str = ""
) -> bytes:
    """The datagram that answers `request`; `tag` is ours, put on To where it has none (§8.2.6.2)."""
    to = request.header("to")
    if not tag_of(to) and status != 100:
        to = f"{to};tag={tag}"
    headers = [("Via", via) for via in request.every("via")]
    headers += [("Record-Route", route) for route in request.every("record-route")]
    headers += [("From", request.header("from")), ("To", to), ("Call-ID", request.call_id)]
    headers += [("CSeq", request.header("cseq")), *extra]
    return write(f"SIP/2.0 {status} {reason}", headers, body)


def uri_of(header: str) -> str:
    """The address in a From, To or Contact header, "" where there is none."""
    found = _URI.search(header)
    if found:
        return found[1]
    bare = _BARE_URI.search(header)
    return bare[0] if bare else ""


def user_of(header: str) -> str:
    """The user part of the address in a header: the number or the extension."""
    uri = uri_of(header)
    return uri.partition(":")[2].partition("@")[0].partition(";")[0] if "@" in uri else ""


def tag_of(header: str) -> str:
    """The tag of a From or To header, "" where it has none."""
    found = _TAG.search(header.rpartition(">")[2])
    return found[1] if found else ""


def digest(challenge: str, method: str, uri: str, user: str, password: str, cnonce: str) -> str:
    """The value of an Authorization header for a challenge (RFC 2617/7616, MD5 or SHA-256, with or without qop).

    Raises MalformedSip where the challenge cannot be answered.
    """
    said = {key.lower(): quoted or plain for key, quoted, plain in _CHALLENGE.findall(challenge)}
    algorithm = said.get("algorithm", "MD5")
    if algorithm.upper() not in {"MD5", "SHA-256"} or not said.get("nonce"):
        raise MalformedSip(f"a challenge nobody can answer: {challenge[:80]!r}")

    def hashed(text: str) -> str:
        return hashlib.new(algorithm.replace("-", "").lower(), text.encode()).hexdigest()

    realm, nonce = said.get("realm", ""), said["nonce"]
    secret, request = hashed(f"{user}:{realm}:{password}"), hashed(f"{method}:{uri}")
    parts = [f'username="{user}"', f'realm="{realm}"', f'nonce="{nonce}"', f'uri="{uri}"', f"algorithm={algorithm}"]
    if "auth" in said.get("qop", "").replace(" ", "").split(","):
        parts += ["qop=auth", "nc=00000001", f'cnonce="{cnonce}"']
        answer = hashed(f"{secret}:{nonce}:00000001:{cnonce}:auth:{request}")
    else:
        answer = hashed(f"{secret}:{nonce}:{request}")
    parts.append(f'response="{answer}"')
    if "opaque" in said:
        parts.append(f'opaque="{said["opaque"]}"')
    return "Digest " + ", ".join(parts)
