"""The province as people and pages see it: plain numbers, no citizen's number, null where nothing is known."""

from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Any

from callctl.core.estimate import wait_qlrate
from callctl.core.events import SeatState
from callctl.core.in_force import granted
from callctl.core.model import Province
from callctl.core.plan import Plan
from callctl.core.reasons import Decision, Reason
from callctl.core.wishes import Wave, Wishes
from callctl.core.world import CityView, SeatView, World

_UNKNOWN = (
    *("waiting", "over_threshold", "longest_wait_s", "expected_wait_s", "surging", "talking"),
    *("lent_out", "lent_in", "trunks"),
)
_SEAT_KEYS = ("free", "ringing", "busy", "wrap_up", "paused", "offline")


def picture(province: Province, world: World, plan: Plan, wishes: Wishes, now: float) -> dict[str, Any]:
    """The JSON-able status that the controller publishes; `at` is in seconds since the epoch."""
    return {
        "at": now,
        "registry_up": world.registry_up,
        "stopped": wishes.stopped,
        "cities": {code: _city(province, world, code, plan, wishes, now) for code in province.cities},
        "wishes": shown_wishes(province, wishes),
    }


def _city(province: Province, world: World, code: str, plan: Plan, wishes: Wishes, now: float) -> dict[str, Any]:
    view = world.cities[code]
    acting = "acting" if code in plan.active else "on" if code in wishes.assisted() else "off"
    shown = {
        "name_zh": view.city.name_zh,
        "up": view.up,
        "age_s": round(max(0.0, now - view.heard_at), 1) if view.heard_at else None,
        "lost_reason": view.lost_reason,
        "assistance": acting,
        "threshold_s": view.city.queue.wait_threshold_s,
        "reserve": view.city.lend.reserve,
        "together": view.city.lend.together if view.rings_together else 1,
        "quota": wishes.quotas.get(code, view.city.lend.quota),
        "reasons": [_reason(province, reason) for reason in plan.reasons.get(code, ())],
        "decisions": [_decision(decision) for decision in plan.decisions.get(code, ())],
    }
    if not view.up:
        return {
            **shown,
            "seats": dict.fromkeys(_SEAT_KEYS),
            "seat_states": {},
            "seat_calls": {},
            "seat_since": {},
            **dict.fromkeys(_UNKNOWN),
        }
    states = {seat: _seat_state(seen, now) for seat, seen in view.seats.items()}
    return {
        **shown,
        "seat_states": states,
        # Ringing or talking; by the call's id, never its number. `city` is the caller's.
        "seat_calls": {
            seat: {"call": seen.call, "city": seen.serving or code} for seat, seen in view.seats.items() if seen.call
        },
        "seat_since": _seat_since(view, states),
        "waiting": len(view.waiting),
        "over_threshold": view.waiting_longer_than(view.city.queue.wait_threshold_s, now),
        "longest_wait_s": round(view.longest_wait_s(now), 1),
        "expected_wait_s": expected_wait_s(view, now),
        "surging": view.experience.calls.surging(now),
        "talking": len(view.talks),
        "seats": _seats(states.values()),
        "lent_out": _lent_out(view),
        "lent_in": _lent_in(view),
        "trunks": _trunks(world, code),
    }


def expected_wait_s(view: CityView, now: float) -> float | None:
    """What a citizen who calls now will wait, helpers included (QLrate); None where nothing was measured yet."""
    learned, ahead = view.experience, view.unserved - view.idle(now)
    if ahead < 0:
        return 0.0
    if not learned.own.known:
        return None
    rate = learned.answers.per_s(now, view.tally.staff, learned.own.mean_s)
    wait_s = wait_qlrate(ahead, rate, learned.patience.mean_s)
    return round(wait_s, 1) if isfinite(wait_s) else None


def _seats(states: Iterable[str]) -> dict[str, int]:
    count = dict.fromkeys(_SEAT_KEYS, 0)
    for state in states:
        count[state] += 1
    return count


