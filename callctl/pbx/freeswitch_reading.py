"""One full reading of a FreeSWITCH: what its lists say, as one PbxObserved. No I/O.

Asked, in this order: the home queue's members, agents, tiers, registrations, the trunks that are up, channels. A citizen's
display name is in none of the answers that count: our dialplan has put the call id in its place.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from callctl.core.events import (
    Answerer,
    LentSeat,
    LoanSeen,
    PbxObserved,
    SeatSeen,
    SeatState,
    SlotSeen,
    TalkSeen,
    TrunkSeen,
    WaitingCall,
)
from callctl.core.model import City, SlotRef
from callctl.pbx import freeswitch_names as names
from callctl.pbx.freeswitch_map import FreeSwitchMap
from callctl.pbx.freeswitch_words import (
    MEMBER_TALKS,
    MEMBER_WAITS,
    RESERVED,
    RUNG,
    SLOT_STATES,
    TALKING,
    WAITING,
    Row,
)
from callctl.pbx.values import number_of

LISTED_WITHIN_S = 3.0  # The list of channels lags behind by some 0.2 s (measured); a caller who just came is in none.
_ACTIVE = frozenset({"ACTIVE", "HELD", "UNHELD"})  # callstate of a channel on which somebody talks.
_RINGING = frozenset({"DOWN", "RINGING", "RING_WAIT", "EARLY"})  # DOWN: set up; what came since is not listed yet.
_CITY_OF = re.compile(r"([a-z]+)-\d")


@dataclass(frozen=True, slots=True)
class Lists:
    """What the switch lists."""

    members: tuple[Row, ...]  # Of the home queue, whoever is served next first.
    agents: tuple[Row, ...]
    tiers: tuple[Row, ...]
    channels: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """The answers, as they came."""

    lists: Lists
    registrations: tuple[Row, ...]
    trunks_up: frozenset[str]  # Gateways.
    booted_at: float
    asked_at: float  # Our clock when we began to ask: whatever happened before is in the answers.
    members_at: float  # Our clock when the members' answer was complete.


def members_command(city: City) -> str:
    """The question for the home queue's members."""
    return f"callcenter_config queue list members {city.queue.name}"


AGENTS_COMMAND = "callcenter_config agent list"
TIERS_COMMAND = "callcenter_config tier list"
CHANNELS_COMMAND = "show channels as json"
REGISTRATIONS_COMMAND = "show registrations as json"
TRUNKS_COMMAND = f"sofia profile {names.CITY_PROFILE} gwlist up"


def observe(chart: FreeSwitchMap, reading: Reading) -> PbxObserved:
    """The reading in callctl's words; the map takes over what it needs for the events that follow."""
    lists = reading.lists
    alive = _alive(chart, reading)
    waiting = list(_waiting(chart, reading, alive))
    agents = {row.get("name", ""): row for row in lists.agents}
    phones = _phone_legs(chart, reading, agents)
    talks = (*_home_talks(chart, reading, alive), *_lent_talks(chart, reading, phones))
    _take_over_phones(chart, reading, agents, phones)
    talking = {talk.by for talk in talks}
    slots = tuple(sorted(_slots(chart, lists.tiers, agents, talking), key=lambda seen: seen.slot))
    loans = tuple(sorted(_loans(chart, lists.tiers), key=lambda seen: (seen.seat, seen.assisted)))
    chart.take_over({call.call: channel for call, channel in waiting}, talks)
    chart.take_over_rung(_rung(chart, reading, agents))
    chart.take_over_tiers(
        {seen.slot: seen.token for seen in slots}, {(seen.seat, seen.assisted): seen.token for seen in loans}
    )
    up = {names.trunk_of(gateway) for gateway in reading.trunks_up}
    return PbxObserved(
        city=chart.city.code,
        at=reading.asked_at,
        waiting=tuple(call for call, _ in waiting),
        seats=tuple(_seats(chart, agents, phones, reading.members_at)),
        loans=loans,
        slots=slots,
        talks=talks,
        trunks=tuple(TrunkSeen(trunk.to, trunk.to in up) for trunk in chart.city.trunks),
        booted_at=reading.booted_at,
    )


def _alive(chart: FreeSwitchMap, reading: Reading) -> set[str]:
    """The channels there are, and those of callers who have come too lately to be listed."""
    lately = reading.members_at - chart.ahead_s - LISTED_WITHIN_S
    alive = {row.get("uuid", "") for row in reading.lists.channels}
    return alive | {
        member.get("session_uuid", "")
        for member in reading.lists.members
        if number_of(member.get("joined_epoch")) >= lately
    } - {""}


