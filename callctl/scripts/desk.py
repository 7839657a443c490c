"""What editors, approvers and agents may do with scripts: written by one, published by another, read by all who help."""

import difflib
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace

from callctl.core.acts import ActRefused, Sentence
from callctl.core.model import Province
from callctl.rights import Actor, Role
from callctl.store.port import AuditEntry
from callctl.store.scripts import DRAFT, EXPIRED, PUBLISHED, REJECTED, Script, ScriptBook, Wording, resaved, standing

MOST = {"question": 200, "similar": 1000, "answer": 5000, "scope": 200, "source": 500, "category": 32, "note": 500}
NEEDED = ("question", "answer")


class NoSuchScript(ActRefused):
    """The city has no such script, or no such version of it."""


class Scripts:
    """Every call may raise ActRefused (NotAllowed among it), ScriptChanged, StoreLost."""

    def __init__(self, province: Province, book: ScriptBook, now: Callable[[], float]) -> None:
        self._province = province
        self._book = book
        self._now = now

    async def write(
        self, actor: Actor, city: str, wording: Wording, script: int | None = None, seen_saves: int = 0, request: str = ""
    ) -> Script:
        """A new script, a new version of one, or the draft once more. `seen_saves`: of the draft as the editor saw it."""
        actor.must("script write", city)
        _check(wording, self._now())
        editor, now = _who(actor), self._now()
        if script is None:
            return await self._book.add(
                self._entry(actor, "script write", city, "", wording.question, request), city, editor, wording
            )
        newest = (await self._versions(city, script))[0]
        if newest.state == DRAFT:
            draft = resaved(newest, wording, editor, now)
            if seen_saves == 0:
                seen_saves = -1  # The editor did not know of the draft: somebody else has begun it.
        else:
            seen_saves = 0
            draft = Script(script, city, newest.version + 1, DRAFT, wording, 1, (editor,), now, "", None, "")
        entry = self._entry(
            actor, "script write", city, f"{script} v{newest.version}", f"{script} v{draft.version}", request
        )
        await self._book.save(entry, draft, seen_saves)
        return draft

    async def publish(
        self, actor: Actor, city: str, script: int, version: int, seen_saves: int, request: str = ""
    ) -> Script:
        """Put a draft in force, as the approver saw it. Never by who wrote it."""
        draft = await self._draft(actor, city, script, version, seen_saves)
        _check(draft.wording, self._now())
        entry = self._entry(actor, "script publish", city, "", f"{script} v{version}: {draft.wording.question}", request)
        await self._book.decide(entry, draft, PUBLISHED, _who(actor), "")
        return replace(draft, state=PUBLISHED, decided_by=_who(actor), decided_at=entry.at)

    async def reject(
        self, actor: Actor, city: str, script: int, version: int, seen_saves: int, why: str, request: str = ""
    ) -> Script:
        """Send a draft back."""
        draft = await self._draft(actor, city, script, version, seen_saves)
        why = _reason(why)
        entry = self._entry(actor, "script reject", city, "", f"{script} v{version}", request, why)
        await self._book.decide(entry, draft, REJECTED, _who(actor), why)
        return replace(draft, state=REJECTED, decided_by=_who(actor), decided_at=entry.at, why=why)

    async def expire(
        self, actor: Actor, city: str, script: int, why: str, request: str = "", version: int | None = None
    ) -> Script:
        """Withdraw what is published: that version, else the one that has begun, else the one that is to begin."""
        actor.must("script expire", city)
        live = [one for one in await self._versions(city, script) if one.state == PUBLISHED]
        live.sort(key=lambda one: not one.begun(self._now()))
        found = next((one for one in live if version in (None, one.version)), None)
        if found is None:
            raise NoSuchScript("没有已发布的版本", "no version of it is published")
        why = _reason(why)
        entry = self._entry(actor, "script expire", city, f"{script} v{found.version}", "", request, why)
        await self._book.decide(entry, found, EXPIRED, _who(actor), why)
        return replace(found, state=EXPIRED, why=why)

    async def versions(self, actor: Actor, city: str, script: int) -> Sequence[Script]:
        """Every version; drafts and what was sent back only to the city's own editors and approvers."""
        found = await self._versions(city, script)
        return [one for one in found if one.state in (PUBLISHED, EXPIRED) or _works_on(actor, city)]

    async def of_city(self, actor: Actor, city: str) -> Sequence[Script]:
        """The city's scripts with their drafts, for its editors and approvers."""
        actor.must("see drafts", city)
        versions: dict[int, list[Script]] = {}
        for one in await self._book.of_city(city):
            versions.setdefault(one.id, []).append(one)
        newest = {script: some[0].version for script, some in versions.items()}
        stand = [one for some in versions.values() for one in standing(some, self._now())]
        return [one for one in stand if one.state == PUBLISHED or one.version >= newest[one.id] - 1]

    async def read(self, actor: Actor, agent: str, city: str, script: Script) -> bool:
        """The agent confirms to have read this version; False where that was so already."""
        actor.must("script read", city)
        return await self._book.read(script, agent, city, self._now())

    async def _draft(self, actor: Actor, city: str, script: int, version: int, seen_saves: int) -> Script:
        actor.must("script publish", city)
        found = next((one for one in await self._versions(city, script) if one.version == version), None)
        if found is None or found.state != DRAFT:
            raise NoSuchScript("没有这个待审版本(可能已被处理)", "there is no such draft (it may have been decided)")
        if _who(actor) in found.editors:
            raise ActRefused("编写人不能审核自己写的口径", "nobody approves what they wrote themselves")
        return replace(found, saves=seen_saves)  # Deciding what was saved meanwhile is refused by the book.

    async def _versions(self, city: str, script: int) -> Sequence[Script]:
        found = await self._book.versions(script)
        if not found or found[0].city != city:
            raise NoSuchScript("本市没有这条口径", "the city has no such script")
        return standing(found, self._now())

    def _entry(
        self, actor: Actor, what: str, city: str, before: str, after: str, request: str, reason: str = ""
    ) -> AuditEntry:
        once = request or secrets.token_hex(8)
        return AuditEntry(self._now(), actor.name, actor.where, what, city, before, after, reason, once)


