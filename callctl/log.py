"""One line a fact, in Chinese or English words, never with a citizen's number in clear and never without end.

Two lines of defence: whoever logs a number binds `mask(number)`; and whatever still looks like a phone number in any
value is masked on its way out. A fact that repeats is written at most LINES_PER_WINDOW times in WINDOW_S.
"""

import contextlib
import logging
import re
import sys
from collections.abc import Callable, Collection, Mapping
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

LINES_PER_WINDOW = 20  # Of one event key: a PBX that flaps every second still shows, a storm does not fill the disk.
WINDOW_S = 10.0
KEYS_KEPT = 1000  # Event keys remembered for the limit: ours are some dozens, libraries may make more.
DEPTH_MASKED = 4  # Values nested deeper than this are written as "…", for they cannot be vouched for.

# Libraries that log for themselves, and the level from which a supervisor should hear them.
LIBRARIES = {"panoramisk": logging.WARNING, "sqlalchemy": logging.WARNING, "redis": logging.WARNING}

_WITHHELD = frozenset({"anonymous", "unknown", "private", "restricted", "unavailable", "asterisk", "匿名"})

# 工信部: mobiles are 11 digits from 13 to 19; area codes 3 or 4 digits with 0, subscribers 7 or 8 digits.
_LOOKS_LIKE_PHONE = re.compile(
    r"(?<![A-Za-z0-9_.+])(?:"
    r"(?:(?:\+|00)?86[- ]?)?1[3-9]\d[- ]?\d{4}[- ]?\d{4}"
    r"|(?:(?:\+|00)?86[- ]?)?\(?0\d{2,3}\)?[- ]?\d{7,8}"
    r"|(?:\+|00)86[- ]?\d{9,11}"
    r"|\+\d{7,15}"
    r")(?![A-Za-z0-9_]|\.\d)"  # Not \b: a Chinese character beside a number is a letter to it.
)
_COUNTRY = re.compile(r"(?:\+|00)86|86(?=1[3-9]\d{9}$|0\d{9,11}$)")
_AREA = re.compile(r"0(?:10|2\d|[3-9]\d{2})")


def mask(number: str) -> str:
    """A number as it may be logged and shown: 138****0001, 0514****4321, 1***5; withheld numbers stay as they are.

    Nothing that is not known to be harmless is shown: what is not a number at all becomes ***.
    """
    text = number.strip()
    if not text or text.lower() in _WITHHELD:
        return text
    digits = re.sub(r"[\s()./-]", "", text.removeprefix("sip:").removeprefix("tel:").split("@")[0])
    country = _COUNTRY.match(digits)
    prefix, rest = (country[0], digits[country.end() :]) if country else ("", digits)
    if rest.startswith("+"):
        prefix, rest = "+", rest[1:]
    if not (rest.isascii() and rest.isdigit()):
        return "***"
    return prefix + _mask_digits(rest)


def _mask_digits(digits: str) -> str:
    if len(digits) <= 4:
        return "*" * len(digits)
    if len(digits) <= 6:
        return f"{digits[0]}***{digits[-1]}"
    area = _AREA.match(digits)
    head = area[0] if area and len(digits) >= 10 else digits[: 3 if len(digits) >= 10 else 2]
    tail = digits[-4:] if len(digits) >= 10 else digits[-2:]
    return f"{head}****{tail}"


def mask_text(text: str) -> str:
    """The text with everything that looks like a citizen's number masked.

    A bare local number (7 or 8 digits, no area code) cannot be told from an id and passes: bind mask(number).
    """
    return _LOOKS_LIKE_PHONE.sub(lambda match: mask(match[0]), text)


def _masked(value: object, depth: int = 0) -> object:
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return mask_text(str(value)) if len(str(value)) == 11 else value
    if isinstance(value, Mapping | list | tuple | set | frozenset):
        return "…" if depth >= DEPTH_MASKED else _masked_all(value, depth + 1)
    return mask_text(str(value))


def _masked_all(values: Mapping[Any, Any] | Collection[Any], depth: int) -> object:
    if isinstance(values, Mapping):
        return {mask_text(str(key)): _masked(value, depth) for key, value in values.items()}
    return [_masked(value, depth) for value in values]


def mask_numbers(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Structlog processor: the second line of defence."""
    return {key: value if key.startswith("_") or key == "timestamp" else _masked(value) for key, value in event.items()}


class RateLimit:
    """Structlog processor: at most LINES_PER_WINDOW lines a window of one event key, then how many were left out."""

    def __init__(self, now: Callable[[], float], lines: int = LINES_PER_WINDOW, window_s: float = WINDOW_S) -> None:
        self._now = now
        self._lines = lines
        self._window_s = window_s
        self._seen: dict[tuple[str, str], tuple[float, int]] = {}  # Key → start of the window, lines in it.

    def __call__(self, _logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        record = event.get("_record")
        # A library's template, not its text: "lost host 1", "lost host 2" … are one key.
        key = (method, str(record.msg if isinstance(record, logging.LogRecord) else event.get("event", "")))
        now = self._now()
        began, count = self._seen.get(key, (now, 0))
        if not began <= now < began + self._window_s:
            if count > self._lines:
                event["left_out"] = count - self._lines
            began, count = now, 0
        if key not in self._seen and len(self._seen) >= KEYS_KEPT:
            self._seen.clear()  # Forgetting lets a few lines too many through; growing for ever would not do.
        self._seen[key] = (began, count + 1)
        if count >= self._lines:
            raise structlog.DropEvent
        return event


def set_up(style: str, now: Callable[[], float], stream: TextIO | None = None, level: int = logging.INFO) -> None:
    """Send every log line of this process, the libraries' too, to `stream` (standard error). `style`: console, json."""
    out = sys.stderr if stream is None else stream
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        RateLimit(now),
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="timestamp"),
        structlog.processors.format_exc_info,
        mask_numbers,
    ]
    renderer: Processor = structlog.processors.JSONRenderer(ensure_ascii=False, default=str)
    if style == "console":
        renderer = structlog.dev.ConsoleRenderer(colors=out.isatty(), pad_event_to=0)
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=False,  # Loggers are module globals, made before set_up runs.
    )
    _route_libraries(out, shared, renderer, level)


def _route_libraries(out: TextIO, shared: list[Processor], renderer: Processor, least: int) -> None:
    lines = _Lines(out)
    lines.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[*shared, structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer]
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [lines]
    root.setLevel(max(logging.WARNING, least))
    for name, level in LIBRARIES.items():
        library = logging.getLogger(name)
        library.handlers[:] = []
        library.propagate = True
        library.setLevel(max(level, least))


class _Lines(logging.StreamHandler[TextIO]):
    """The libraries' lines. A line the rate limit drops is no error; a line that cannot be written costs one line."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line; DropEvent is no Exception and would otherwise fly through the library that logs."""
        with contextlib.suppress(structlog.DropEvent):
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:
        """Called by logging inside the except block; its own version prints a traceback with the numbers in clear."""
        self.stream.write(f"a log line of {record.name} could not be written: {type(sys.exception()).__name__}\n")
