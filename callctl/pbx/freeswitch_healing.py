"""mod_callcenter forgets agents and callers in states that nothing ends. Here they are found, and what heals them. No I/O.

Publicly known (issues 1062, 1641, 1973, 2529 and 2540 of FreeSWITCH): an agent "Receiving" without a call, "Reserved" for
ever, a caller "Answered" without a channel, an agent's call that outlives its caller, a dispatch thread that is gone. Every
state is compared with the channels that really exist; one that looks wrong twice, and the same both times, is wrong. Their
list is the longest a switch has, so it is asked for only where the short lists do not explain each other.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from callctl.core.events import SeatState
from callctl.pbx import freeswitch_names as names
from callctl.pbx.freeswitch_map import FreeSwitchMap
from callctl.pbx.freeswitch_reading import Lists, member_call, on_trunk
from callctl.pbx.freeswitch_words import MEMBER_TALKS, MEMBER_WAITS, RESERVED, RUNG, TALKING, WAITING, Row
from callctl.pbx.values import number_of

LOOK_EVERY_S = 2.0  # What is stuck is free after three looks: 6 s and the time they take, of ten seconds.
STUCK_AFTER_S = 3.5  # An honest state without a channel lasts milliseconds.
NOBODY_RUNG_AFTER_S = 10.0  # mod_callcenter looks for agents ten times a second.
COMPARE_EVERY_S = 10.0  # Also where all looks well: a talk whose two halves were both forgotten explains itself.
PAUSES_A_LOOK = 4.0  # A look that took long is followed by a pause of so many times that: orders go first.

Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Remedy:
    """What to do about one stuck thing: "" where nothing but a person can help; and what to say of it."""

    command: str
    what: str
    who: str


@dataclass(frozen=True, slots=True)
class _Trouble:
    """What looks wrong in one look. The key holds everything that would have changed if it were not stuck."""

    key: Key
    remedy: Remedy
    after_s: float = STUCK_AFTER_S


class Healing:
    """What looked wrong in one city, and since when."""

    def __init__(self) -> None:
        self._seen: dict[Key, float] = {}
        self._done: set[Key] = set()
        self._compared_at = float("-inf")

    def wants_channels(self, chart: FreeSwitchMap, lists: Lists, now: float) -> bool:
        """Whether these lists, without the channels, are not enough to call everything well."""
        overdue = now - self._compared_at >= COMPARE_EVERY_S
        return bool(self._seen) or overdue or looks_wrong(chart, lists, now - chart.ahead_s)

    def look(self, chart: FreeSwitchMap, lists: Lists, now: float) -> tuple[Remedy, ...]:
        """What has been wrong for too long; each thing once. `lists` with the channels."""
        self._compared_at = now
        troubles = {trouble.key: trouble for trouble in _troubles(chart, lists, now - chart.ahead_s)}
        self._seen = {key: self._seen.get(key, now) for key in troubles}
        self._done &= troubles.keys()
        due = [
            trouble
            for key, trouble in troubles.items()
            if key not in self._done and now - self._seen[key] >= trouble.after_s
        ]
        self._done |= {trouble.key for trouble in due}
        return tuple(trouble.remedy for trouble in due)


def pause_after(took_s: float, look_every_s: float) -> float:
    """Seconds until the next look, after one that took so long."""
    return max(look_every_s, PAUSES_A_LOOK * took_s)


def looks_wrong(chart: FreeSwitchMap, lists: Lists, pbx_now: float) -> bool:
    """Whether only the channels can tell that all is well: somebody rings, or agents, callers and events disagree."""
    ours = [member for member in lists.members if member_call(chart, member)]
    talks = {member.get("serving_agent", "") for member in ours if member.get("state") == MEMBER_TALKS}
    agents = {row.get("name", ""): row for row in lists.agents if chart.answerer(row.get("name", "")) is not None}
    if any(_agent_looks_wrong(chart, agent, talks) for agent in agents.values()):
        return True
    if any(_member_looks_wrong(chart, member, agents) for member in ours):
        return True
    waits = any(member.get("state") == "Waiting" for member in ours)
    return waits and bool(_free_agents(chart, lists, pbx_now))


def _agent_looks_wrong(chart: FreeSwitchMap, agent: Row, talks: Collection[str]) -> bool:
    name, state = agent.get("name", ""), agent.get("state", "")
    if state == RESERVED and name in chart.phones and chart.phones[name].lent is SeatState.BUSY:
        return False  # Held while it talks for another city (seat.lua).
    return state in RUNG or (state == TALKING) != (name in talks) or number_of(agent.get("external_calls_count")) > 0


def _member_looks_wrong(chart: FreeSwitchMap, member: Row, agents: Mapping[str, Row]) -> bool:
    state, call, name = member.get("state"), member_call(chart, member), member.get("serving_agent", "")
    if state == "Waiting":
        return chart.callers.get(call) != member.get("session_uuid")
    if state == MEMBER_TALKS:
        return call not in chart.talks or name not in agents
    return state in MEMBER_WAITS


def _troubles(chart: FreeSwitchMap, lists: Lists, pbx_now: float) -> Iterator[_Trouble]:
    channels = {row.get("uuid", ""): row for row in lists.channels}
    served = {member.get("serving_agent", ""): member for member in lists.members if member.get("session_uuid") in channels}
    for agent in lists.agents:
        name = agent.get("name", "")
        if chart.answerer(name) is not None:
            yield from _agent(chart, agent, served.get(name), channels)
    for member in lists.members:
        if member_call(chart, member):
            yield from _member(chart, member, lists, channels)
    yield from _nobody_rung(chart, lists, channels, pbx_now)


def _agent(chart: FreeSwitchMap, agent: Row, member: Row | None, channels: Mapping[str, Row]) -> Iterator[_Trouble]:
    name, state, leg = agent.get("name", ""), agent.get("state", ""), channels.get(agent.get("uuid", ""))
    key = ("agent", name, state, agent.get("last_offered_call", ""), agent.get("last_bridge_start", ""))
    free = f"callcenter_config agent set state {name} {WAITING}"
    if state in RUNG and not _has_leg(chart, name, member, channels):
        yield _Trouble(key, Remedy(free, f"{state} without a ring", name))
    elif state == TALKING and leg is None and not _has_leg(chart, name, member, channels):
        yield _Trouble(key, Remedy(free, "in a call that is over", name))
    elif state == TALKING and leg is not None and member is None and not _bridged(leg, channels):
        yield _Trouble(key, Remedy(f"uuid_kill {leg['uuid']}", "talks to nobody", name))
    elif number_of(agent.get("external_calls_count")) > 0 and not _phone_leg(chart, name, channels):
        said = "counted as busy with another city's call that is over; `reload mod_callcenter` frees it"
        yield _Trouble(("count", name, agent.get("external_calls_count", "")), Remedy("", said, name), 2 * STUCK_AFTER_S)


def _has_leg(chart: FreeSwitchMap, agent: str, member: Row | None, channels: Mapping[str, Row]) -> bool:
    """Whether a channel exists that can be this agent's: the phone's own, or a leg over a trunk for that caller."""
    if agent in chart.seats:
        return _phone_leg(chart, agent, channels)
    return member is not None and on_trunk(member_call(chart, member), channels.values())


def _phone_leg(chart: FreeSwitchMap, seat: str, channels: Mapping[str, Row]) -> bool:
    return any(row.get("presence_id") == f"{seat}@{chart.city.code}" for row in channels.values())


def _bridged(leg: Row, channels: Mapping[str, Row]) -> bool:
    """Whether somebody else is on the line: a colleague, whom the agent has transferred the call to or asked."""
    uuid, call = leg.get("uuid", ""), leg.get("call_uuid", "")
    if call != uuid and call in channels:
        return True
    return any(other.get("call_uuid") in (uuid, call or uuid) for own, other in channels.items() if own != uuid)


def _member(chart: FreeSwitchMap, member: Row, lists: Lists, channels: Mapping[str, Row]) -> Iterator[_Trouble]:
    state, session, call = member.get("state", ""), member.get("session_uuid", ""), member_call(chart, member)
    if session and session not in channels and state in {*MEMBER_WAITS, MEMBER_TALKS}:
        # The script looks again, and strikes off only whose call is really gone. `expand` fills in ${conf_dir}.
        command = f"expand lua ${{conf_dir}}/scripts/unlist.lua {session}"
        yield _Trouble(("member", member.get("uuid", ""), state), Remedy(command, f"listed as {state}, but gone", call))
    if state == "Trying" and session in channels:
        name = member.get("serving_agent", "")
        agent = next((row for row in lists.agents if row.get("name") == name), {})
        rung = agent.get("state") in RUNG and _has_leg(chart, name, member, channels)
        if not rung and not _has_leg(chart, name, member, channels):
            # He leaves the queue by key, and our dialplan brings him back to its front.
            command = f"uuid_recv_dtmf {session} {names.LEAVE_KEY}"
            yield _Trouble(("member", member.get("uuid", ""), state, name), Remedy(command, "rung for by nobody", call))


def _nobody_rung(chart: FreeSwitchMap, lists: Lists, channels: Mapping[str, Row], pbx_now: float) -> Iterator[_Trouble]:
    """Callers wait, agents are free, and nobody is rung: mod_callcenter's dispatch thread is gone."""
    waiting = [
        member
        for member in lists.members
        if member_call(chart, member) and member.get("state") == "Waiting" and member.get("session_uuid") in channels
    ]
    free = _free_agents(chart, lists, pbx_now)
    if waiting and free:
        # One that was rung meanwhile has another last offered call.
        key = ("dispatch", waiting[0].get("uuid", ""), *sorted(row.get("last_offered_call", "") for row in free))
        said = f"rings nobody: {len(waiting)} wait, {len(free)} are free; only a restart of FreeSWITCH mends it"
        yield _Trouble(key, Remedy("", said, "mod_callcenter"), NOBODY_RUNG_AFTER_S)


def _free_agents(chart: FreeSwitchMap, lists: Lists, pbx_now: float) -> list[Row]:
    tiers = {tier.get("agent", "") for tier in lists.tiers if tier.get("queue") == chart.home}
    return [row for row in lists.agents if row.get("name") in tiers and _could_be_rung(chart, row, pbx_now)]


def _could_be_rung(chart: FreeSwitchMap, agent: Row, pbx_now: float) -> bool:
    seat = agent.get("name", "")
    rested = number_of(agent.get("last_bridge_end")) + number_of(agent.get("wrap_up_time")) < pbx_now - 1
    return (
        agent.get("status") == names.OPEN
        and agent.get("state") == WAITING
        and rested
        and number_of(agent.get("ready_time")) <= pbx_now
        and number_of(agent.get("external_calls_count")) == 0
        and (seat not in chart.phones or chart.phones[seat].registered)
    )
