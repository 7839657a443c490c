"""What a fact teaches about its city, once however often it is told. What was missed teaches nothing."""

from callctl.core.events import CallAnswered, CallEnded, CallLeftQueue, HomeSeat, LentSeat, Outcome, WaitingCall
from callctl.core.experience import Experience
from callctl.core.model import SlotRef


def arrived(experience: Experience, call: WaitingCall, at: float) -> None:
    """A citizen reached the queue; one who comes back to it has been counted."""
    if not call.returned and experience.first_time("arrived", call.call):
        experience.arrived(at)


def left(experience: Experience, fact: CallLeftQueue, known: WaitingCall) -> None:
    """A caller who hangs up shows how long citizens wait. Where the outcome is open, the answer will be told."""
    if fact.outcome is Outcome.ABANDONED and not known.returned and experience.first_time("over", fact.call):
        experience.hung_up(max(0.0, fact.at - known.waiting_since))


def answered(experience: Experience, fact: CallAnswered) -> None:
    """An answer at home, by a lent seat of another city, or by a seat of ours for another city."""
    if isinstance(fact.by, LentSeat):
        if experience.first_time("helped", fact.call):
            experience.helped(fact.at)
    elif experience.first_time("over", fact.call):  # A caller brought back by a lost leg has been counted.
        if isinstance(fact.by, HomeSeat):
            experience.answered_at_home(fact.waited_s, fact.at)
        else:
            experience.answered(fact.waited_s, fact.at)


def ended(experience: Experience, fact: CallEnded, wrapup_s: float) -> None:
    """Handling time is measured where the agent sits; a talk cut off by a dead leg tells nothing about it."""
    if fact.lost or isinstance(fact.by, SlotRef) or not experience.first_time("ended", fact.call):
        return
    handled = experience.lent if isinstance(fact.by, LentSeat) else experience.own
    handled.finished(fact.talked_s + wrapup_s)