def _seat_since(view: CityView, states: Mapping[str, str]) -> dict[str, float]:
    """When each talk and each wrap-up began, seconds since the epoch, as far as we know."""
    since: dict[str, float] = {}
    for seat, seen in view.seats.items():
        talk = view.talks.get(seen.call)
        if states[seat] == "wrap_up":
            since[seat] = round(seen.free_from - view.city.queue.wrapup_s, 1)
        elif talk is not None or (seen.call and seen.since):
            since[seat] = round(talk.answered_at if talk is not None else seen.since, 1)
    return since


def _seat_state(seat: SeatView, now: float) -> str:
    if seat.state is not SeatState.FREE:
        return str(seat.state.value)
    if not seat.ready:
        return "paused"
    return "wrap_up" if seat.free_from > now else "free"


def _lent_out(view: CityView) -> dict[str, int]:
    lent: dict[str, int] = {}
    for loan in view.tally.lent.values():
        lent[loan.assisted] = lent.get(loan.assisted, 0) + 1
    return lent


def _lent_in(view: CityView) -> dict[str, dict[str, int]]:
    running, in_use = view.slots_open, view.slots_in_use
    return {other: {"open": running[other], "in_use": in_use.get(other, 0)} for other in sorted(running)}


def _trunks(world: World, code: str) -> dict[str, dict[str, Any]]:
    view = world.cities[code]
    trunks = {}
    for trunk in view.city.trunks:
        there = world.cities.get(trunk.to)
        used = view.slots_in_use.get(trunk.to, 0) + view.carries(trunk.to)
        trunks[trunk.to] = {
            "up": view.trunk_up(trunk.to),
            "up_there": there.trunk_up(code) if there is not None and there.up else None,
            "in_use": used,
            "channels": view.fixed.channels.get(trunk.to, 0),
        }
    return trunks


def _reason(province: Province, reason: Reason) -> dict[str, Any]:
    names = "、".join(province.cities[code].name_zh for code in reason.supporting)
    return {
        "code": reason.why.value,
        "zh": f"{reason.words_zh}（{names}）" if names else reason.words_zh,
        "en": f"{reason.words_en} ({', '.join(reason.supporting)})" if reason.supporting else reason.words_en,
        "count": reason.count,
        "supporting": list(reason.supporting),
    }


def _decision(decision: Decision) -> dict[str, Any]:
    return {
        "did": decision.did.value,
        "code": decision.why.value,
        "zh": decision.words_zh,
        "en": decision.words_en,
        "at": decision.at,
        "seat": decision.seat,
        "assisted": decision.assisted,
    }


def _wave(wave: Wave) -> dict[str, Any]:
    return {
        "number": wave.number,
        "seats": dict(wave.seats),
        "planned_at": wave.planned_at or None,
        "entered_at": wave.entered_at or None,
    }


def shown_wishes(province: Province, wishes: Wishes) -> Mapping[str, Any]:
    """The wishes, JSON-able; `granted`: most seats each city may lend in an event now, {} is everybody by quota."""
    return {
        "version": wishes.version,
        "stopped": wishes.stopped,
        "quotas": dict(wishes.quotas),
        "thresholds": dict(wishes.thresholds),
        "reserves": dict(wishes.reserves),
        "unread_allowed": list(wishes.unread_allowed),
        "events": {
            city: {
                "id": event.id,
                "title": event.title,
                "started_at": event.started_at,
                "priority": event.priority,
                "switched_on": event.switched_on,
                "seats": dict(event.seats),
                "waves": [_wave(wave) for wave in event.waves],
                "waves_on_time": event.waves_on_time,
                "needs_confirmation": event.needs_confirmation,
                "confirmed": dict(event.confirmed),
                "granted": dict(granted(province, event)),
                "notice": dict(event.notice),
            }
            for city, event in wishes.events.items()
        },
    }
