"""Recorded bytes of an event socket in, facts out.

The older recordings (older-*) come from a prototype whose queues, agents and gateways had other names, and whose callers
kept their display names where our dialplan puts the call id; ours are put in their place, and nothing else is changed.
"""

import gzip
import itertools
import json
import re

from callctl.core.events import Fact, SeatChanged, SeatState
from callctl.core.model import City
from callctl.pbx.esl_frames import Answer, EslEvent, Frames
from callctl.pbx.freeswitch_map import FreeSwitchMap
from callctl.pbx.freeswitch_words import Fields, stamp_of
from tests.pbx.esl_server import event_frame
from tests.pbx.replay import RECORDINGS, sentence

_SEAT = re.compile(r"(\d+)@(\w+)\.12345\.lab")
_OLD_SLOT = re.compile(r"([a-z]+)-(\d{1,4})")


def recording(name: str) -> bytes:
    return gzip.decompress((RECORDINGS / f"{name}.esl.gz").read_bytes())


def names(pattern: str) -> list[str]:
    return sorted(path.name.removesuffix(".esl.gz") for path in RECORDINGS.glob(f"{pattern}.esl.gz"))


def frames(content: bytes, cuts: list[int] | None = None) -> list[EslEvent | Answer]:
    """What the wire makes of the bytes, when they arrive cut at these places."""
    found, reader = [], Frames()
    for start, end in itertools.pairwise([0, *sorted(cuts or []), len(content)]):
        found += reader.feed(content[start:end])
    return found


def events(content: bytes, cuts: list[int] | None = None) -> list[EslEvent]:
    """The events alone; those recorded as json as the switch would have sent them in plain."""
    plain = []
    for frame in frames(content, cuts):
        if isinstance(frame, EslEvent):
            plain.append(frame)
        elif frame.kind == "text/event-json":
            [event] = frames(event_frame({key: str(value) for key, value in json.loads(frame.body).items()}))
            assert isinstance(event, EslEvent)
            plain.append(event)
    return plain


class OlderNames:
    """An event of the prototype, with our names."""

    def __init__(self, event: Fields, calls: dict[str, str]) -> None:
        self._event = event
        self._calls = calls

    def get(self, name: str, default: str = "") -> str:
        value = self._event.get(name, default)
        match name:
            case "CC-Queue":
                return value.partition("@")[0]
            case "CC-Agent":
                slot = _OLD_SLOT.fullmatch(value)
                return f"{slot[1]}-{int(slot[2]) % 100:02d}" if slot else _SEAT.sub(r"\1", value)
            case "Gateway":
                return f"trunk-{value}"
            case "CC-Member-CID-Name":
                return self._call() if value else value
            case "variable_cc_base_score":
                return "1000000" if value else ""  # The prototype gave 600 to those who came back.
            case _:
                return value

    def _call(self) -> str:
        """One id a caller's channel, as our dialplan gives one: it stays the same when he comes back."""
        session, city = self._event.get("CC-Member-Session-UUID"), self._event.get("FreeSWITCH-Switchname")
        joined = int(stamp_of(self._event))
        return self._calls.setdefault(session, f"{city}-{joined}.{len(self._calls) + 1}")


def facts(city: City, heard: list[EslEvent], older: bool) -> list[Fact]:
    """The facts, as the link would tell them; our clock is the PBX's, an instant later."""
    cities = {city.code, *(trunk.to for trunk in city.trunks)}
    chart, told, calls = FreeSwitchMap(city, cities), [], {}
    for phone in chart.phones.values():
        phone.registered, phone.told = True, SeatState.FREE
    now = 0.0
    for event in heard:
        now = max(now, stamp_of(event) + 0.001)
        if event.forged:
            continue
        fields = OlderNames(event, calls) if older else event
        told += chart.facts(fields, now)
    return told


def story(city: City, name: str, phones: bool = False) -> list[str]:
    """A recording in sentences; phones' states only on request."""
    told = facts(city, events(recording(name)), older=name.startswith("older-"))
    return [sentence(fact) for fact in told if phones or not isinstance(fact, SeatChanged)]
