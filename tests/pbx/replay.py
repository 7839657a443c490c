"""Recorded bytes in, facts out, and facts as short sentences."""

import asyncio
import gzip
import itertools
from pathlib import Path

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
    LoanChanged,
    RingEnded,
    SeatChanged,
    SeatReadied,
    SlotChanged,
    SurveyAnswered,
    TrunkChanged,
)
from callctl.core.model import City
from callctl.pbx.ami_wire import AmiMessage, AmiWire
from callctl.pbx.asterisk_map import AsteriskMap
from tests.pbx.cities import PROVINCE

RECORDINGS = Path(__file__).parent / "recordings"


class Socket(asyncio.Transport):
    """A transport on which nothing is sent; the recording is all there is."""

    def __init__(self) -> None:
        super().__init__()
        self.reading = True
        self.aborted = False

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def abort(self) -> None:
        self.aborted = True


def recording(name: str) -> bytes:
    return gzip.decompress((RECORDINGS / f"{name}.ami.gz").read_bytes())


def messages(content: bytes, cuts: list[int] | None = None) -> list[AmiMessage]:
    """What the wire makes of the bytes, when they arrive cut at these places."""
    wire = AmiWire()
    wire.connection_made(Socket())
    places = [0, *sorted(cuts or []), len(content)]
    for start, end in itertools.pairwise(places):
        wire.data_received(content[start:end])
    return list(wire.inbox)


def facts(city: City, heard: list[AmiMessage]) -> list[Fact]:
    """The facts, as the link would tell them; our clock is the PBX's, an instant later."""
    cities = {*PROVINCE.cities, city.code, *(trunk.to for trunk in city.trunks)}
    chart, told = AsteriskMap(city, cities), []
    now = 0.0
    for message in heard:
        now = max(now, float(message.fields.get("Timestamp", 0)) + 0.001)
        if not message.forged and "ActionID" not in message.fields:
            told += chart.facts(message.fields, now)
    return told


def who(by: Answerer) -> str:
    match by:
        case HomeSeat(seat):
            return seat
        case LentSeat(seat, assisted):
            return f"{seat}→{assisted}"
        case _:
            return f"{by.supporting}/{by.number}"


def sentence(fact: Fact) -> str:  # noqa: PLR0911, PLR0912 - one line a kind of fact
    """A fact in a few words."""
    match fact:
        case CallWaiting(call=call):
            return f"{call.number[-2:]} waits" + (" again" if call.returned else "")
        case CallLeftQueue(outcome=outcome):
            return outcome.value
        case CallRinging(by=by):
            return f"{who(by)} rings"
        case RingEnded(by=by, why=why):
            return f"{who(by)} {why.value}"
        case CallAnswered(by=by):
            return f"{who(by)} answers"
        case CallEnded(by=by, lost=lost):
            return f"{who(by)} {'lost' if lost else 'ends'}"
        case SeatChanged(seat=seat, state=state):
            return f"phone {seat} {state.value}"
        case SeatReadied(seat=seat, ready=ready, reason=reason):
            return f"{seat} {'ready' if ready else 'not ready'} {reason}".strip()
        case LoanChanged(seat=seat, assisted=assisted, token=token, lent=lent):
            return f"{seat}→{assisted} t{token} {'lent' if lent else 'home'}"
        case SlotChanged(slot=slot, state=state, reason=reason):
            return f"slot {slot.supporting}/{slot.number} {state.value} {reason}".strip()
        case TrunkChanged(to=to, up=up):
            return f"trunk {to} {'up' if up else 'down'}"
        case SurveyAnswered(score=score):
            return f"score {score}"
        case _:
            return type(fact).__name__


def story(city: City, name: str, phones: bool = False) -> list[str]:
    """A recording in sentences; phones' states only on request, their order among the rest is not fixed."""
    told = facts(city, messages(recording(name)))
    return [sentence(fact) for fact in told if phones or not isinstance(fact, SeatChanged)]
