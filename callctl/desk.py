"""The supervisors' desk: every act is authorised, checked, audited, and only then done; two at once never overwrite.

The audit in SQL comes first and carries the new wishes with it; Redis, which the controller reads, comes second. An
act that dies in between is finished by the next desk or by the controller, which gives Redis what SQL knows.
"""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from callctl.atlas import find_city
from callctl.core.acts import Act, ActRefused, Sentence, SetQuota, Stop, Switch
from callctl.core.event_acts import EndEvent, StartEvent
from callctl.core.model import Province
from callctl.core.wishes import Wishes
from callctl.rights import Actor
from callctl.said import sentence, shown_wish
from callctl.store.port import AlreadyDone, AuditEntry, History, Registry, StoreLost, WishesChanged
from callctl.unsent import UnsentAudit

ATTEMPTS = 20  # Each lost race means another supervisor's act went through; twenty in a row is not people.
REASON_MAX = 200  # Characters; one line of the audit, and no control characters for the terminal that shows it.
WITHDRAWN = "withdrawn"  # Audit word: the act of the same request before it came too late and did not happen.


class Overtaken(ActRefused):
    """Somebody else changed the same thing a moment before."""


class DeskClosed(ActRefused):
    """A store is lost without which nothing may be changed."""


@dataclass(frozen=True, slots=True)
class Told:
    """What came of an act, for the person who asked."""

    sentence: Sentence
    notes: tuple[Sentence, ...]
    changed: bool  # False: it already was so.
    in_effect: bool  # False: recorded, and the controller hears of it when Redis is back.
    wishes: Wishes


@dataclass(frozen=True, slots=True)
class Seen:
    """What is wished now, and which stores said so."""

    wishes: Wishes
    registry_up: bool
    history_up: bool
    why_down: str = ""  # Of the history.


