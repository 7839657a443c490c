"""The call detail record: one row a citizen's call, from the first ring to the order's end; and a call's whole story.

Read from the rows the history keeps (calls, waits, legs), the wrap-up notes and the order stubs. Numbers are masked
unless somebody is allowed to see them and says why (store/privacy.py).
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import RowMapping, and_, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from callctl.core.days import Span
from callctl.core.events import Answerer, HomeSeat, LentSeat
from callctl.core.model import SlotRef
from callctl.core.steps import Note, OrderStep, Step, steps
from callctl.core.story import Leg, Story, Wait
from callctl.store.export import Typed
from callctl.store.record_tables import callbacks, recordings, stub_steps, stubs, wrapups
from callctl.store.tables import calls, legs, surveys, waits

PAGE = 1000  # Calls read at a time: an export of a province's month must not stand in memory.

# Field of an export to what it is; keys are only ever added. Times are epoch seconds.
FIELDS = (
    "call",
    "city",
    "number",
    "entered_at",
    "left_at",
    "state",
    "outcome",
    "waited_s",
    "answered_at",
    "answering_city",
    "seat",
    "slot",
    "ended_at",
    "talked_s",
    "sent_out",
    "requeues",
    "called_back",
    "score",
    "seen_from",
    "recording",
    "demand",
    "code",
    "result",
    "stub",
    "order_state",
    "order_no",
)
TYPED = Typed(counts=("slot", "requeues", "score"), facts=("sent_out", "called_back"))


@dataclass(frozen=True, slots=True)
class WholeCall:
    """One call with everything that is known of it."""

    story: Story
    steps: list[Step]
    number: str  # As the database holds it: in clear or sealed.
    recordings: tuple[str, ...]


def story_of(row: RowMapping, wait_rows: Sequence[RowMapping], leg_rows: Sequence[RowMapping]) -> Story:
    """The story, from its rows: what core/story.py told once."""
    return Story(
        call=row["call"],
        city=row["city"],
        state=row["state"],
        number=row["number"],
        seen_at=row["asked_at"],
        last_at=_last_at(row, [*wait_rows, *leg_rows]),
        first_arrival=row["first_arrival"],
        left_at=row["left_at"],
        outcome=row["outcome"],
        requeues=row["requeues"],
        called_back=row["called_back"],
        score=row["score"],
        seen_from=row["seen_from"],
        waits=[Wait(one["entered_at"], one["left_at"], one["waited_s"], one["gone_at"]) for one in wait_rows],
        legs=[
            Leg(
                one["city"],
                _answerer(one),
                one["rung_at"],
                one["answered_at"],
                one["ended_at"],
                one["how"],
                one["talked_s"],
                one["gone_at"],
            )
            for one in leg_rows
        ],
    )


def _last_at(row: RowMapping, parts: Sequence[RowMapping]) -> float:
    told = [row["asked_at"], row["left_at"], row["ended_at"]]
    told += [part.get(key) for part in parts for key in ("left_at", "ended_at", "gone_at")]
    return max(float(at) for at in told if at is not None)


def _answerer(row: RowMapping) -> Answerer:
    match row["side"]:
        case "slot":
            return SlotRef(row["supporting"], row["slot"])
        case "lent":
            return LentSeat(row["seat"], row["assisted"])
    return HomeSeat(row["seat"])


async def stories(engine: AsyncEngine, span: Span, cities: Sequence[str] = ()) -> dict[str, Story]:
    """Every story of calls that entered in the span, by call."""
    mine = and_(calls.c.asked_at >= span.since, calls.c.asked_at < span.until)
    if cities:
        mine = and_(mine, calls.c.city.in_(cities))
    async with engine.connect() as connection:
        rows = (await connection.execute(select(calls).where(mine))).mappings().all()
        wait_rows = await _by_call(connection, waits, mine)
        leg_rows = await _by_call(connection, legs, mine)
    return {row["call"]: story_of(row, wait_rows[row["call"]], leg_rows[row["call"]]) for row in rows}


async def _by_call(connection: AsyncConnection, table: Any, mine: Any) -> dict[str, list[RowMapping]]:
    found: dict[str, list[RowMapping]] = defaultdict(list)
    asked = select(table).join(calls, calls.c.call == table.c.call).where(mine).order_by(table.c.call, table.c.n)
    for row in (await connection.execute(asked)).mappings():
        found[row["call"]].append(row)
    return found


async def whole_call(engine: AsyncEngine, call: str, threshold_s: float) -> WholeCall | None:
    """One call with all its steps; None where nobody has heard of it."""
    async with engine.connect() as connection:
        row = (await connection.execute(select(calls).where(calls.c.call == call))).mappings().one_or_none()
        if row is None:
            return None
        mine = calls.c.call == call
        wait_rows = await _by_call(connection, waits, mine)
        leg_rows = await _by_call(connection, legs, mine)
        noted = (await connection.execute(select(wrapups).where(wrapups.c.call == call))).mappings().one_or_none()
        told = select(stub_steps).join(stubs, stubs.c.stub == stub_steps.c.stub).where(stubs.c.call == call)
        order = (await connection.execute(told.order_by(stub_steps.c.at))).mappings().all()
        scored = (await connection.execute(select(surveys.c.at).where(surveys.c.call == call))).scalar_one_or_none()
        taped = select(recordings.c.file).where(recordings.c.call == call).order_by(recordings.c.n)
        files = tuple((await connection.execute(taped)).scalars())
        tried = select(callbacks).where(callbacks.c.city == row["city"], callbacks.c.note == call)
        backs = (await connection.execute(tried.order_by(callbacks.c.at))).mappings().all()
    story = story_of(row, wait_rows[call], leg_rows[call])
    note = (
        Note(
            noted["at"],
            noted["answering"],
            noted["agent"],
            noted["code"],
            noted["demand"],
            noted["result"],
            noted["script"],
            noted["script_version"],
        )
        if noted
        else None
    )
    told_steps = [OrderStep(one["at"], one["what"], one["who"], one["note"]) for one in order]
    told_steps += [
        OrderStep(one["at"], "called_back", f"{one['by_city']} {one['seat']}".strip(), one["outcome"]) for one in backs
    ]
    return WholeCall(story, steps(story, note, told_steps, threshold_s, scored), row["number"], files)


async def records(
    engine: AsyncEngine, span: Span, cities: Sequence[str], shown: Callable[[str], str]
) -> AsyncIterator[dict[str, Any]]:
    """One record a call, by time of entry. `shown` turns the number as kept into what may be seen."""
    mine = calls.c.asked_at < span.until
    if cities:
        mine = and_(mine, calls.c.city.in_(cities))
    after: tuple[float, str] = (span.since, "")
    while True:
        # One lower bound of the time, at the page's begin: else every page would be looked for from the span's begin.
        later = and_(calls.c.asked_at >= after[0], or_(calls.c.asked_at > after[0], calls.c.call > after[1]))
        page = select(calls).where(mine, later).order_by(calls.c.asked_at, calls.c.call).limit(PAGE)
        async with engine.connect() as connection:
            rows = (await connection.execute(page)).mappings().all()
            beside = await _beside(connection, [row["call"] for row in rows])
        for row in rows:
            yield _record(row, beside, shown)
        if len(rows) < PAGE:
            return
        after = (rows[-1]["asked_at"], rows[-1]["call"])


async def _beside(connection: AsyncConnection, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What other tables know of these calls: sent out, recording, note, stub."""
    found: dict[str, dict[str, Any]] = defaultdict(dict)
    for first in range(0, len(names), 500):
        some = names[first : first + 500]
        out = select(legs.c.call).where(legs.c.call.in_(some), legs.c.side == "slot")
        for (call,) in await connection.execute(out):
            found[call]["sent_out"] = True
        noted = select(wrapups.c.call, wrapups.c.demand, wrapups.c.code, wrapups.c.result)
        for note in (await connection.execute(noted.where(wrapups.c.call.in_(some)))).mappings():
            found[note["call"]] |= dict(note)
        taped = select(recordings.c.call, recordings.c.file).where(recordings.c.call.in_(some), recordings.c.n == 0)
        for call, file in await connection.execute(taped):
            found[call]["recording"] = file
        passed = select(stubs.c.call, stubs.c.stub, stubs.c.state, stubs.c.order_no).where(stubs.c.call.in_(some))
        for row in await connection.execute(passed):
            found[row.call] |= {"stub": row.stub, "order_state": row.state, "order_no": row.order_no}
    return found


def _record(row: RowMapping, beside: dict[str, dict[str, Any]], shown: Callable[[str], str]) -> dict[str, Any]:
    more = beside.get(row["call"], {})
    told = {
        **{key: row[key] for key in ("call", "city", "left_at", "state", "outcome", "waited_s", "answered_at")},
        "number": shown(row["number"]),
        "entered_at": row["first_arrival"],
        "answering_city": row["by_city"],
        "seat": row["by_seat"],
        "slot": row["by_slot"],
        **{key: row[key] for key in ("ended_at", "talked_s", "requeues", "called_back", "score", "seen_from")},
        "sent_out": more.get("sent_out", False),
        **{key: more.get(key) for key in ("recording", "demand", "code", "result", "stub", "order_state", "order_no")},
    }
    return {key: told[key] for key in FIELDS}