# A number and a Latin word are compared whole: 48 to 24 by digits would be shown as 2, 4 and a struck 8, "248".
_WHOLE = re.compile(r"\d+(?:[.,:]\d+)*|[A-Za-z]+|.", re.DOTALL)


def difference(before: Wording, after: Wording) -> Mapping[str, Sequence[tuple[str, str]]]:
    """By field that differs: runs of text, each "same", "gone" or "new"."""
    changed: dict[str, list[tuple[str, str]]] = {}
    for field in fields(Wording):
        old, new = getattr(before, field.name), getattr(after, field.name)
        if old == new:
            continue
        if not isinstance(old, str) or not isinstance(new, str):
            changed[field.name] = [("gone", str(old)), ("new", str(new))]
            continue
        runs: list[tuple[str, str]] = []
        was, now = _WHOLE.findall(old), _WHOLE.findall(new)
        for kind, a, b, c, d in difflib.SequenceMatcher(None, was, now, autojunk=False).get_opcodes():
            if kind == "equal":
                runs.append(("same", "".join(was[a:b])))
                continue
            runs += [run for run in (("gone", "".join(was[a:b])), ("new", "".join(now[c:d]))) if run[1]]
        changed[field.name] = runs
    return changed


def _who(actor: Actor) -> str:
    return (actor.account or actor.name)[:64].replace(",", " ")


def _works_on(actor: Actor, city: str) -> bool:
    return actor.may("see drafts", city) and bool(actor.roles & {Role.EDITOR, Role.APPROVER})


def _reason(why: str) -> str:
    if not (why.strip() and len(why) <= 200 and why.isprintable()):
        said = Sentence("请写明原因，一行，最多 200 字", "say why, in one line of 200 characters at most")
        raise ActRefused(said.zh, said.en, {"why": said})
    return why.strip()


def _check(wording: Wording, now: float) -> None:
    wrong: dict[str, Sentence] = {}
    for name in NEEDED:
        if not getattr(wording, name).strip():
            wrong[name] = Sentence("必填", "is needed")
    for name, most in MOST.items():
        text = getattr(wording, name)
        if len(text) > most:
            wrong[name] = Sentence(f"最多 {most} 字", f"{most} characters at most")
        elif not all(letter.isprintable() or (letter in "\n\t" and name != "question") for letter in text):
            wrong[name] = Sentence("不能有控制字符", "no control characters")
    if wording.until is not None and wording.until <= max(now, wording.from_at or 0.0):
        wrong["until"] = Sentence("失效时间须在生效之后、现在之后", "must be after its beginning and after now")
    if wrong:
        raise ActRefused("口径有填错的地方", "the script has wrong fields", wrong)