class Desk:
    """What supervisors may do in this province. Every act may raise ActRefused; nothing else, but for a bug."""

    def __init__(
        self,
        province: Province,
        registry: Registry,
        history: History,
        now: Callable[[], float],
        unsent: UnsentAudit,
    ) -> None:
        self._province = province
        self._registry = registry
        self._history = history
        self._now = now
        self._unsent = unsent

    async def start_event(
        self,
        actor: Actor,
        city: str,
        title: str | None = None,
        seats: Mapping[str, int] | None = None,
        priority: float | None = None,
        reason: str = "",
        request: str = "",
    ) -> Told:
        """启动, or change the running event in what is given. `seats`: most seats by supporting city; {}: everybody."""
        shares = None
        if seats is not None:
            shares = {find_city(self._province, name).code: count for name, count in seats.items()}
        act = StartEvent(find_city(self._province, city).code, title, shares, priority)
        return await self.do(actor, act, reason, request)

    async def end_event(self, actor: Actor, city: str, reason: str = "", request: str = "") -> Told:
        """终止."""
        return await self.do(actor, EndEvent(find_city(self._province, city).code), reason, request)

    async def switch(self, actor: Actor, city: str, on: bool, reason: str = "", request: str = "") -> Told:
        """开启支援 or 关闭支援."""
        return await self.do(actor, Switch(find_city(self._province, city).code, on), reason, request)

    async def quota(self, actor: Actor, city: str, seats: int | None, reason: str = "", request: str = "") -> Told:
        """Most seats the city lends at once; None: the data folder's figure again."""
        return await self.do(actor, SetQuota(find_city(self._province, city).code, seats), reason, request)

    async def stop_all(self, actor: Actor, reason: str = "", request: str = "") -> Told:
        """全部停止. Works as long as either store is there."""
        return await self.do(actor, Stop(True), reason, request)

    async def resume(self, actor: Actor, reason: str = "", request: str = "") -> Told:
        """The one way back from stop_all."""
        return await self.do(actor, Stop(False), reason, request)

    @property
    def now(self) -> float:
        """The desk's clock."""
        return self._now()

    async def seen(self) -> Seen:
        """What is wished now, from whichever store knows more. Raises DeskClosed where neither answers."""
        seen = await self._see()
        if not seen.registry_up and not seen.history_up:
            raise DeskClosed(_BOTH_LOST.zh, _BOTH_LOST.en)
        return seen

    async def wishes(self) -> Wishes:
        """The same without who said so."""
        return (await self.seen()).wishes

    async def settle(self) -> int:
        """Write the emergency stops that SQL could not take into the audit; how many. Quietly 0 while SQL is lost."""
        entries = self._unsent.take()
        if not entries:
            return 0
        try:
            last = await self._history.wishes() or Wishes()
        except StoreLost:
            return 0
        try:
            registered = await self._registry.wishes()
        except StoreLost:
            registered = None
        newest = last if registered is None or registered.version < last.version else registered
        # Redis may have forgotten the stop meanwhile; a resume cannot have come, for it needs SQL and so this first.
        wanted = newest if newest.stopped else replace(newest, stopped=True)
        if wanted != last:
            wanted = replace(wanted, version=max(wanted.version, last.version + 1))
        try:
            for entry in entries[:-1]:
                await self._history.audit(entry, None)
            await self._history.audit(entries[-1], wanted if wanted != last else None)
            self._unsent.sent()
            await self._registry.restore_wishes(wanted)
        except (StoreLost, WishesChanged, AlreadyDone):
            return 0  # AlreadyDone: another process of this machine has just sent them, and clears them away.
        return len(entries)

    async def do(
        self, actor: Actor, act: Act, reason: str = "", request: str = "", seen_version: int | None = None
    ) -> Told:
        """Carry an act out; its cities are codes. `seen_version`: of the wishes the person was looking at.

        Raises Overtaken where what the act concerns was changed since, by anybody.
        """
        actor.must(act.what, act.city)
        if not (reason.isprintable() and len(reason) <= REASON_MAX):
            raise ActRefused(
                f"事由须为一行，最多 {REASON_MAX} 字", f"the reason must be one line of {REASON_MAX} characters at most"
            )
        request = request or secrets.token_hex(8)
        seen = first = await self._see()
        if not (seen.registry_up or seen.history_up or _is_stop(act)):
            raise DeskClosed(_BOTH_LOST.zh, _BOTH_LOST.en)
        if seen_version is not None and await self._changed_since(act, seen_version, seen):
            raise await self._overtaken(act)
        for attempt in range(ATTEMPTS):
            wished = replace(act.apply(seen.wishes, self._now()), version=seen.wishes.version + 1)
            if shown_wish(wished, act.what, act.city) == shown_wish(seen.wishes, act.what, act.city):
                return await self._already(act, seen)
            if act.concern(seen.wishes) != act.concern(first.wishes):
                raise await self._overtaken(act)
            notes = act.check(self._province, seen.wishes)
            # A withdrawn act keeps its request id in the audit; done again, it is another line there.
            once = request if not attempt else f"{request}.{attempt}"
            try:
                told = await self._write(actor, act, seen, wished, (reason, once), notes)
            except AlreadyDone:
                now = await self._see()
                return Told(_DONE_BEFORE, (), False, now.registry_up, now.wishes)
            if told:
                return told
            seen = await self._see()
        raise DeskClosed("同时操作的人太多，请稍后再试", "too many people are changing things at once; try again")

    async def _changed_since(self, act: Act, version: int, seen: Seen) -> bool:
        """Whether somebody changed what the act concerns after that version. A stop is never too late."""
        if version >= seen.wishes.version or _is_stop(act):
            return False
        try:
            before = await self._history.wishes_at(version) if version else Wishes()
        except StoreLost:
            return False  # Without the history nothing but a stop is done anyway.
        return before is None or act.concern(before) != act.concern(seen.wishes)

    async def _write(
        self, actor: Actor, act: Act, seen: Seen, wished: Wishes, why: tuple[str, str], notes: tuple[Sentence, ...]
    ) -> Told | None:
        """Audit, then write; None where somebody else wrote first."""
        before, after = (shown_wish(wishes, act.what, act.city) for wishes in (seen.wishes, wished))
        entry = AuditEntry(self._now(), actor.name, actor.where, act.what, act.city, before, after, *why)
        audited = await self._audit(act, entry, wished, seen)
        if audited is None:
            return None
        kept = audited or self._kept(entry)
        try:
            written = await self._registry.put_wishes(seen.wishes.version, wished)
        except WishesChanged:
            return await self._after_lost_race(act, entry, wished, notes) if audited else None
        except StoreLost:
            if not kept:
                raise DeskClosed(_BOTH_LOST.zh, _BOTH_LOST.en) from None
            said = sentence(self._province, act, wished)
            later = Sentence(f"已记录，尚未生效：{said.zh}", f"recorded, not in effect yet: {said.en}")
            return Told(later, (*notes, _REDIS_LOST if audited else _BOTH_LOST), True, False, wished)
        lost = _SQL_LOST if kept else _UNAUDITED
        return Told(sentence(self._province, act, wished), notes if audited else (*notes, lost), True, True, written)

    async def _audit(self, act: Act, entry: AuditEntry, wished: Wishes, seen: Seen) -> bool | None:
        """True: in the audit. False: a stop, kept on disk. None: somebody else's act came first."""
        why_down = seen.why_down
        try:
            if seen.history_up:
                await self._history.audit(entry, wished)
                return True
        except WishesChanged:
            return None
        except StoreLost as lost:
            why_down = str(lost)
        if not _is_stop(act):
            raise _sql_lost(why_down)
        return False

    def _kept(self, entry: AuditEntry) -> bool:
        """Whether the entry of a stop is safe on disk. Stopping matters more than the record of it."""
        try:
            self._unsent.keep(entry)
        except OSError:
            return False
        return True

    async def _after_lost_race(
        self, act: Act, entry: AuditEntry, wished: Wishes, notes: tuple[Sentence, ...]
    ) -> Told | None:
        """SQL took the act, Redis has moved on: either another desk finished it for us, or it must be withdrawn.

        SQL takes each version once, so whoever wrote a later one there had read ours. Only a stop made without SQL can
        stand in Redis under our number.
        """
        try:
            holding = await self._registry.wishes() or Wishes()
            last = await self._history.wishes() or Wishes()
            same = shown_wish(holding, act.what, act.city) == entry.after
            if same or last.version > wished.version:
                return Told(sentence(self._province, act, wished), notes, True, True, holding)
            renumbered = replace(holding, version=max(holding.version, wished.version) + 1)
            back = replace(
                entry,
                at=self._now(),
                what=WITHDRAWN,
                before=entry.after,
                after=entry.before,
                request=f"{entry.request} {WITHDRAWN}",
            )
            await self._history.audit(back, renumbered)
            await self._registry.restore_wishes(renumbered)
        except (StoreLost, WishesChanged):
            pass  # The next look decides: it reads both stores again.
        return None

    async def _see(self) -> Seen:
        await self.settle()
        registered = remembered = None
        registry_up = history_up = True
        why_down = ""
        try:
            registered = await self._registry.wishes()
        except StoreLost:
            registry_up = False
        try:
            remembered = await self._history.wishes()
        except StoreLost as lost:
            history_up, why_down = False, str(lost)
        wishes = registered or Wishes()
        if remembered and (registered is None or remembered.version > registered.version):
            wishes = remembered
            registry_up = registry_up and await self._restore(remembered)
        return Seen(wishes, registry_up, history_up, why_down)

    async def _restore(self, wishes: Wishes) -> bool:
        try:
            await self._registry.restore_wishes(wishes)
        except StoreLost:
            return False
        return True

    async def _last_of(self, act: Act) -> AuditEntry | None:
        try:
            entries = await self._history.audited(5, frozenset({act.city}) if act.city else None)
        except StoreLost:
            return None
        alike = act.what.split()[0]
        return next((entry for entry in entries if entry.what.split()[0] == alike or not act.city), None)

    async def _already(self, act: Act, seen: Seen) -> Told:
        last = await self._last_of(act) if seen.history_up else None
        by = Sentence(f"({last.who})", f" (by {last.who})") if last and last.what == act.what else Sentence("", "")
        said = sentence(self._province, act, seen.wishes)
        already = Sentence(f"{said.zh}：已经是这样了{by.zh}", f"{said.en}: it already was so{by.en}")
        return Told(already, act.check(self._province, seen.wishes), False, seen.registry_up, seen.wishes)

    async def _overtaken(self, act: Act) -> Overtaken:
        last = await self._last_of(act)
        if last is None:
            return Overtaken(
                "刚才有人改了同一项，请看过现状再试", "somebody changed the same thing just now; look and try again"
            )
        return Overtaken(
            f"{last.who}({last.where})刚刚改了同一项：{last.what} {last.city} {last.before} → {last.after}；请看过现状再试",
            f"{last.who} ({last.where}) changed the same thing just now: {last.what} {last.city} {last.before} → "
            f"{last.after}; look and try again",
        )


