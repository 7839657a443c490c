"""The agent's desk: signing in with a seat, ready and not ready, what pops up when it rings; the leader's hand on it."""

import secrets
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from callctl.core.acts import ActRefused, Sentence
from callctl.core.model import City, Province, SeatRef
from callctl.core.presses import BY_AGENT, REASONS, Press
from callctl.log import mask
from callctl.rights import Actor
from callctl.store.calls import Call, CallBook
from callctl.store.port import AlreadyDone, AuditEntry, Registry, StoreLost
from callctl.store.sitting import SitterChanged, Sitting

REPEATED_S = 86_400.0  # Calls of a number within a day are told to who answers the next one.


class Seating:
    """Every call may raise ActRefused, SeatTaken, StoreLost."""

    def __init__(
        self, province: Province, registry: Registry, sitting: Sitting, calls: CallBook, now: Callable[[], float]
    ) -> None:
        self._province = province
        self._registry = registry
        self._sitting = sitting
        self._calls = calls
        self._now = now

    async def sit(self, actor: Actor, city: str, agent: str, seat: str) -> SeatRef:
        """签入: sit at a seat of the own city. Not ready yet: that is a press of its own. Who sits there stays as is."""
        actor.must("desk", city)
        known = next((one for one in self._province.cities[city].seats if one.id == seat), None)
        if known is None:
            said = Sentence("本市没有这个座席", "the city has no such seat")
            raise ActRefused(said.zh, said.en, {"seat": said})
        ref = SeatRef(city, seat)
        there = await self._sitting.all()
        if ref not in there:  # The presses first: of a seat that is taken nobody could say later whether they were given.
            for other in [seat for seat, sitter in there.items() if sitter.account == actor.account]:
                await self._press(other, False, "258")
            await self._press(ref, False, "260")
        sat = await self._sitting.sit(ref, actor.account, agent, self._now())
        # Asked again, the line is there already; or it is written now, where SQL was away when the agent sat down.
        await self._note(actor, "seat in", ref, agent, request=f"{actor.account} {sat.since:.3f}")
        return ref

    async def stand_up(self, actor: Actor) -> None:
        """签出."""
        ref = await self.seat_of(actor)
        await self._press(ref, False, "258")
        await self._sitting.stand_up(ref, self._now())
        await self._note(actor, "seat out", ref, "")

    async def ready(self, actor: Actor, ready: bool, reason: str = "1") -> SeatRef:
        """示闲, or 示忙 with a reason."""
        ref = await self.seat_of(actor)
        if not ready and reason not in BY_AGENT:
            said = Sentence("请选择示忙原因", "choose a reason")
            raise ActRefused(said.zh, said.en, {"reason": said})
        await self._press(ref, ready, "" if ready else reason)
        return ref

    async def force(
        self, actor: Actor, city: str, seat: str, ready: bool, why: str, request: str = "", agent: str | None = None
    ) -> None:
        """强制示闲 / 强制示忙, by the team leader. Audited; a request that comes again is one line there.

        `agent`: who is seen sitting there ("": nobody); raises SitterChanged where that is so no longer.
        """
        ref = await self._forced(actor, city, seat, agent)
        await self._note(actor, "force ready" if ready else "force not ready", ref, agent or "", why, request)
        await self._press(ref, ready, "" if ready else "3")

    async def force_out(
        self, actor: Actor, city: str, seat: str, why: str, request: str = "", agent: str | None = None
    ) -> None:
        """强制签出, by the team leader. Audited; `agent` as with `force`."""
        ref = await self._forced(actor, city, seat, agent)
        await self._note(actor, "force out", ref, agent or "", why, request)
        try:
            await self._sitting.stand_up(ref, self._now(), agent)
        except SitterChanged:
            await self._note(actor, "withdrawn", ref, agent or "", "force out")
            raise
        await self._press(ref, False, "257")

    async def _forced(self, actor: Actor, city: str, seat: str, agent: str | None) -> SeatRef:
        """The seat, where this person leads it and the agent whom they were shown sits there still."""
        actor.must("force", city)
        if not any(one.id == seat for one in self._province.cities[city].seats):
            raise ActRefused("本市没有这个座席", "the city has no such seat")
        ref = SeatRef(city, seat)
        if agent is not None:
            sitter = (await self._sitting.all()).get(ref)
            if agent != (sitter.agent if sitter else ""):
                raise SitterChanged(f"somebody else is at seat {seat} by now; look again")
        return ref

    async def seat_of(self, actor: Actor) -> SeatRef:
        """Where the agent sits. Raises ActRefused where that is nowhere."""
        found = await self._sitting.seat_of(actor.account)
        if found is None:
            raise ActRefused("请先签入座席", "sign in at a seat first")
        return found

    async def pop(self, call: str, agent: str) -> dict[str, Any] | None:
        """来电弹屏: what an agent must know before answering; None for a call nobody has heard of yet."""
        city = self._province.cities.get(call.partition("-")[0])
        if city is None:
            return None
        found = await self._told(call)
        shown: dict[str, Any] = {
            "call": call,
            "city": city.code,
            "name_zh": city.name_zh,
            "greeting": greeting(city, agent),
            "number": None,
            "waited_s": None,
            "asked_at": None,
            "times_today": None,
        }
        if found is not None:
            until = found.answered_at if found.answered_at is not None else self._now()
            shown["number"] = None if found.number is None else mask(found.number)
            shown["asked_at"] = found.asked_at
            shown["waited_s"] = max(0.0, until - found.asked_at)
            if found.number is not None:
                with suppress(StoreLost):
                    since = self._now() - REPEATED_S
                    shown["times_today"] = await self._calls.times_called(city.code, found.number, since)
        return shown

    async def _told(self, call: str) -> Call | None:
        """What the history knows of the call; nothing while SQL is lost: city and greeting are known all the same."""
        try:
            return await self._calls.find(call)
        except StoreLost:
            return None

    async def _press(self, ref: SeatRef, ready: bool, reason: str) -> None:
        assert not reason or reason in REASONS, f"no reason {reason}"
        await self._registry.put_press(ref, Press(secrets.token_hex(4), ready, reason, self._now()))

    async def _note(self, actor: Actor, what: str, ref: SeatRef, after: str, why: str = "", request: str = "") -> None:
        seat = f"{ref.seat} {after}".strip()
        # One id under two different acts is two lines: nothing is done that the audit does not know.
        once = f"{request} {what} {seat}" if request else secrets.token_hex(8)
        with suppress(AlreadyDone):  # Asked again: the press that follows is the same press.
            await self._calls.note(AuditEntry(self._now(), actor.name, actor.where, what, ref.city, "", seat, why, once))


def greeting(city: City, agent: str) -> str:
    """What the citizen of that city hears first, from whomever answers (R79): the city's own words, where it has any."""
    if city.queue.greeting:
        return city.queue.greeting.replace("{agent}", agent)
    number = f"，{agent}号话务员为您服务" if agent else ""
    return f"您好，{city.name_zh}12345热线{number}，请问有什么可以帮您？"
