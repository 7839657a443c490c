"""Who is called back this moment: never at a live caller's cost, never twice, by whose agents."""

from dataclasses import replace

from callctl.core import callbacks
from callctl.core.callbacks import AGAIN_SOON_S, CallBacks, can_call_back, due
from callctl.core.commands import CallBack
from callctl.core.events import CallBackEnd, CallBackEnded, LoanSeen, PbxObserved, SeatSeen, SeatState, WaitingCall
from callctl.core.fold import fold
from callctl.core.missed import Errand, Wanted
from callctl.core.model import PbxKind, Province
from callctl.core.world import unseen
from tests.provinces import three_cities

NOW = 1_790_000_000.0
Y, X = "yangzhou", "xuzhou"
MISSED = tuple(Errand(f"yangzhou-1790000000.{n}", NOW - 1) for n in range(1, 5))


def province(**queue: object) -> Province:
    whole = three_cities()
    city = whole.cities[Y]
    changed = replace(city, queue=replace(city.queue, call_back_missed=True, **queue))
    return Province({**whole.cities, Y: replace(changed, pbx=replace(changed.pbx, carrier="10.0.0.9"))})


def reading(whole: Province, city: str, free: int, waiting: int = 0, lent: int = 0) -> PbxObserved:
    seats = [seat.id for seat in whole.cities[city].seats]
    states = [SeatState.FREE if n < free else SeatState.OFFLINE for n in range(len(seats))]
    return PbxObserved(
        city,
        NOW,
        tuple(WaitingCall(f"{city}-1790000001.{n}", "1", NOW - 9) for n in range(waiting)),
        tuple(SeatSeen(seat, state) for seat, state in zip(seats, states, strict=True)),
        tuple(LoanSeen(seat, Y, n + 1) for n, seat in enumerate(seats[:lent])),
        (),
        (),
        (),
    )


def asked(*readings: PbxObserved, known: CallBacks | None = None, now: float = NOW, **wanted: int) -> list[CallBack]:
    whole = province()
    world = fold(unseen(whole), readings)
    return list(due(whole, world, {Y: Wanted(MISSED, **{"at_once": 9, "reserve": 0, **wanted})}, known or CallBacks(), now))


def test_free_home_agents_beyond_the_reserve_call_back_first_come_first() -> None:
    whole = province()
    assert asked(reading(whole, Y, free=2)) == [CallBack(Y, MISSED[0].call, Y), CallBack(Y, MISSED[1].call, Y)]
    assert asked(reading(whole, Y, free=2), reserve=1) == [CallBack(Y, MISSED[0].call, Y)]
    assert asked(reading(whole, Y, free=2), at_once=1) == [CallBack(Y, MISSED[0].call, Y)]
    assert asked(reading(whole, Y, free=0)) == []


def test_nobody_is_called_back_while_a_citizen_waits() -> None:
    whole = province()
    assert asked(reading(whole, Y, free=2, waiting=1)) == []


def test_a_lent_seat_of_a_supporting_city_calls_when_no_home_agent_can_unless_its_own_citizens_wait() -> None:
    whole = province()
    home = reading(whole, Y, free=0)
    assert asked(home, reading(whole, X, free=3, lent=2)) == [CallBack(Y, MISSED[0].call, X)]
    assert asked(home, reading(whole, X, free=3, lent=0)) == []
    assert asked(home, reading(whole, X, free=3, lent=2, waiting=1)) == []


def test_what_goes_on_or_just_ended_is_not_begun_again() -> None:
    whole = province()
    order = CallBack(Y, MISSED[0].call, Y)
    going = callbacks.ordered(CallBacks(), [order], NOW)
    assert asked(reading(whole, Y, free=1), known=going) == []  # Its agent is as good as taken.
    over = CallBackEnded(Y, NOW + 5, order.call, "a", Y, "", CallBackEnd.NO_ANSWER)
    ended = callbacks.heard(going, [over], NOW + 5)
    assert asked(reading(whole, Y, free=1), known=ended) == [CallBack(Y, MISSED[1].call, Y)]
    later = NOW + AGAIN_SOON_S + 1
    assert asked(replace(reading(whole, Y, free=1), at=later), known=ended, now=later)[0].call == MISSED[0].call


def test_a_pbx_that_refuses_is_left_in_peace_and_a_silent_one_gets_no_orders() -> None:
    whole = province()
    order = CallBack(Y, MISSED[0].call, Y)
    refused = callbacks.refused(callbacks.ordered(CallBacks(), [order], NOW), order, NOW)
    assert asked(reading(whole, Y, free=1), known=refused) == []
    assert asked(replace(reading(whole, Y, free=1), at=NOW + 31), known=refused, now=NOW + 31) == [order]
    assert asked(reading(whole, Y, free=1), now=NOW + 60) == []


def test_only_an_asterisk_with_a_carrier_whose_admin_allows_it_dials() -> None:
    whole = province()
    assert can_call_back(whole, Y)
    assert not can_call_back(whole, X)  # Not allowed there.
    city = whole.cities[Y]
    for pbx in (replace(city.pbx, carrier=""), replace(city.pbx, kind=PbxKind.FREESWITCH)):
        assert not can_call_back(Province({**whole.cities, Y: replace(city, pbx=pbx)}), Y)
