"""The form of agents/<city>.toml and queues/<city>.toml: every table, every key, its meaning, its limits, an example.

The meanings are the comments of the shipped files and the mending hints of `callctl check`: one text for both.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from callctl.core.model import LendRules, PbxAddress, QueueRules
from callctl.folders.words import (
    check_area_code,
    check_browser_url,
    check_greeting,
    check_host,
    check_host_or_nothing,
    check_network,
    check_queue_name,
    check_seat_id,
    check_skill,
    check_sound,
    check_text,
)

Text = Annotated[str, AfterValidator(check_text)]
Host = Annotated[str, AfterValidator(check_host)]
HostOrNothing = Annotated[str, AfterValidator(check_host_or_nothing)]

_PBX = PbxAddress.__dataclass_fields__
_QUEUE = QueueRules.__dataclass_fields__
_LEND = LendRules.__dataclass_fields__
_HOUR_S = 3600.0  # No wait or pause of a hotline is longer; a larger number was meant as milliseconds.


def _needed(example: object, meaning: str, **limits: Any) -> Any:
    return Field(description=meaning, examples=[example], **limits)


def _may(example: object, meaning: str, field: Any, **limits: Any) -> Any:
    """An optional key; its default is the one of the core's dataclass."""
    return Field(default=field.default, description=meaning, examples=[example], **limits)


def _port(field: Any, meaning: str) -> Any:
    return _may(field.default, meaning, field, ge=1, le=65535)


