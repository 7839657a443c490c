"""Scripts, their readers and signed-in time in the daily report, from real databases."""

from pathlib import Path

from callctl.core.days import Span
from callctl.core.model import SeatRef
from callctl.store.attendance import signed_in, together_s
from callctl.store.briefing import script_figures
from callctl.store.cabinet import Cabinet
from callctl.store.ledger import write_audit
from callctl.store.port import AuditEntry
from callctl.store.record_tables import wrapups
from callctl.store.schema import open_engine, prepare
from callctl.store.scripts import EXPIRED, PUBLISHED, Script, ScriptBook, Wording, resaved
from callctl.store.tables import calls

Y, X = "yangzhou", "xuzhou"
T0 = 1_790_000_000.0
DAY = Span(T0, T0 + 86_400)
CALL_ROW = {"number": "", "state": "ended", "open": False, "requeues": 0, "seen_from": "events"}
AGENTS = {X: {"A1", "A2"}, "suzhou": {"B1"}}


def act(at: float, what: str, after: str = "", city: str = X, who: str = "甲") -> AuditEntry:
    return AuditEntry(at, who, "", what, city, "", after, "", f"{at} {what} {after} {who}")


async def published(
    book: ScriptBook, question: str, at: float, must_read: bool = True, until: float | None = None
) -> Script:
    wording = Wording(question, "答", must_read=must_read, until=until)
    draft = await book.add(act(at - 60, "script write"), Y, "editor", wording)
    await book.decide(act(at, "script publish", question), draft, PUBLISHED, "approver", "")
    return (await book.versions(draft.id))[0]


async def test_scripts_in_force_new_changed_ended_and_how_they_were_read(sql_url: str, tmp_path: Path) -> None:
    engine = open_engine(sql_url)
    await prepare(engine)
    book = ScriptBook(Cabinet(engine))
    old = await published(book, "旧口径", T0 - 5000)
    await published(book, "当日到期", T0 - 4000, must_read=False, until=T0 + 3600)
    gone = await published(book, "当日撤回", T0 - 3000)
    await book.decide(act(T0 + 100, "script expire"), gone, EXPIRED, "approver", "过时")
    new = await published(book, "新口径", T0 + 1000)
    second = resaved(Script(**{**{key: getattr(old, key) for key in old.__slots__}, "version": 2, "state": "draft"}),
                     Wording("旧口径改", "答", must_read=True), "editor", T0 + 1900)  # fmt: skip
    await book.save(act(T0 + 1900, "script write", "2"), second, 0)
    draft = (await book.versions(old.id))[0]
    await book.decide(act(T0 + 2000, "script publish", "2"), draft, PUBLISHED, "approver", "")
    changed = (await book.versions(old.id))[0]
    for agent, at in (("A1", T0 + 1060), ("A2", T0 + 1240), ("B1", T0 + 1300)):
        await book.read(new, agent, X, at)
    await book.read(new, "A1", "suzhou", T0 + 1400)  # Not whom suzhou's calls may go to, nor this city's A1 once more.
    await book.read(new, "B1", "suzhou", T0 + 1600)
    await book.read(changed, "A1", X, T0 + 2500)
    await book.read(changed, "A2", X, DAY.until + 5)  # The next morning.
    figures, rates = await script_figures(engine, Y, DAY, AGENTS)
    assert (figures.in_force, figures.added, figures.changed, figures.ended) == (2, 1, 1, 2)
    assert (figures.read_by_all, figures.read_mean_s) == (1, 600.0)  # To the last reader; the other one is not read by all.
    assert rates == {X: 3 / 4, "suzhou": 1 / 2}
    await engine.dispose()


