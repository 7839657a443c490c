"""The words of mod_callcenter and mod_sofia, header by header as a real switch said them (tests/pbx/recordings)."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

Headers = dict[str, str]

AGENT_COLUMNS = (
    "name|instance_id|uuid|type|contact|status|state|max_no_answer|wrap_up_time|reject_delay_time|busy_delay_time|"
    "no_answer_delay_time|last_bridge_start|last_bridge_end|last_offered_call|last_status_change|no_answer_count|"
    "calls_answered|talk_time|ready_time|external_calls_count"
)
TIER_COLUMNS = "queue|agent|state|level|position"
MEMBER_COLUMNS = (
    "queue|instance_id|uuid|session_uuid|cid_number|cid_name|system_epoch|joined_epoch|rejoined_epoch|bridge_epoch|"
    "abandoned_epoch|base_score|skill_score|serving_agent|serving_system|state|score"
)
CORE = "e3fe62ef-db43-4a6a-8085-fee46909c4a3"
_SOURCES = {
    "callcenter::info": ("mod_callcenter.c", "callcenter_function", "3113"),
    "callctl::info": ("mod_dptools.c", "event_function", "2157"),
}


@dataclass(frozen=True)
class Member:
    """A caller in a queue."""

    queue: str
    session: str
    name: str
    number: str
    joined: int

    @property
    def uuid(self) -> str:
        return str(uuid.uuid5(uuid.NAMESPACE_OID, self.session))

    def headers(self) -> Headers:
        return {
            "CC-Member-UUID": self.uuid,
            "CC-Member-Session-UUID": self.session,
            "CC-Member-CID-Name": self.name,
            "CC-Member-CID-Number": self.number,
        }


def event(subclass: str, headers: Mapping[str, str], switch: str, now: float, sequence: int) -> Headers:
    """The whole event: what switch_event_prep_for_delivery() puts before its own headers."""
    at = datetime.fromtimestamp(int(now), UTC)
    file, function, line = _SOURCES.get(subclass, ("sofia_reg.c", "sofia_reg_fire_custom_gateway_state_event", "156"))
    return {
        "Event-Subclass": subclass,
        "Event-Name": "CUSTOM",
        "Core-UUID": CORE,
        "FreeSWITCH-Hostname": "vm",
        "FreeSWITCH-Switchname": switch,
        "FreeSWITCH-IPv4": "192.0.2.2",
        "FreeSWITCH-IPv6": "fd00::2",
        "Event-Date-Local": at.strftime("%Y-%m-%d %H:%M:%S"),
        "Event-Date-GMT": at.strftime("%a, %d %b %Y %H:%M:%S GMT"),
        "Event-Date-Timestamp": str(round(now * 1e6)),
        "Event-Calling-File": file,
        "Event-Calling-Function": function,
        "Event-Calling-Line-Number": line,
        "Event-Sequence": str(sequence),
        **headers,
    }


def heartbeat(switch: str, now: float, sequence: int) -> Headers:
    """HEARTBEAT, as far as anybody reads it."""
    headers = event("", {"Event-Info": "System Ready"}, switch, now, sequence)
    del headers["Event-Subclass"]
    return {**headers, "Event-Name": "HEARTBEAT"}


def member_queue_start(member: Member, returned: bool) -> Headers:
    score = {"variable_cc_base_score": "1000000"} if returned else {}
    return {"Unique-ID": member.session, **score, **_queue(member, "member-queue-start"), **member.headers()}


def members_count(queue: str, count: int) -> Headers:
    return {"CC-Queue": queue, "CC-Action": "members-count", "CC-Count": str(count), "CC-Selection": "Single-Queue"}


def member_queue_end(member: Member, now: float, cause: str, reason: str = "") -> Headers:
    times = {"CC-Member-Leaving-Time": str(int(now)), "CC-Member-Joined-Time": str(member.joined)}
    if cause == "Cancel":
        why = {"CC-Cause": cause, "CC-Cancel-Reason": reason}
        return {"Unique-ID": member.session, **_queue(member, "member-queue-end"), **times, **why, **member.headers()}
    why = {"CC-Hangup-Cause": "SUCCESS", "CC-Cause": cause}
    return {"Unique-ID": member.session, **_queue(member, "member-queue-end"), **why, **times, **member.headers()}


def agent_offering(agent: str, member: Member) -> Headers:
    who = {"CC-Agent": agent, "CC-Agent-Type": "callback", "CC-Agent-System": "single_box"}
    return {**_queue(member, "agent-offering"), **who, **member.headers(), "CC-Member-DNIS": "offer"}


def bridge_agent_fail(agent: str, member: Member, cause: str, now: float) -> Headers:
    return {
        **_queue(member, "bridge-agent-fail"),
        "CC-Hangup-Cause": cause,
        "CC-Agent": agent,
        "CC-Agent-System": "single_box",
        "CC-Agent-Called-Time": str(int(now)),
        "CC-Agent-Aborted-Time": str(int(now)),
        **member.headers(),
        "CC-Member-Joined-Time": str(member.joined),
    }


def bridge_agent_start(agent: str, member: Member, now: float, waited_s: float) -> Headers:
    return {
        "Unique-ID": f"leg-of-{agent}",
        **_queue(member, "bridge-agent-start"),
        "CC-Agent": agent,
        "CC-Agent-System": "single_box",
        "CC-Agent-UUID": f"leg-of-{agent}",
        "CC-Agent-Called-Time": str(int(now)),
        "CC-Agent-Answered-Time": str(int(now)),
        "CC-Member-Joined-Time": str(int(now - waited_s)),
        **member.headers(),
        "CC-Member-DNIS": "offer",
    }


def bridge_agent_end(agent: str, member: Member, now: float, talked_s: float) -> Headers:
    return {
        "Unique-ID": f"leg-of-{agent}",
        "Hangup-Cause": "NORMAL_CLEARING",
        **_queue(member, "bridge-agent-end"),
        "CC-Hangup-Cause": "SUCCESS",
        "CC-Agent": agent,
        "CC-Agent-System": "single_box",
        "CC-Agent-UUID": f"leg-of-{agent}",
        "CC-Agent-Bridged": "true",
        "CC-Agent-Called-Time": str(int(now - talked_s)),
        "CC-Agent-Answered-Time": str(int(now - talked_s)),
        "CC-Member-Joined-Time": str(member.joined),
        "CC-Bridge-Terminated-Time": str(int(now)),
        **member.headers(),
    }


def agent_state_change(agent: str, state: str) -> Headers:
    return {"CC-Agent": agent, "CC-Action": "agent-state-change", "CC-Agent-State": state}


def agent_status_change(agent: str, status: str) -> Headers:
    return {"CC-Agent": agent, "CC-Action": "agent-status-change", "CC-Agent-Status": status}


def gateway_state(gateway: str, up: bool) -> Headers:
    # sofia_reg.c: a gateway without registration is NOREG; what OPTIONS found is the ping's status.
    answer = {"Phrase": "OK", "Status": "200"} if up else {"Phrase": "Request Timeout", "Status": "408"}
    return {"Gateway": gateway, "State": "NOREG", "Ping-Status": "UP" if up else "DOWN", **answer}


def agent_row(name: str, status: str, state: str, wrap_up_s: int, ended: int, leg: str = "") -> list[str]:
    """As the rendered configuration makes a seat, and callctl's orders a slot."""
    contact, rest_s = (f"user/{name}", "1") if name.isdigit() else ("${lua(callctl/slot.lua)}", "2")
    return [
        *(name, "single_box", leg, "callback", contact, status, state, "0", str(wrap_up_s), "2", "2", rest_s, "0"),
        *(str(ended), "0", "0", "0", "0", "0", "0", "0"),
    ]


def member_row(member: Member, state: str, by: str, score: int, answered: int) -> list[str]:
    joined = str(member.joined)
    return [
        *(member.queue, "single_box", member.uuid, member.session, member.number, member.name, joined, joined, "0"),
        *(str(answered), "0", str(score), "0", by, "single_box" if by else "", state, str(score)),
    ]


def listed(columns: str, rows: list[list[str]]) -> bytes:
    """list_result_callback(): column names before the first row only, then +OK."""
    lines = [columns, *("|".join(row) for row in rows)] if rows else []
    return "".join(line + "\n" for line in (*lines, "+OK")).encode()


def _queue(member: Member, action: str) -> Headers:
    return {"CC-Queue": member.queue, "CC-Action": action}