_DONE_BEFORE = Sentence("这条命令先前已执行过，不再重复", "this very order was carried out before and is not repeated")
_REDIS_LOST = Sentence(
    "Redis 联系不上：已记录，恢复后自动生效；各市接听和通话不受影响，暂不新增借调",
    "Redis cannot be reached: recorded, in effect as soon as it is back; answering and calls go on, nothing new is lent",
)
_SQL_LOST = Sentence(
    "数据库联系不上：已执行，审计记录暂存本机，恢复后补写",
    "the database cannot be reached: done; the audit entry is kept on this machine and written later",
)
_UNAUDITED = Sentence(
    "数据库联系不上，本机磁盘也写不进：没有留下审计记录，请人工登记",
    "the database cannot be reached and this machine's disk takes nothing: this act is not audited, write it down by hand",
)
_BOTH_LOST = Sentence(
    "Redis 和数据库都联系不上，命令送不到；要立即停止支援：停掉 callctl run，两分钟内各市自动停接外市来电",
    "neither Redis nor the database can be reached, no order gets through; to stop assistance now, stop "
    "`callctl run`: within two minutes the PBXs end it by themselves",
)


def _is_stop(act: Act) -> bool:
    return isinstance(act, Stop) and act.stopped


def _sql_lost(why: str) -> DeskClosed:
    return DeskClosed(
        f"数据库联系不上，不能留审计，因此不执行；只有“全部停止”（callctl stop --all）仍可用，支援按原样继续。原因：{why}",
        "the database cannot be reached, so the act cannot be audited and is not done; only the stop (`callctl stop --all`)"
        f" works; assistance goes on as it was. Why: {why}",
    )
