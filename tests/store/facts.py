"""Facts of whole calls, as the PBXs of two cities would tell them."""

from callctl.core.events import (
    CallAnswered,
    CallEnded,
    CallLeftQueue,
    CallRinging,
    CallWaiting,
    Fact,
    HomeSeat,
    LentSeat,
    LoanSeen,
    Outcome,
    PbxObserved,
    SurveyAnswered,
    TalkSeen,
    WaitingCall,
)
from callctl.core.model import SlotRef

T0 = 1_790_000_000.0
Y, X = "yangzhou", "xuzhou"
SLOT, LENT = SlotRef(X, 1), LentSeat("1301", Y)


def name(number: int) -> str:
    return f"{Y}-1790000000.{number}"


def waiting(number: int, at: float) -> CallWaiting:
    return CallWaiting(Y, at, WaitingCall(name(number), f"138{number:08d}", at))


def answered_home(number: int, arrived: float, answered: float, talked_s: float = 30.0) -> list[Fact]:
    call, seat = name(number), HomeSeat("2001")
    return [
        waiting(number, arrived),
        CallRinging(Y, answered - 1.0, call, seat),
        CallLeftQueue(Y, answered, call, Outcome.LEFT),
        CallAnswered(Y, answered, call, seat, answered - arrived),
        CallEnded(Y, answered + talked_s, call, seat, talked_s),
    ]


def answered_remote(number: int, arrived: float, answered: float, talked_s: float = 30.0) -> list[Fact]:
    call = name(number)
    return [
        waiting(number, arrived),
        CallRinging(Y, answered - 3.0, call, SLOT),
        CallRinging(X, answered - 2.9, call, LENT),
        CallAnswered(X, answered - 0.1, call, LENT, 2.8),
        CallLeftQueue(Y, answered, call, Outcome.LEFT),
        CallAnswered(Y, answered, call, SLOT, answered - arrived),
        CallEnded(X, answered + talked_s, call, LENT, talked_s),
        CallEnded(Y, answered + talked_s, call, SLOT, talked_s),
        SurveyAnswered(Y, answered + talked_s + 4.0, call, 5),
    ]


def abandoned(number: int, arrived: float, gave_up: float) -> list[Fact]:
    return [waiting(number, arrived), CallLeftQueue(Y, gave_up, name(number), Outcome.ABANDONED)]


def reading(
    at: float,
    waits: dict[int, float] | None = None,
    talks: tuple[TalkSeen, ...] = (),
    loans: tuple[LoanSeen, ...] = (),
    city: str = Y,
) -> PbxObserved:
    """A full reading; `waits`: call number to first arrival."""
    queue = tuple(WaitingCall(name(number), f"138{number:08d}", since) for number, since in (waits or {}).items())
    return PbxObserved(city, at, queue, (), loans, (), talks, ())


def a_day(calls: int) -> list[Fact]:
    """So many calls, every third of each kind, in the order the facts would come."""
    kinds = (answered_home, answered_remote, abandoned)
    facts = [fact for n in range(calls) for fact in kinds[n % 3](n, T0 + n, T0 + n + 20.0)]
    return sorted(facts, key=lambda fact: fact.at)
