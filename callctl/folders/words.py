"""What may stand in a text of agents/ and queues/: everything a PBX's configuration file cannot misread.

Asterisk ends a value at `;`, opens a section at `[`, and its dialplan takes `,` `|` `&` `^` `$` `{` `(` and quotes as
its own signs; FreeSWITCH's files are XML and take `<` `&` and quotes. So a text may hold only what is a sign nowhere.
"""

import ipaddress
import re

from pydantic_core import PydanticCustomError

LONGEST_TEXT = 40  # More than any name of a city or a person; a phone shows less.
RESERVED_CODES = frozenset(
    (
        "agents",
        "all",
        "any",
        "callctl",
        "default",
        "everybody",
        "general",
        "global",
        "heartbeat",
        "help",
        "local",
        "none",
        "off",
        "on",
        "pstn",
        "queues",
        "roster",
        "seats",
        "self",
        "slot",
        "support",
        "system",
        "trunk",
    )
)
HOTLINE = "12345"
_ASCII_ALLOWED = frozenset("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz -_.")
_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")
_SOUND = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_./-]{0,199}")
_BROWSER_URL = re.compile(r"wss?://[A-Za-z0-9._-]{1,253}(:[0-9]{1,5})?(/[A-Za-z0-9._/-]{0,200})?")
_CODE = re.compile(r"[a-z]{1,24}")


def wrong(what: str, mend: str) -> PydanticCustomError:
    """The error of a value that is of the right kind but may not stand there."""
    # Braces would be taken as placeholders of the message; they travel in the context instead.
    return PydanticCustomError("callctl", "wrong", {"what": what, "mend": mend})


def check_text(value: str) -> str:
    """A name for people: any letters, Chinese and minority ones too, but no sign a PBX file could misread."""
    for character in value:
        if not character.isprintable():
            raise wrong(f"holds the invisible character U+{ord(character):04X}", "type the text anew")
        if character.isascii() and character not in _ASCII_ALLOWED:
            raise wrong(
                f"holds {character}, which a PBX's configuration file could misread",
                "leave it out, or use the full-width sign （ ） ， · instead",
            )
    if not value.strip():
        raise wrong("is empty", "write a name")
    if value != value.strip():
        raise wrong("begins or ends with a blank", "remove the blank")
    if len(value) > LONGEST_TEXT:
        raise wrong(f"is {len(value)} characters long", f"use at most {LONGEST_TEXT}")
    return value


def check_browser_url(value: str) -> str:
    """Where a browser's phone connects: wss://, or ws:// in a lab; "" for the PBX's own address."""
    if value and not _BROWSER_URL.fullmatch(value):
        raise wrong("is not an address a browser can connect to", "write it as wss://host/path, or leave it empty")
    return value


def check_code(value: str) -> str:
    """A city's code: names files, trunks, queues and members of queues."""
    if not _CODE.fullmatch(value):
        raise wrong("is not a city code", "use 1 to 24 letters a-z, nothing else: yangzhou")
    if value in RESERVED_CODES:
        raise wrong("is a reserved word, not a city code", "choose another code")
    return value


def check_seat_id(value: str) -> str:
    """A seat's number is also its phone's extension."""
    if not re.fullmatch(r"[0-9]{3,8}", value):
        raise wrong("is not a seat number", "use 3 to 8 digits")
    if value == HOTLINE:
        raise wrong("is the hotline's own number", "use another number")
    return value


def check_area_code(value: str) -> str:
    """A Chinese long-distance code."""
    if not re.fullmatch(r"0[0-9]{2,3}", value):
        raise wrong("is not an area code", 'use 0 and two or three digits in quotes: "0514"')
    return value


def check_queue_name(value: str) -> str:
    """The home queue's name on its PBX; callctl's own queues live beside it."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}", value):
        raise wrong("is not a queue name", "use 1 to 40 of A-Z a-z 0-9 _ -")
    if value in ("general", "default") or value.startswith(("cc-", "support-")):
        raise wrong("is a name that the PBX or callctl uses itself", 'use another, e.g. "q12345"')
    return value


def check_host(value: str) -> str:
    """An IPv4 address or a DNS name."""
    if ":" in value:
        raise wrong("is not an IPv4 address or DNS name", "write the port as a key of its own; IPv6 is not supported")
    if value and value.rpartition(".")[2].isdecimal():
        try:
            address = ipaddress.IPv4Address(value)
        except ValueError:
            raise wrong("is not an IPv4 address", "use four numbers 0 to 255: 10.32.14.1") from None
        if address.is_unspecified or address.is_multicast:
            raise wrong("is no machine's address", "use the address at which the other cities reach it")
    elif len(value) > 253 or not all(_LABEL.fullmatch(label) for label in value.split(".")):
        raise wrong("is not an IPv4 address or DNS name", "use e.g. 10.32.14.1 or pbx.yangzhou.example")
    return value


def check_host_or_nothing(value: str) -> str:
    """Like check_host; "" means: there is none of its own."""
    return check_host(value) if value else value


def check_network(value: str) -> str:
    """An IPv4 network."""
    try:
        ipaddress.IPv4Network(value)
    except ValueError:
        raise wrong("is not an IPv4 network", "use e.g. 10.32.14.0/24, with zeros behind the mask") from None
    return value


def check_sound(value: str) -> str:
    """A sound file on the PBX, without its ending; "" means the packaged one."""
    if value and (not _SOUND.fullmatch(value.removeprefix("/")) or ".." in value):
        raise wrong("is not the name of a sound file", "use A-Z a-z 0-9 _ - . / and no ending: custom/notice")
    return value


def check_greeting(value: str) -> str:
    """One line that an agent can say; braces but for {agent} would be read aloud."""
    if not value.isprintable() or len(value) > 120:
        raise wrong("is not a greeting", "write one line of 120 characters at most")
    if set(re.findall(r"[{}]", value.replace("{agent}", ""))):
        raise wrong("is not a greeting", "write {agent} where the agent's number is said, and no other braces")
    return value


def check_skill(value: str) -> str:
    """A word of the skill list."""
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,23}", value):
        raise wrong("is not a skill", 'use small letters, digits and -, e.g. "jianghuai"')
    return value
