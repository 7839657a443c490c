"""A FreeSWITCH that is none: speaks its event socket over TCP, and behind it stands a simulated PBX (callctl.sim).

It says what mod_callcenter, mod_sofia and our dialplan say (freeswitch_conf/), and obeys the api commands callctl uses.
Its frames are a real switch's byte by byte (test_stand_in.py); its answers, and the values of its events, are ones that a
real switch has given (test_stand_in_told.py). It has no words for what heals a stuck switch, nor for a module that is
reloaded or a seat that mod_callcenter itself puts on break: those stand on recordings alone.
"""

import json
import re
import uuid
from collections.abc import Callable, Mapping

from callctl.core.commands import CloseSlot, DropSlot, Lend, MoveCaller, OpenSlot, Order, Recall, RenewHeartbeat, SetReady
from callctl.core.events import (
    Answerer,
    CallAnswered,
    CallEnded,
    CallLeftQueue,
    CallRinging,
    CallWaiting,
    Fact,
    HomeSeat,
    LentSeat,
    Outcome,
    RingEnd,
    RingEnded,
    SeatChanged,
    SeatReadied,
    SeatState,
    SlotChanged,
    SlotState,
    SurveyAnswered,
    TrunkChanged,
    WaitingCall,
)
from callctl.core.model import Lending, SlotRef
from callctl.pbx.freeswitch_names import (
    CLOSED,
    HEARTBEAT,
    OPEN,
    PAUSED,
    RETURNED_SCORE,
    parse_slot,
    slot_agent,
    support_queue,
    tier_of,
    token_of,
)
from callctl.pbx.port import OrderRefused
from callctl.sim.parts import Connection
from callctl.sim.pbx import SimPbx
from tests.pbx import mod_callcenter as cc
from tests.pbx.esl_server import EslServer

AHEAD_S = 9_999.0  # The stand-in's clock is wrong by so much: ages cross machines, clocks do not.

CAUSES = {
    RingEnd.BUSY: "USER_BUSY",
    RingEnd.NO_ANSWER: "NO_ANSWER",
    RingEnd.TRUNK_FULL: "NORMAL_CIRCUIT_CONGESTION",
    RingEnd.UNREACHABLE: "GATEWAY_DOWN",
    RingEnd.REFUSED: "FACILITY_REJECTED",
    RingEnd.UNKNOWN: "ORIGINATOR_CANCEL",
}


class CallIds:
    """The simulated PBXs number calls by their boot; FreeSWITCH by the citizen's first arrival. One for both cities."""

    def __init__(self) -> None:
        self._told: dict[str, str] = {}
        self._own: dict[str, str] = {}

    def first_seen(self, call: WaitingCall) -> None:
        city, _, rest = call.call.partition("-")
        told = f"{city}-{int(call.waiting_since + AHEAD_S)}.{rest.partition('.')[2]}"
        self._own[self._told.setdefault(call.call, told)] = call.call

    def told(self, call: str) -> str:
        return self._told[call]

    def own(self, told: str) -> str:
        return self._own[told]


