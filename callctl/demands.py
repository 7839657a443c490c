"""小结: what an agent writes of a call, checked and kept as a note and, when forwarded, as a stub of the city's work order.

Who may write: the agent who sat where the call was answered when it was, and nobody else; a desk page can name any call.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from callctl.core.acts import ActRefused, Sentence
from callctl.core.categories import Category, search
from callctl.core.days import day_of
from callctl.core.demand import CONTENT_MOST, LINE_MOST, PERSONAL, Deadlines, Demand, Result, WrapUp, due_at
from callctl.core.model import SeatRef
from callctl.core.workdays import Calendar
from callctl.given_files import GivenRefused, own_or_given, read_calendar, read_categories
from callctl.rights import Actor, NotAllowed
from callctl.rules import DeadlineRule, Rules, RulesError, read_rules
from callctl.settings import Settings
from callctl.store.cabinet import Cabinet
from callctl.store.calls import Call, CallBook
from callctl.store.notes import NoteRefused, keep_note, kept_tree, noted_by
from callctl.store.seal import Seal
from callctl.store.sitting import Sitting

WRAPPED_MOST_S = 7200.0  # A note written later than this after the call was not being written all the time.
FOUND_MOST = 30  # Categories offered at a time.
_CHOICES: tuple[tuple[str, type[Demand] | type[Result], Sentence], ...] = (
    ("demand", Demand, Sentence("请选择诉求类型", "choose the type")),
    ("result", Result, Sentence("请选择处理结果：在线解答或流转", "choose: answered on the call, or forwarded")),
)


def deadlines(rule: DeadlineRule) -> Deadlines:
    """The rule as the core has it."""
    return Deadlines(rule.consult_d, rule.other_d, rule.urgent_h, rule.yellow_before_d)


async def tree_in_use(engine: AsyncEngine, settings: Settings) -> list[Category]:
    """The imported tree, else the province's file, else the starter set. Raises GivenRefused, one of history.LOST."""
    kept = await kept_tree(engine, date.fromisoformat)
    return kept or read_categories(own_or_given(settings.province_dir, "categories.csv"))


def calendar_in_use(settings: Settings) -> Calendar:
    """The province's own holidays, else those that come with callctl. Raises GivenRefused."""
    return read_calendar(own_or_given(settings.province_dir, "holidays.csv"))


def due(note: WrapUp, category: Category | None, rules: Rules, settings: Settings) -> float:
    """When the demand must be done. Raises GivenRefused."""
    limits = deadlines(rules.deadline(note.city, category.profile if category else ""))
    return due_at(note.demand, note.urgent, note.at, limits, calendar_in_use(settings))


def ways(city: str, rules: Rules) -> list[str]:
    """How the city gets its stubs."""
    rule = rules.delivery.get(city)
    return [way for way in ("webhook", "drop") if rule and getattr(rule, way)]