def member_call(chart: FreeSwitchMap, member: Row) -> str:
    """The member's call id; "" where it is none of ours."""
    ours = member.get("queue", "") == chart.home
    return chart.call_of(member.get("cid_name", ""), chart.city.code) if ours else ""


def _waiting(chart: FreeSwitchMap, reading: Reading, alive: set[str]) -> Iterator[tuple[WaitingCall, str]]:
    """Waiting calls and their channels, head of the queue first."""
    for member in reading.lists.members:
        call, channel = member_call(chart, member), member.get("session_uuid", "")
        if call and _state(chart, reading, member, call) in MEMBER_WAITS and channel in alive:
            returned = number_of(member.get("base_score")) >= names.RETURNED_SCORE
            number = member.get("cid_number", "")
            yield chart.waiting_call(call, number, reading.members_at, returned), channel


def _state(chart: FreeSwitchMap, reading: Reading, member: Row, call: str) -> str:
    """The member's state. mod_callcenter tells an answer some milliseconds before it lists it: then the event is right."""
    known = chart.talks.get(call)
    if known is not None and member.get("state") == "Trying" and reading.members_at - known[1] < LISTED_WITHIN_S:
        return MEMBER_TALKS if chart.answerer(member.get("serving_agent", "")) == known[0] else "Trying"
    return member.get("state", "")


def _home_talks(chart: FreeSwitchMap, reading: Reading, alive: set[str]) -> Iterator[TalkSeen]:
    for member in reading.lists.members:
        call = member_call(chart, member)
        talks = _state(chart, reading, member, call) == MEMBER_TALKS
        if not call or not talks or member.get("session_uuid") not in alive:
            continue  # "Answered" without a session: mod_callcenter has forgotten to strike him off.
        by = chart.answerer(member.get("serving_agent", ""))
        if by is not None:
            answered = number_of(member.get("bridge_epoch")) or reading.members_at - chart.ahead_s
            since = min(reading.members_at, answered + chart.ahead_s)
            yield chart.talk(call, by, since)


def _lent_talks(chart: FreeSwitchMap, reading: Reading, phones: Mapping[str, Row]) -> Iterator[TalkSeen]:
    for seat, leg in phones.items():
        call = leg.get("presence_data", "")
        home = _home_of(chart, call)
        if home not in ("", chart.city.code) and _talks_on(chart, seat, leg, reading.members_at):
            # A channel is as old as its first ring, so the answer may be dated some seconds too early.
            since = min(reading.members_at, number_of(leg.get("created_epoch"), reading.members_at) + chart.ahead_s)
            yield chart.talk(call, LentSeat(seat, home), since)


def _talks_on(chart: FreeSwitchMap, seat: str, leg: Row, now: float) -> bool:
    """Whether the phone talks on this leg. The list of channels shows an answer some time after it was told."""
    known = chart.talks.get(leg.get("presence_data", ""))
    told = known is not None and isinstance(known[0], LentSeat) and known[0].seat == seat
    return leg.get("callstate") in _ACTIVE or (told and known is not None and now - known[1] < LISTED_WITHIN_S)


def _home_of(chart: FreeSwitchMap, call: str) -> str:
    match = _CITY_OF.match(call)
    home = match[1] if match else ""
    return home if home in chart.cities and chart.call_of(call, home) else ""


def _phone_legs(chart: FreeSwitchMap, reading: Reading, agents: Mapping[str, Row]) -> dict[str, Row]:
    """The channel of each phone that rings or talks; also of a lent talk that was told and that no list shows yet."""
    found: dict[str, Row] = {}
    for row in reading.lists.channels:
        seat, _, domain = row.get("presence_id", "").partition("@")
        if seat in chart.seats and domain == chart.city.code and row.get("callstate") in _ACTIVE | _RINGING:
            found[seat] = row
    for call, (by, since) in chart.talks.items():
        lately = reading.members_at - since < LISTED_WITHIN_S
        if lately and isinstance(by, LentSeat) and agents.get(by.seat, {}).get("state") == RESERVED:
            found.setdefault(by.seat, {"presence_data": call})
    return found


def on_trunk(call: str, channels: Iterable[Row]) -> bool:
    """Whether a leg over a trunk, ringing or answered, is there for the caller."""
    leg = f"sofia/{names.CITY_PROFILE}/"
    return bool(call) and any(
        row.get("presence_data") == call and row.get("direction") == "outbound" and row.get("name", "").startswith(leg)
        for row in channels
    )