async def test_signed_in_time_is_told_from_signing_in_and_out(sql_url: str, tmp_path: Path) -> None:
    engine = open_engine(sql_url)
    await prepare(engine)
    story = [
        act(T0 - 600, "seat in", "1301 A1"),  # Since before the day.
        act(T0 + 3600, "seat in", "1302 A1"),  # Another seat: the first one is left.
        act(T0 + 7200, "seat out", "1302"),
        act(T0 + 100, "seat in", "1303 A2", who="乙"),
        act(T0 + 400, "force out", "1303", who="班长"),
        act(T0 + 500, "seat in", "1304 A3", who="丙"),  # Forgot to sign out.
    ]
    for entry in sorted(story, key=lambda one: one.at):
        await write_audit(engine, entry, None, "")
    found = await signed_in(engine, [X], DAY)
    assert found == {
        SeatRef(X, "1301"): [Span(T0, T0 + 3600)],
        SeatRef(X, "1302"): [Span(T0 + 3600, T0 + 7200)],
        SeatRef(X, "1303"): [Span(T0 + 100, T0 + 400)],
        SeatRef(X, "1304"): [Span(T0 + 500, T0 + 500 + 43_200)],
    }
    assert together_s([Span(T0 + 3000, T0 + 4000)], found[SeatRef(X, "1301")]) == 600.0
    assert await signed_in(engine, [], DAY) == {}
    await engine.dispose()


async def test_a_version_that_begins_another_day_ends_nothing_before(sql_url: str, tmp_path: Path) -> None:
    engine = open_engine(sql_url)
    await prepare(engine)
    book = ScriptBook(Cabinet(engine))
    old = await published(book, "旧口径", T0 - 5000)
    wording = Wording("新口径", "答", must_read=True, from_at=DAY.until + 3600)
    draft = Script(old.id, Y, 2, "draft", wording, 1, ("editor",), T0, "", None, "")
    await book.save(act(T0, "script write", "2"), draft, 0)
    await book.decide(act(T0 + 60, "script publish", "2"), draft, PUBLISHED, "approver", "")
    assert [one.version for one in await book.published()] == [1, 2]
    next_day = Span(DAY.until, DAY.until + 86_400)
    for span in (DAY, next_day):  # One in force on both days, the old one first.
        figures, _ = await script_figures(engine, Y, span, AGENTS)
        assert (figures.in_force, figures.ended) == (1, 0), span
    gone = next(one for one in await book.published() if one.version == 2)
    await book.decide(act(next_day.since + 7200, "script expire"), gone, EXPIRED, "approver", "过时")
    assert await book.published() == [], "nor does what it had replaced come back"
    figures, _ = await script_figures(engine, Y, next_day, AGENTS)
    assert (figures.in_force, figures.ended) == (0, 1)
    await engine.dispose()


async def test_only_notes_that_could_have_named_a_script_count_as_without_one(sql_url: str, tmp_path: Path) -> None:
    engine = open_engine(sql_url)
    await prepare(engine)
    first, most = T0 + 3600, {"answering": X, "seat": "1301", "agent": "A1", "demand": "help", "result": "on_call"}
    more = {**most, "urgent": False, "confidential": False, "nuisance": False, "revision": 1, "personal": ""}
    told = [("1", T0 + 60, "0101", ""), ("2", first + 60, "0102", ""), ("3", first + 70, "0102", "1")]
    told += [("4", first + 80, "0102", "")]
    async with engine.begin() as connection:
        for number, at, code, script in told:
            call = {"call": f"{Y}-{number}", "city": Y, "asked_at": at, **CALL_ROW}
            await connection.execute(calls.insert().values(call))
            note = {"call": f"{Y}-{number}", "city": Y, "at": at, "code": code, "script": script, **more}
            await connection.execute(wrapups.insert().values(note))
    figures, _ = await script_figures(engine, Y, DAY, AGENTS)
    assert figures.without == (), "the city had no script that a note could have named"
    await published(ScriptBook(Cabinet(engine)), "口径", first)
    figures, _ = await script_figures(engine, Y, DAY, AGENTS)
    assert figures.without == (("0102", 2),)
    await engine.dispose()