@dataclass(frozen=True, slots=True)
class Demands:
    """The desk's way to the records. Every call may raise ActRefused, StoreLost."""

    cabinet: Cabinet
    calls: CallBook
    sitting: Sitting
    settings: Settings
    seal: Seal
    now: Callable[[], float]

    async def keep(self, actor: Actor, seat: SeatRef, agent: str, note: Mapping[str, Any]) -> bool:
        """Keep the note of `note["call"]`; whether it was news. The same note again changes nothing.

        `seat`: where the agent sits now, the seat "" for nowhere.
        """
        wrong = _wrong(note)
        if wrong:
            raise ActRefused("请改正这些地方", "please mend these", wrong)
        call = await self._own_call(actor, seat, agent, str(note["call"]))
        now = self.now()
        wrapped_s = None if call.ended_at is None else now - call.ended_at
        kept = WrapUp(
            call=call.call,
            city=call.city,
            answering=call.by_city or seat.city,
            seat=call.by_seat or seat.seat,
            agent=agent,
            at=now,
            demand=Demand(note["demand"]),
            code=str(note["code"]),
            result=Result(note["result"]),
            number=call.number or "",
            wrapped_s=wrapped_s if wrapped_s is not None and 0.0 <= wrapped_s <= WRAPPED_MOST_S else None,
            **{name: note.get(name) or "" for name in PERSONAL if name != "number"},
            urgent=bool(note.get("urgent")),
            confidential=bool(note.get("confidential")),
            nuisance=bool(note.get("nuisance")),
            script=str(note.get("script") or ""),
            script_version=note.get("script_version"),
        )
        return await self._write(kept)

    async def _write(self, note: WrapUp) -> bool:
        try:
            rules = read_rules(self.settings.province_dir)
            async with self.cabinet.engine() as engine:
                tree = await tree_in_use(engine, self.settings)
                codes = {one.code: one for one in tree if one.valid(day_of(note.at))}
                if note.code not in codes:
                    said = Sentence("没有这个分类代码，请从列表中选", "there is no such category; choose one of the list")
                    raise ActRefused(said.zh, said.en, {"code": said})
                due_at = due(note, codes[note.code], rules, self.settings)
                return await keep_note(engine, note, codes, ways(note.city, rules), due_at, self.seal)
        except NoteRefused as refused:
            raise ActRefused(str(refused), refused.en) from None
        except (GivenRefused, RulesError) as fault:
            raise ActRefused(
                f"服务器上的清单或规则有误，小结先留在草稿里：{fault}",
                f"a list or rule on the server is wrong, the note stays a draft: {fault}",
            ) from None

    async def _own_call(self, actor: Actor, seat: SeatRef, agent: str, name: str) -> Call:
        """The call, where this person talked in it: who sat there when it was answered, wherever they sit by now.

        Where nobody was signed in there just then: whoever is now. Where it is not remembered: who wrote its note already.
        """
        call = await self.calls.find(name)
        if call is not None and call.by_city and call.by_seat and actor.sees(call.by_city):
            there = SeatRef(call.by_city, call.by_seat)
            talked = await self.sitting.sat(there, _moment(call, self.now()))
            if talked == actor.account or (talked == "" and there == seat):
                return call
            if talked is None:
                async with self.cabinet.engine() as engine:
                    if await noted_by(engine, call.call) == (call.by_city, agent):
                        return call
        raise NotAllowed(
            "这个通话不是您接听的，不能写小结；所写内容仍在草稿里",
            "this call was not answered by you; its note is not yours. What you wrote is still in the draft",
        )

    async def categories(self, asked: str) -> list[Category]:
        """What an agent may mean by a few characters: a code's beginning, a name, a synonym."""
        try:
            async with self.cabinet.engine() as engine:
                tree = await tree_in_use(engine, self.settings)
        except GivenRefused:
            return []
        return search(tree, asked[:LINE_MOST], day_of(self.now()))[:FOUND_MOST]


def _moment(call: Call, now: float) -> float:
    """When somebody talked in it for certain."""
    return next((at for at in (call.answered_at, call.ended_at) if at is not None), now)


def _wrong(note: Mapping[str, Any]) -> dict[str, Sentence]:
    """What is wrong at which field, for the agent."""
    wrong = {name: said for name, kind, said in _CHOICES if note.get(name) not in {one.value for one in kind}}
    if not note.get("code"):
        wrong["code"] = Sentence("请选择分类代码", "choose a category")
    if not str(note.get("content") or "").strip() and not note.get("nuisance"):
        wrong["content"] = Sentence("请写诉求内容", "write what it was about")
    if note.get("result") == Result.FORWARDED.value and note.get("nuisance"):
        wrong["result"] = Sentence("骚扰或静音来电不流转", "a nuisance call is not forwarded")
    for name in PERSONAL:
        most = CONTENT_MOST if name == "content" else LINE_MOST
        if len(str(note.get(name) or "")) > most:
            wrong[name] = Sentence(f"最多 {most} 字", f"at most {most} characters")
    return wrong