class Table(BaseModel):
    """What all tables share: no unknown keys, no silent conversion, no infinity."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class PbxTable(Table):
    """`[pbx]`"""

    kind: Literal["asterisk", "freeswitch"] = _needed("asterisk", '"asterisk" or "freeswitch"')
    version: int = _may(22, "Asterisk's major version, 18 to 22, as `asterisk -V` says", _PBX["version"], ge=18, le=22)
    host: Host = _needed("10.32.14.1", "address of its SIP and RTP")
    sip_port: int = _port(_PBX["sip_port"], "SIP port, 1 to 65535")
    ami_host: HostOrNothing = _may("10.32.14.2", 'address of its management interface; "" for host', _PBX["ami_host"])
    ami_port: int = _port(_PBX["ami_port"], "port of the management interface, 1 to 65535")
    carrier: HostOrNothing = _may("10.32.14.9", "the carrier's SBC: only it may place calls to 12345", _PBX["carrier"])
    carrier_port: int = _port(_PBX["carrier_port"], "SIP port of the carrier's SBC, 1 to 65535")
    phones: Annotated[str, AfterValidator(check_network)] = _may(
        "10.32.15.0/24", "network the agents' phones register from", _PBX["phones"]
    )
    browser_port: int = _may(
        8089, "port of its WebSocket for phones in the browser; 0 for none", _PBX["browser_port"], ge=0, le=65535
    )
    browser_tls: bool = _may(
        True, "true or false: the PBX speaks TLS there itself; false only behind a TLS proxy", _PBX["browser_tls"]
    )
    browser_url: Annotated[str, AfterValidator(check_browser_url)] = _may(
        "wss://12345.example.cn/phone",
        'address browsers use where a proxy stands in front; "" for none',
        _PBX["browser_url"],
    )
    browsers: Annotated[str, AfterValidator(check_network)] = _may(
        "10.32.15.0/24", "network the browsers, or the proxy in front, come from", _PBX["browsers"]
    )


class QueueTable(Table):
    """`[queue]`"""

    name: Annotated[str, AfterValidator(check_queue_name)] = _may(
        "q12345", "name of the 12345 queue on the PBX", _QUEUE["name"]
    )
    wait_threshold_s: float = _may(
        20, "head-of-line wait, in seconds, that makes assistance act", _QUEUE["wait_threshold_s"], gt=0, le=_HOUR_S
    )
    release_after_s: float = _may(
        60, "queue calm this many seconds: assistance rests", _QUEUE["release_after_s"], ge=0, le=_HOUR_S
    )
    sl_target: float = _may(
        0.80, "share, 0 to 1, of its own callers answered within sl_seconds", _QUEUE["sl_target"], ge=0, le=1
    )
    sl_seconds: float = _may(15, "seconds that sl_target speaks of", _QUEUE["sl_seconds"], gt=0, le=_HOUR_S)
    wrapup_s: float = _may(10, "seconds an agent rests after a call", _QUEUE["wrapup_s"], ge=0, le=_HOUR_S)
    announce_position: bool = _may(
        False, "true or false: tell callers their place in the queue", _QUEUE["announce_position"]
    )
    offer_callback: bool = _may(True, "true or false: offer a call-back that keeps the place", _QUEUE["offer_callback"])
    call_back_missed: bool = _may(
        False, "true or false: let callctl have missed callers called back", _QUEUE["call_back_missed"]
    )
    survey: bool = _may(True, "true or false: ask for a score of 1 to 5 after the call", _QUEUE["survey"])
    record: bool = _may(True, "true or false: record the calls", _QUEUE["record"])
    write_cdr: bool = _may(False, "true or false: write call detail records (cdr-csv)", _QUEUE["write_cdr"])
    pause_unanswered: bool = _may(
        False, "true or false: pause an own agent whose phone rings out or refuses", _QUEUE["pause_unanswered"]
    )
    notice: Annotated[str, AfterValidator(check_sound)] = _may(
        "custom/notice", 'sound file of the recording notice; "" for the packaged one', _QUEUE["notice"]
    )
    greeting: Annotated[str, AfterValidator(check_greeting)] = _may(
        "您好，扬州12345，{agent}号为您服务。",
        'what agents say for the city first, "{agent}" is their number; "" for the usual sentence',
        _QUEUE["greeting"],
    )
    max_waiting: int = _may(400, "most callers waiting at once; 0 for no limit", _QUEUE["max_waiting"], ge=0, le=100_000)


class LendTable(Table):
    """`[lend]`"""

    reserve: int = _may(1, "free agents always kept home, at least", _LEND["reserve"], ge=0, le=10_000)
    quota: int = _may(8, "most seats lent at once", _LEND["quota"], ge=0, le=10_000)
    together: int = _may(3, "most lent seats that ring together for a caller; 1: one", _LEND["together"], ge=1, le=10)
    helps: list[str] = Field(default=[], description='codes of cities it may help; ["*"] for all', examples=[["*"]])


class TrunkTable(Table):
    """`[[trunk]]`"""

    to: str = _needed("xuzhou", "code of the other city")
    host: Host = _needed("10.32.16.1", "address of the other city's PBX")
    port: int = Field(default=5060, description="its SIP port, 1 to 65535", examples=[5060], ge=1, le=65535)
    channels: int = _needed(30, "calls at a time, both directions together", ge=1, le=10_000)


class QueuesFile(Table):
    """queues/<city>.toml"""

    name_zh: Text = _needed("扬州", "the city's name")
    area_code: Annotated[str, AfterValidator(check_area_code)] = _needed("0514", "long-distance code")
    pbx: PbxTable
    queue: QueueTable = QueueTable()
    lend: LendTable = LendTable()
    trunk: list[TrunkTable] = []


class SeatTable(Table):
    """`[[seat]]`"""

    id: Annotated[str, AfterValidator(check_seat_id)] = _needed("2001", "the phone's extension, unique in the province")
    agent: Text = _needed("200001", "工号 of the agent who sits there")
    name: Text = _needed("王芳", "the agent's name")
    lend: Literal["no", "shared", "dedicated"] = _needed("shared", '"no", "shared" or "dedicated"')
    skills: list[Annotated[str, AfterValidator(check_skill)]] = Field(
        default=[], description="languages and dialects", examples=[["mandarin", "jianghuai"]], max_length=20
    )
    phone: Literal["sip", "browser"] = Field(
        default="sip", description='"sip" for a device or program, "browser" for the console\'s own page', examples=["sip"]
    )


class AgentsFile(Table):
    """agents/<city>.toml"""

    seat: list[SeatTable] = []


TABLES: dict[str, type[Table]] = {
    "pbx": PbxTable,
    "queue": QueueTable,
    "lend": LendTable,
    "trunk": TrunkTable,
    "seat": SeatTable,
}
REPEATED = ("trunk", "seat")  # Written [[trunk]], once for each.