def _rung(chart: FreeSwitchMap, reading: Reading, agents: Mapping[str, Row]) -> Iterator[tuple[str, float]]:
    """Agents that ring or talk, and since when.

    A slot dropped meanwhile is listed no more; its ring goes on as long as its leg is there, or is too new for the list.
    """
    for name, row in agents.items():
        if row.get("state") in {*RUNG, TALKING}:
            yield name, chart.rung.get(name, reading.members_at)
    calls = {member.get("serving_agent", ""): member_call(chart, member) for member in reading.lists.members}
    for name, since in chart.rung.items():
        lately = reading.members_at - since < LISTED_WITHIN_S
        on = lately or on_trunk(calls.get(name, ""), reading.lists.channels)
        if name not in agents and since > reading.booted_at and on:
            yield name, since


def _take_over_phones(chart: FreeSwitchMap, reading: Reading, agents: Mapping[str, Row], legs: Mapping[str, Row]) -> None:
    there = {row.get("reg_user", "") for row in reading.registrations}
    for seat, phone in chart.phones.items():
        leg = legs.get(seat, {})
        home = _home_of(chart, leg.get("presence_data", ""))
        status = agents.get(seat, {}).get("status")
        # scripts/phones.lua keeps the status, but not of an agent on break; the registrations' list lags behind.
        phone.registered = status == names.OPEN or (status == names.PAUSED and seat in there)
        phone.agent_state = agents.get(seat, {}).get("state", "")
        if leg or phone.agent_state != RESERVED:  # Held for another city, its channel not listed yet: as the events said.
            phone.lent = None
        if home not in ("", chart.city.code):
            talks = _talks_on(chart, seat, leg, reading.members_at)
            phone.lent = SeatState.BUSY if talks else SeatState.RINGING
        phone.told = phone.state


def _seats(chart: FreeSwitchMap, agents: Mapping[str, Row], legs: Mapping[str, Row], now: float) -> Iterator[SeatSeen]:
    for seat, phone in chart.phones.items():
        agent = agents.get(seat)
        if agent is None:
            continue
        leg = legs.get(seat, {})
        call = leg.get("presence_data", "") if leg and _talks_on(chart, seat, leg, now) else ""
        rested = max(
            number_of(agent.get("last_bridge_end")) + number_of(agent.get("wrap_up_time")),
            number_of(agent.get("ready_time")),
        )
        free_from = rested + chart.ahead_s
        yield SeatSeen(
            seat,
            phone.state,
            ready=agent.get("status") != names.PAUSED,
            free_from=free_from if free_from > now else 0.0,
            call=call if _home_of(chart, call) else "",
        )


def _slots(
    chart: FreeSwitchMap, tiers: Iterable[Row], agents: Mapping[str, Row], talking: set[Answerer]
) -> Iterator[SlotSeen]:
    """Also slots to a city that the data folders no longer name: left open, they would be rung for ever."""
    for tier in tiers:
        slot, token = _slot_of(chart, tier), _token(tier)
        agent = agents.get(tier.get("agent", ""))
        if slot is None or token is None or agent is None:
            continue
        state, reason = SLOT_STATES.get(agent.get("status", ""), SLOT_STATES[names.CLOSED])
        yield SlotSeen(slot, state, token, in_use=slot in talking or agent.get("state") != WAITING, reason=reason)


def _slot_of(chart: FreeSwitchMap, tier: Row) -> SlotRef | None:
    return names.parse_slot(tier.get("agent", "")) if tier.get("queue") == chart.home else None


def _loans(chart: FreeSwitchMap, tiers: Iterable[Row]) -> Iterator[LoanSeen]:
    for tier in tiers:
        assisted, seat, token = names.assisted_of(tier.get("queue", "")), tier.get("agent", ""), _token(tier)
        foreign = assisted is None or assisted not in chart.cities or assisted == chart.city.code
        if not foreign and assisted is not None and token is not None and seat in chart.seats:
            yield LoanSeen(seat, assisted, token)


def tiers_differ(chart: FreeSwitchMap, tiers: Iterable[Row]) -> bool:
    """Whether somebody else has made or ended a slot or a loan: of tiers mod_callcenter tells nobody."""
    tiers = tuple(tiers)
    slots = {slot: token for tier in tiers if (slot := _slot_of(chart, tier)) and (token := _token(tier)) is not None}
    loans = {(seen.seat, seen.assisted): seen.token for seen in _loans(chart, tiers)}
    return slots != chart.slots or loans != chart.loans


def _token(tier: Row) -> int | None:
    return names.token_of(tier.get("level", ""), tier.get("position", ""))
