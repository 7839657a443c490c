"""The province as its data folders describe it: cities, queues, trunks, seats. It does not change while callctl runs.

Sources of the words: docs/GLOSSARY.md; of the numbers: agents/ and queues/, read and checked by callctl.province.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple


class Lending(enum.Enum):
    """Whether a seat may be lent (agents/<city>.toml, key `lend`)."""

    NO = "no"
    SHARED = "shared"  # Also serves its own 12345 queue, and that queue comes first.
    DEDICATED = "dedicated"  # 专席: takes only calls of assisted cities.


class PbxKind(enum.Enum):
    """The PBX families callctl can speak to (queues/<city>.toml, key `pbx.kind`)."""

    ASTERISK = "asterisk"
    FREESWITCH = "freeswitch"


class SeatRef(NamedTuple):
    """One seat of one city; the registry's key."""

    city: str
    seat: str


class SlotRef(NamedTuple):
    """One slot at the assisted city: the number-th remote call that `supporting` may carry for it at a time."""

    supporting: str
    number: int


class Pair(NamedTuple):
    """Who is helped, and by whom."""

    assisted: str
    supporting: str


@dataclass(frozen=True, slots=True)
class Seat:
    """A position with a phone, and the agent who sits there."""

    id: str  # Digits; also the phone's extension. Unique in the province.
    agent: str  # 工号
    name: str
    lend: Lending
    skills: tuple[str, ...] = ()
    in_browser: bool = False  # Its phone is the console's page (WebRTC), not a device; the PBX must know beforehand.


@dataclass(frozen=True, slots=True)
class Trunk:
    """A SIP trunk to one other city."""

    to: str
    host: str
    channels: int  # Calls at a time, both directions together.
    port: int = 5060


@dataclass(frozen=True, slots=True)
class PbxAddress:
    """Where a city's PBX is, and which version's syntax its files need."""

    kind: PbxKind
    host: str  # SIP, RTP and (unless `ami_host` differs) the management interface.
    version: int = 22  # Asterisk's major version, 18 to 22; the Queue() arguments differ.
    ami_host: str = ""
    ami_port: int = 5038
    sip_port: int = 5060
    carrier: str = ""  # The carrier's SBC; only it may place calls to 12345.
    carrier_port: int = 5060
    phones: str = "0.0.0.0/0"  # The network the agents' phones register from.
    browser_port: int = 0  # Of the WebSocket for phones in the browser; 0: there is none.
    browser_tls: bool = True  # Whether the PBX itself speaks TLS there; else a proxy in front of it must.
    browser_url: str = ""  # The address browsers use, where a proxy stands in front; else it follows from the above.
    browsers: str = "0.0.0.0/0"  # The network the browsers (or the proxy) come from.

    @property
    def browser_address(self) -> str:
        """Where a browser's phone connects; "" where there is no such door."""
        if not self.browser_port:
            return ""
        return self.browser_url or f"{'wss' if self.browser_tls else 'ws'}://{self.host}:{self.browser_port}/ws"


@dataclass(frozen=True, slots=True)
class QueueRules:
    """The city's own 12345 queue and when assistance acts for it."""

    name: str = "q12345"
    wait_threshold_s: float = 20.0  # Head-of-line wait that makes assistance act.
    release_after_s: float = 60.0  # Queue calm this long: assistance rests (hysteresis).
    sl_target: float = 0.80  # Share answered within sl_seconds that the city keeps for its own callers.
    sl_seconds: float = 15.0
    wrapup_s: float = 10.0
    announce_position: bool = False
    offer_callback: bool = True
    call_back_missed: bool = False  # Whether callctl may have the PBX call back who was not answered.
    survey: bool = True
    record: bool = True
    write_cdr: bool = False  # Whether the PBX writes call detail records, by which anybody can count a report again.
    pause_unanswered: bool = False  # An own agent whose phone rings out is paused, until ready again.
    notice: str = ""  # Sound file of the recording notice; empty: the packaged one.
    max_waiting: int = 0  # 0: unlimited.
    greeting: str = ""  # What an agent says for the city; "{agent}" is the agent's number. "": callctl's own sentence.


RING_TOGETHER = 3  # Seats that ring at once for one caller; see docs/SIMULATION.md for what each gains.


@dataclass(frozen=True, slots=True)
class LendRules:
    """How far the city may help others."""

    reserve: int = 1  # Free agents always kept home, at least.
    quota: int = 0  # Most seats lent at once.
    helps: tuple[str, ...] = ()  # City codes; ("*",) is everybody.
    together: int = RING_TOGETHER  # Most lent seats that ring together for one caller; 1: one phone a caller.


@dataclass(frozen=True, slots=True)
class City:
    """One answering city (or the province node, which answers and lends like a city)."""

    code: str  # Lower-case letters; names files, trunks and queues.
    name_zh: str
    area_code: str
    pbx: PbxAddress
    queue: QueueRules
    lend: LendRules
    trunks: tuple[Trunk, ...]
    seats: tuple[Seat, ...]

    def trunk_to(self, other: str) -> Trunk | None:
        """The trunk to `other`, or None."""
        return next((trunk for trunk in self.trunks if trunk.to == other), None)

    def may_help(self, other: str) -> bool:
        """Whether the data folder lets this city help `other`."""
        return other != self.code and ("*" in self.lend.helps or other in self.lend.helps)


@dataclass(frozen=True, slots=True)
class Province:
    """Every city, by code, in a fixed order."""

    cities: Mapping[str, City]

    def channels(self, pair: Pair) -> int:
        """Calls at a time the trunks between the pair can carry; 0 where one end has none."""
        there = self.cities[pair.assisted].trunk_to(pair.supporting)
        back = self.cities[pair.supporting].trunk_to(pair.assisted)
        return min(there.channels, back.channels) if there and back else 0