class StandIn(EslServer):
    """One city's FreeSWITCH, as its event socket shows it."""

    def __init__(self, pbx: SimPbx, ids: CallIds) -> None:
        super().__init__()
        self.pbx = pbx
        self.ids = ids
        self.agents: set[str] = set()  # Slots that `agent add` has made.
        self.tokens: dict[SlotRef, int] = {}  # Of tiers added, until the slot is opened.
        self._sessions: dict[str, str] = {}
        self._members: dict[str, cc.Member] = {}
        self._entries = 0
        self._sequence = 0
        self._commands: dict[str, Callable[[list[str]], bytes]] = {
            "callcenter_config": self._callcenter_config,
            "show": self._show,
            "sofia": lambda _: " ".join(f"trunk-{city}" for city, up in pbx.trunks.items() if up).encode(),
            "strmicroepoch": lambda _: b"%d" % round(self.now() * 1e6),
            "uptime": lambda _: b"%d\n" % (self.now() - AHEAD_S - pbx.booted_at),
            "global_setvar": self._global_setvar,
            "uuid_setvar": self._uuid_setvar,
            "uuid_recv_dtmf": self._uuid_recv_dtmf,
        }
        self._moves: dict[str, str] = {}
        self._gone: set[str] = set()  # Seats whose phones have signed off.
        self.connect()

    def connect(self) -> None:
        """Hear the simulated PBX; again after each boot."""
        self.pbx.connections.append(Connection(self.take))

    def now(self) -> float:
        """This switch's clock."""
        return self.pbx.now() + AHEAD_S

    # What happens is told

    def take(self, fact: Fact) -> None:  # noqa: PLR0912 - one line a kind of fact
        """Say it as a FreeSWITCH does."""
        match fact:
            case CallWaiting(call=call):
                self.ids.first_seen(call)
                self._entries += 1
                self._sessions[call.call] = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{call.call}/{self._entries}"))
                self._say("callcenter::info", cc.member_queue_start(self._member(call.call), call.returned))
                self._say("callcenter::info", cc.members_count(self.pbx.home.queue.name, len(self.pbx.waiting)))
            case CallLeftQueue(call=call, outcome=outcome):
                self._left(call, outcome)
            case CallRinging(call=call, by=LentSeat() as by):
                self._lent("lent-ringing", call, by)
            case CallRinging(call=call, by=by):
                self._state(by, "Reserved")
                self._state(by, "Receiving")
                self._say("callcenter::info", cc.agent_offering(agent(by), self._member(call)))
            case RingEnded(call=call, by=LentSeat() as by, why=why):
                self._lent("lent-failed", call, by, Cause=CAUSES[why])
            case RingEnded(call=call, by=by, why=why):
                self._say("callcenter::info", cc.bridge_agent_fail(agent(by), self._member(call), CAUSES[why], self.now()))
                self._state(by, "Waiting")
            case CallAnswered(call=call, by=LentSeat() as by):
                self._lent("lent-answered", call, by)
            case CallAnswered(call=call, by=by, waited_s=waited_s):
                member = self._member(call)
                self._say("callcenter::info", cc.bridge_agent_start(agent(by), member, self.now(), waited_s))
                self._state(by, "In a queue call")
            case CallEnded(call=call, by=LentSeat() as by, talked_s=talked_s):
                self._lent("lent-ended", call, by, Talked=str(round(talked_s)), Cause="NORMAL_CLEARING")
            case CallEnded(call=call, by=by, lost=True):
                self._dialplan("leg-lost", call, Agent=agent(by), Cause="MEDIA_TIMEOUT")
            case CallEnded(call=call, by=by, talked_s=talked_s):
                member = self._member(call)
                self._say("callcenter::info", cc.bridge_agent_end(agent(by), member, self.now(), talked_s))
                self._say("callcenter::info", cc.member_queue_end(member, self.now(), "Terminated"))
                self._state(by, "Waiting")
            case SeatChanged() | SeatReadied() | SlotChanged() | TrunkChanged() | SurveyAnswered():
                self._of_things(fact)
            case _:
                pass  # Tiers: mod_callcenter tells nobody.

    def _of_things(self, fact: SeatChanged | SeatReadied | SlotChanged | TrunkChanged | SurveyAnswered) -> None:
        match fact:
            case SeatChanged(seat=seat, state=SeatState.OFFLINE):  # scripts/phones.lua follows.
                self._say("sofia::unregister", {"profile-name": "city", "from-user": seat, "from-host": self.pbx.city})
                self._status(seat, CLOSED)
                self._gone.add(seat)
            case SeatChanged(seat=seat) if seat in self._gone:
                self._gone.discard(seat)
                self._status(seat, OPEN)
            case SeatReadied(seat=seat, ready=ready):
                self._status(seat, OPEN if ready else PAUSED)
            case SlotChanged(slot=slot, state=SlotState.OPEN):
                self._status(slot_agent(slot), OPEN)
            case SlotChanged(slot=slot, state=SlotState.CLOSED, reason=reason):
                self._status(slot_agent(slot), CLOSED if reason == "closed" else PAUSED)
            case TrunkChanged(to=to, up=up):
                self._say("sofia::gateway_state", cc.gateway_state(f"trunk-{to}", up))
            case SurveyAnswered(call=call, score=score):
                self._dialplan("survey", call, Score=str(score))

    def _left(self, call: str, outcome: Outcome) -> None:
        moved = call in self.pbx.calls and bool(self.pbx.calls[call].withdrawn_to)
        end, member = cc.member_queue_end, self._member(call)
        if outcome is Outcome.ABANDONED:
            self._say("callcenter::info", end(member, self.now(), "Cancel", "EXIT_WITH_KEY" if moved else "BREAK_OUT"))
        elif outcome is Outcome.CALL_BACK:
            self._say("callcenter::info", end(member, self.now(), "Cancel", "EXIT_WITH_KEY"))
            self._dialplan("callback-start", call)
        elif outcome is Outcome.MOVED:
            self._dialplan("move-start", call, Peer=self.pbx.calls[call].withdrawn_to)

    def _member(self, call: str) -> cc.Member:
        """As long as the simulated PBX knows the call, as it is there; afterwards, as it was."""
        if found := self.pbx.calls.get(call):
            session, joined = self._sessions.get(call, ""), int(found.entered_at + AHEAD_S)
            queue, number = self.pbx.home.queue.name, found.waiting.number
            self._members[call] = cc.Member(queue, session, self.ids.told(call), number, joined)
        return self._members[call]

    def _state(self, by: Answerer, state: str) -> None:
        self._say("callcenter::info", cc.agent_state_change(agent(by), state))

    def _status(self, name: str, status: str) -> None:
        self._say("callcenter::info", cc.agent_status_change(name, status))

    def _lent(self, action: str, call: str, by: LentSeat, **more: str) -> None:
        self._dialplan(action, call, Home=by.assisted, Seat=by.seat, **more)

    def _dialplan(self, action: str, call: str, **more: str) -> None:
        headers = {"Action": action, "Call": self.ids.told(call), **more}
        self._say("callctl::info", {f"Callctl-{name}": value for name, value in headers.items()})

    def _say(self, subclass: str, headers: Mapping[str, str]) -> None:
        self._sequence += 1
        self.say(cc.event(subclass, headers, self.pbx.city, self.now(), self._sequence))

    # What it is asked

    def execute(self, command: str) -> bytes | None:
        word, *rest = re.findall(r"'[^']*'|\S+", command)
        return self._commands[word](rest) if word in self._commands else f"-ERR {word} Command not found!\n".encode()

    def _obey(self, order: Order) -> bytes:
        try:
            self.pbx.obey(order)
        except OrderRefused as refused:
            return f"-ERR {refused}\n".encode()
        return b"+OK\n"

    def _global_setvar(self, words: list[str]) -> bytes:
        name, _, value = words[0].partition("=")
        if name == HEARTBEAT:
            assert abs(int(value) - self.now()) < 2, "the heartbeat is the switch's own clock"
            self.pbx.obey(RenewHeartbeat(self.pbx.city))
        return b"+OK"

    def _uuid_setvar(self, words: list[str]) -> bytes:
        if words[0] not in self._sessions.values():
            return b"-ERR No such channel!\n"
        self._moves[words[0]] = words[2]
        return b"+OK\n"

    def _uuid_recv_dtmf(self, words: list[str]) -> bytes:
        call = next((call for call, session in self._sessions.items() if session == words[0]), "")
        if not call:
            return b"-ERR Cannot locate session!\n"
        said = self._obey(MoveCaller(self.pbx.city, call, self._moves.get(words[0], "")))
        return f"+OK {words[0]} received DTMF {words[1]}.\n".encode() if said.startswith(b"+OK") else said

    def _callcenter_config(self, words: list[str]) -> bytes:  # noqa: PLR0911 - one line a command
        match [word.strip("'") for word in words]:
            case ["agent", "add", name, "callback"]:
                known = name in self.agents
                self.agents.add(name)
                return b"-ERR Agent already exist!\n" if known else b"+OK\n"
            case ["agent", "del", name]:
                self.agents.discard(name)
                slot = parse_slot(name)
                assert slot is not None
                self.tokens.pop(slot, None)
                return self._obey(DropSlot(self.pbx.city, slot))
            case ["agent", "set", "status", name, status]:
                return self._set_status(name, status)
            case ["agent", "set", _, name, _]:
                return b"+OK\n" if name in self.agents | self.pbx.seats.keys() else b"-ERR Agent not found!\n"
            case ["agent", "list"]:
                return cc.listed(cc.AGENT_COLUMNS, self._agent_rows())
            case ["tier", "add", queue, name, level, position]:
                token = token_of(level, position)
                assert token is not None
                return self._add_tier(queue, name, token)
            case ["tier", "del", queue, name]:
                return self._obey(Recall(self.pbx.city, name, queue.removeprefix("support-")))
            case ["tier", "list"]:
                return cc.listed(cc.TIER_COLUMNS, self._tier_rows())
            case ["queue", "list", "members", queue]:
                return cc.listed(cc.MEMBER_COLUMNS, self._member_rows() if queue == self.pbx.home.queue.name else [])
            case _:
                return b"-ERR Invalid!\n"

    def _set_status(self, name: str, status: str) -> bytes:
        if name in self.pbx.seats:
            return self._obey(SetReady(self.pbx.city, name, ready=status == OPEN))
        slot = parse_slot(name)
        if slot is None or name not in self.agents:
            return b"-ERR Agent not found!\n"
        if status == OPEN:
            return self._obey(OpenSlot(self.pbx.city, slot, self.tokens[slot]))
        return self._obey(CloseSlot(self.pbx.city, slot))

    def _add_tier(self, queue: str, name: str, token: int) -> bytes:
        if queue == self.pbx.home.queue.name:
            slot = parse_slot(name)
            assert slot is not None
            if name not in self.agents:
                return b"-ERR Agent not found!\n"
            if slot in self.pbx.slots or slot in self.tokens:
                return b"-ERR Tier already exist!\n"
            self.tokens[slot] = token
            return b"+OK\n"
        assisted = queue.removeprefix("support-")
        if assisted not in self.pbx.support:
            return b"-ERR Queue not found!\n"
        if name in self.pbx.support[assisted]:
            return b"-ERR Tier already exist!\n"
        return self._obey(Lend(self.pbx.city, name, assisted, token))

    def _agent_rows(self) -> list[list[str]]:
        rows = []
        for seat in self.pbx.seats.values():
            own = any(isinstance(call.by, HomeSeat) and call.by.seat == seat.id for call in self.pbx.calls.values())
            state = {SeatState.RINGING: "Receiving", SeatState.BUSY: "In a queue call"}.get(seat.state, "Waiting")
            if state != "Waiting" and not own:
                state = "Reserved"  # Taken by seat.lua for another city's caller.
            wrapup_s = int(self.pbx.home.queue.wrapup_s)
            ended = int(seat.free_from + AHEAD_S) - wrapup_s if seat.free_from else 0
            status = CLOSED if seat.state is SeatState.OFFLINE else OPEN if seat.ready else PAUSED
            leg = f"leg-{seat.id}" if state == "In a queue call" else ""
            rows.append(cc.agent_row(seat.id, status, state, wrapup_s, ended, leg))
        for name in sorted(self.agents):
            slot = self.pbx.slots.get(parse_slot(name) or SlotRef("", 0))
            status = CLOSED if slot is None else OPEN if slot.open else CLOSED if slot.reason == "closed" else PAUSED
            call = self.pbx.calls.get(slot.call) if slot and slot.call else None
            talks = call is not None and bool(call.answered_at)
            state = "In a queue call" if talks else "Receiving" if call else "Waiting"
            rows.append(cc.agent_row(name, status, state, 0, 0, f"leg-of-{name}" if talks else ""))
        return rows

    def _tier_rows(self) -> list[list[str]]:
        home = self.pbx.home.queue.name
        seats = [seat.id for seat in self.pbx.seats.values() if seat.lend is not Lending.DEDICATED]
        slots = self.tokens | {ref: slot.token for ref, slot in self.pbx.slots.items()}
        return [
            *([home, seat, "Ready", "1", "1"] for seat in seats),
            *([home, slot_agent(ref), "Ready", *map(str, tier_of(token))] for ref, token in slots.items()),
            *(
                [support_queue(assisted), seat, "Ready", *map(str, tier_of(loan.token))]
                for assisted, queue in self.pbx.support.items()
                for seat, loan in queue.items()
            ),
        ]

    def _member_rows(self) -> list[list[str]]:
        waiting = [(self.pbx.calls[call], "Waiting") for call in self.pbx.waiting]
        talking = [(call, "Answered") for call in self.pbx.calls.values() if call.answered_at and not call.withdrawn_to]
        rows = []
        for call, state in (*waiting, *talking):
            score = RETURNED_SCORE if call.waiting.returned else 0
            by = agent(call.by) if call.by else ""
            told = "Trying" if state == "Waiting" and by else state
            answered = int(call.answered_at + AHEAD_S) if call.answered_at else 0
            rows.append(cc.member_row(self._member(call.waiting.call), told, by, score, answered))
        return rows

    def _show(self, words: list[str]) -> bytes:
        if words[0] == "registrations":
            rows = [{"reg_user": seat.id} for seat in self.pbx.seats.values() if seat.state is not SeatState.OFFLINE]
        else:
            rows = [*self._caller_channels(), *self._trunk_channels(), *self._phone_channels()]
        if not rows:
            return b'{"row_count": 0}\n'
        return json.dumps({"row_count": len(rows), "rows": rows}, separators=(",", ":")).encode()

    def _caller_channels(self) -> list[dict[str, str]]:
        return [
            {
                "uuid": self._sessions[call],
                "direction": "inbound",
                "presence_data": self.ids.told(call),
                "callstate": "ACTIVE",
                "presence_id": "",
            }
            for call in self.pbx.calls
        ]

    def _trunk_channels(self) -> list[dict[str, str]]:
        return [
            {
                "uuid": f"leg-of-{agent(call.by)}",
                "direction": "outbound",
                "name": "sofia/city/support",
                "presence_data": self.ids.told(call.waiting.call),
                "callstate": "ACTIVE" if call.answered_at else "RINGING",
                "presence_id": "",
            }
            for call in self.pbx.calls.values()
            if isinstance(call.by, SlotRef)
        ]

    def _phone_channels(self) -> list[dict[str, str]]:
        rows = []
        for seat in self.pbx.seats.values():
            if seat.state in (SeatState.RINGING, SeatState.BUSY):
                busy = seat.state is SeatState.BUSY
                rows.append(
                    {
                        "uuid": f"leg-{seat.id}",
                        "direction": "outbound",
                        "presence_data": self.ids.told(seat.call) if seat.call else "",
                        "callstate": "ACTIVE" if busy else "RINGING",
                        "presence_id": f"{seat.id}@{self.pbx.city}",
                        "created_epoch": str(int(self.now())),
                    }
                )
        return rows


def agent(by: Answerer) -> str:
    """Seat or slot, by the agent's name."""
    return slot_agent(by) if isinstance(by, SlotRef) else by.seat
