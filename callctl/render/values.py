"""What may stand in a PBX's configuration file: every value passes a check that names it, or nothing is written.

Asterisk ends a value at `;`, opens a section at `[`, and its dialplan takes `, $ { ( ) " & ^` as its own signs; FreeSWITCH
reads XML, ends a variable's value at `,` and expands `${…}` again and again, program calls included. A template may print
only what went through one of these checks (or a whole number), so no value can add a line or break out of its place.
"""

import functools
import ipaddress
import math
import re
import string
import unicodedata
from collections.abc import Callable
from xml.sax.saxutils import escape

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from jinja2.runtime import Undefined

_TEXT_SIGNS = frozenset(string.ascii_letters + string.digits + " -_.")
_LONGEST_TEXT = 40  # As callctl.folders allows; a phone shows less.
_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")


class RenderError(Exception):
    """A file cannot be written; str() says city, file, key, what is wrong and how to mend it."""


class UnfitValue(Exception):
    """A value that must not stand where a template wants to print it."""

    def __init__(self, key: str, value: object, mend: str, secret: bool = False) -> None:
        super().__init__(f"{key}: {'the value' if secret else repr(value)} {mend}")


class Fit(str):
    """A piece of text that passed one of the checks below."""

    __slots__ = ()


def printed(value: object) -> object:
    """The last guard: what a template prints must have been checked."""
    if isinstance(value, Fit) or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    if isinstance(value, Undefined):
        return value  # StrictUndefined raises, and names the missing word, when it is printed.
    raise UnfitValue("template", value, "is printed without a check: pass it through one of the filters")


def _matching(pattern: str, mend: str) -> Callable[[object, str], Fit]:
    form = re.compile(pattern, re.ASCII)

    def check(value: object, key: str) -> Fit:
        if not isinstance(value, str) or not form.fullmatch(value):
            raise UnfitValue(key, value, mend)
        return Fit(value)

    return check


code = _matching(r"[a-z]{1,24}", "is not a city code (1 to 24 letters a-z)")
digits = _matching(r"[0-9]{1,15}", "is not a number of digits")
word = _matching(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", "is not a name (A-Z a-z 0-9 _ -)")
interface = _matching(r"Local/[a-z]+@[a-z-]+/n", "is not a queue member's interface")


def path(value: object, key: str) -> Fit:
    """A file or folder: letters, digits and . _ - / only, no way up."""
    text = str(value)
    if not re.fullmatch(r"/?[A-Za-z0-9_][A-Za-z0-9_./+-]{0,250}", text, re.ASCII) or ".." in text:
        raise UnfitValue(key, text, "is not a plain path (A-Z a-z 0-9 _ . - + /, without ..)")
    return Fit(text)


def text(value: object, key: str) -> Fit:
    """A name for people: any letters, Chinese and minority ones too, no sign a PBX file could misread."""
    if not isinstance(value, str) or not value.strip() or value != value.strip() or len(value) > _LONGEST_TEXT:
        raise UnfitValue(key, value, f"is not a name of 1 to {_LONGEST_TEXT} signs without blanks at its ends")
    for sign in value:
        if not sign.isprintable() or (sign.isascii() and sign not in _TEXT_SIGNS):
            name = unicodedata.name(sign, f"U+{ord(sign):04X}")
            raise UnfitValue(key, value, f"holds {name}, which a PBX's configuration file could misread: leave it out")
    return Fit(value)


def secret(value: object, key: str) -> Fit:
    """A password: 8 to 79 visible ASCII signs. The value itself never stands in the error."""
    if not isinstance(value, str) or not re.fullmatch(r"[!-~]{8,79}", value) or set(value) & set(';\\"'):
        mend = 'must be 8 to 79 visible ASCII signs without blank, ; \\ and ": choose another password'
        raise UnfitValue(key, value, mend, secret=True)
    return Fit(value)


def xml_secret(value: object, key: str) -> Fit:
    """A password for an attribute of FreeSWITCH's XML, escaped. It must not look like one of FreeSWITCH's variables."""
    checked = secret(value, key)
    if set(checked) & set("${}"):
        raise UnfitValue(key, value, "must not hold $ { or }: choose another password", secret=True)
    return Fit(escape(checked, {"'": "&apos;"}))


def address(value: object, key: str) -> Fit:
    """An IPv4 address of this PBX itself; it binds to it, so a DNS name will not do."""
    try:
        return Fit(str(ipaddress.IPv4Address(str(value))))
    except ValueError:
        raise UnfitValue(key, value, "is not an IPv4 address; the PBX binds to it, so a name will not do") from None


def host(value: object, key: str) -> Fit:
    """Another machine: an IPv4 address or a DNS name."""
    name = str(value)
    if is_address(name):
        return Fit(name)
    if len(name) > 253 or name.rpartition(".")[2].isdecimal() or not all(_LABEL.fullmatch(p) for p in name.split(".")):
        raise UnfitValue(key, value, "is not an IPv4 address or DNS name")
    return Fit(name)


def allowed(value: object, key: str) -> Fit:
    """Another machine as a line of a FreeSWITCH access list; a DNS name is looked up when the list is loaded."""
    name = host(value, key)
    who = f'cidr="{name}/32"' if is_address(name) else f'host="{name}" mask="255.255.255.255"'
    return Fit(f'<node type="allow" {who}/>')


def network(value: object, key: str) -> Fit:
    """An IPv4 network or a single address."""
    try:
        return Fit(str(ipaddress.IPv4Network(str(value))))
    except ValueError as error:
        raise UnfitValue(key, value, f"is not an IPv4 network such as 10.32.14.0/24 ({error})") from None


def number(value: object, key: str) -> Fit:
    """A figure that is not negative, seconds or a count; 2.0 is written 2."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise UnfitValue(key, value, "is not a figure of 0 or more")
    return Fit(f"{value:.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value))


def whole(value: object, key: str) -> Fit:
    """Seconds where the PBX takes whole ones only: rounded up, never cut."""
    number(value, key)
    assert isinstance(value, int | float)
    return Fit(str(math.ceil(value)))


def is_address(value: str) -> bool:
    """Whether `value` is an IPv4 address, not a name."""
    try:
        ipaddress.IPv4Address(value)
    except ValueError:
        return False
    return True


@functools.cache  # Compiling the templates takes ten times as long as filling them.
def environment(folder: str) -> Environment:
    """The templates of `folder`, with the checks as filters and the guard on everything they print."""
    made = Environment(
        loader=FileSystemLoader(folder, encoding="utf-8"),
        undefined=StrictUndefined,
        finalize=printed,
        autoescape=False,  # Not web pages; `printed` is the guard.
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    # Only these: a stock filter such as `replace` would hand out unchecked text.
    made.filters = {
        "address": address,
        "code": code,
        "digits": digits,
        "host": host,
        "interface": interface,
        "network": network,
        "allowed": allowed,
        "number": number,
        "path": path,
        "secret": secret,
        "text": text,
        "whole": whole,
        "word": word,
        "xml_secret": xml_secret,
    }
    return made
