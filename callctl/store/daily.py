"""Gathers a day's report from the history: counters, events, loans, notes, stubs. It only asks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from callctl.core.acts import lendable
from callctl.core.advice import Advice, Assumptions, forecast, tomorrow
from callctl.core.categories import Category
from callctl.core.counting import Counters, together
from callctl.core.daily import Daily, Gain, Heading, Hour, OrderFigures, Supporter, Topic
from callctl.core.days import BUCKET_S, DAY_S, Span, bucket_of, day_of, day_span, day_text, hours_of, time_text
from callctl.core.demand import Deadlines
from callctl.core.gain import HourOfHelp, before_after, by_model
from callctl.core.model import City, Lending, Pair, Province, SeatRef
from callctl.core.rates import connect_rate, mean
from callctl.core.recommend import Demand, Supply
from callctl.core.workdays import Calendar
from callctl.rules import Rules
from callctl.store.assistance import PastEvent, past_events
from callctl.store.attendance import signed_in, together_s
from callctl.store.briefing import script_figures
from callctl.store.chain import head
from callctl.store.counters import buckets, callers, carrier_attempts, recount, rolled_up, seats_seen
from callctl.store.notes import reconcile
from callctl.store.record_tables import counters, stale
from callctl.store.report import Gap, gaps
from callctl.store.supervision import handling
from callctl.store.support import Given, given, most_at_once, topics, waiting_most, worked_share
from callctl.store.tables import calls

TOP = 10
HISTORY_DAYS = 8  # For the forecast: a week and a day.
PROFILE_DAYS = 7


@dataclass(frozen=True, slots=True)
class Sources:
    """Where a report's figures come from."""

    engine: AsyncEngine
    province: Province
    rules: Rules
    tree: Sequence[Category]
    calendar: Calendar


async def daily(sources: Sources, city: str, day: date, now: float, late: bool) -> Daily:
    """The report of one assisted city's day, as known now. Raises one of history.LOST."""
    engine, rules = sources.engine, sources.rules
    await recount(engine)
    span = day_span(day, rules.report.day_starts_h)
    events = await past_events(engine, city)
    event = next((one for one in reversed(events) if one.overlaps(span)), None)
    # In the course of the day it is compared with the others up to the same time of day.
    part = span if now >= span.until else Span(span.since, max(span.since, float(bucket_of(now))))
    days = {back: Span(span.since - back * DAY_S, part.until - back * DAY_S) for back in (1, 7)}
    whole = {back: Span(span.since - back * DAY_S, span.until - back * DAY_S) for back in (1, 7)}
    found = (await buckets(engine, Span(span.since - 7 * DAY_S, span.until), [city])).get(city, {})
    sums, before, week = (together(rolled_up(found, [one])) for one in (span, days[1], days[7]))
    hours = await _hours(engine, city, span, found)
    broken = await gaps(engine, span.since, min(span.until, now))
    gain = await _gain(sources, city, part, event, sums, hours)
    chain = await head(engine)
    scripts, read = await script_figures(engine, city, span, _agents(sources.province, city))
    supporting_rows = await supporters(sources, city, span, event, now, read)
    return Daily(
        heading=_heading(sources, city, day, span, event, now, late, _quality(sources, broken, sums)),
        sums=sums,
        day_before=before if before.requested else None,
        week_before=week if week.requested else None,
        attempts=(await carrier_attempts(engine, city, span)).attempts,
        callers=await callers(engine, city, span),
        gain=gain,
        hours=hours,
        hours_before=_requests(found, whole[1]),
        hours_week=_requests(found, whole[7]),
        supporters=supporting_rows,
        topics=await _topics(sources, city, span, days[1]),
        orders=await order_figures(sources, city, span, event, now),
        alarms=tuple(_gap_text(sources, gap) for gap in broken),
        advice=await _advice(sources, city, span, sums, hours, supporting_rows) if now >= span.until else None,
        audit_rows=chain.rows,
        audit_chain=chain.chain,
        checks=await _checks(engine, city, span, sums),
        scripts=scripts,
    )


def _heading(
    sources: Sources,
    city: str,
    day: date,
    span: Span,
    event: PastEvent | None,
    now: float,
    late: bool,
    quality: list[str],
) -> Heading:
    starts_h = sources.rules.report.day_starts_h
    first = day_of(event.started_at, starts_h) if event else day
    names = sources.province.cities
    if now < span.until:
        quality.append("当日未结束")
    return Heading(
        city=city,
        city_zh=names[city].name_zh if city in names else city,
        day=day.isoformat(),
        day_zh=day_text(day),
        since=span.since,
        until=min(span.until, now),
        number=(day - first).days + 1,
        event_no=event.id if event else "",
        event_title=event.title if event else "",
        event_day=(day - first).days + 1 if event else None,
        unit=sources.rules.report.unit,
        made_at=now,
        late=late,
        partial=now < span.until,
        quality=tuple(quality),
    )


def _quality(sources: Sources, broken: Sequence[Gap], sums: Counters) -> list[str]:
    """数据质量: what the figures lack, whatever the reason: links that were down, callctl not running, nothing heard."""
    names = sources.province.cities
    missing = sorted({names[gap.city].name_zh for gap in broken if gap.city in names})
    quality = [f"缺{'、'.join(missing)}部分时段"] if missing else []
    return quality if sums.requested else [*quality, "没有来电记录"]


def _requests(found: Mapping[int, Counters], span: Span) -> tuple[int, ...]:
    return tuple(sums.requested for sums in rolled_up(dict(found), hours_of(span)))


async def _hours(engine: AsyncEngine, city: str, span: Span, found: dict[int, Counters]) -> tuple[Hour, ...]:
    spans = hours_of(span)
    seats = await seats_seen(engine, city, span)
    queues = await waiting_most(engine, city, spans)
    return tuple(
        Hour(
            hour=number,
            requested=sums.requested,
            answered_home=sums.answered_home,
            answered_remote=sums.answered_remote,
            abandoned=sums.abandoned,
            max_wait_s=sums.max_wait_s,
            waits_s=sums.waits_s,
            waits_n=sums.waits_n,
            home_seats=seats.get(number, 0),
            max_waiting=queues[number],
        )
        for number, sums in enumerate(rolled_up(found, spans))
    )


def _help(sums: Counters | Hour, home_seats: int) -> HourOfHelp:
    return HourOfHelp(sums.requested, sums.answered_home, sums.answered_remote, home_seats)


async def help_hours(engine: AsyncEngine, city: str, span: Span, found: dict[int, Counters]) -> list[HourOfHelp]:
    """The hours of a span, for the gain by model."""
    seats = await seats_seen(engine, city, span)
    return [_help(sums, seats.get(number, 0)) for number, sums in enumerate(rolled_up(found, hours_of(span)))]


def handling_time_s(sums: Counters, rules: Rules) -> float:
    """AHT for models: what was measured, and the rules' figures for what was not."""
    talk = mean(sums.talks_s, sums.talks_n) or rules.staffing.talk_s
    return talk + (mean(sums.wraps_s, sums.wraps_n) or rules.staffing.wrap_s)


async def _gain(
    sources: Sources, city: str, span: Span, event: PastEvent | None, sums: Counters, hours: Sequence[Hour]
) -> Gain:
    given_hours = [_help(one, one.home_seats) for one in hours]
    staffing = sources.rules.staffing
    model = by_model(given_hours, handling_time_s(sums, sources.rules), staffing.patience_s)
    if event is None:
        return Gain(None, None, 0, model)
    usual = []
    back = span.since
    while back + DAY_S > event.started_at:
        back -= 7 * DAY_S
    for _ in range(sources.rules.report.compare_weeks):
        found = (await buckets(sources.engine, Span(back, back + span.seconds), [city])).get(city, {})
        if found:
            usual.append(connect_rate(together(found.values())))
        back -= 7 * DAY_S
    asked = sum(rate.whole or 0 for rate in usual)
    usual_rate = sum(rate.part or 0 for rate in usual) / asked if asked else None
    return Gain(before_after(connect_rate(sums), usual), usual_rate, len(usual), model)


async def supporters(
    sources: Sources, city: str, span: Span, event: PastEvent | None, now: float, read: Mapping[str, float]
) -> tuple[Supporter, ...]:
    """表1, every city that was planned or gave anything."""
    found = await given(sources.engine, city, span, now)
    there = await signed_in(sources.engine, list(found), span)
    planned = event.seats_at(min(span.until, now) - 1) if event else {}
    cities = sources.province.cities
    rows = []
    for code in sorted({*found, *(one for one, seats in planned.items() if seats)}):
        one = found.get(code) or Given()
        signed_s = _signed_s(code, one, there)
        channels = sources.province.channels(Pair(city, code)) if code in cities and city in cities else 0
        rows.append(
            Supporter(
                city=code,
                city_zh=cities[code].name_zh if code in cities else code,
                wave=event.wave_of(code) if event else None,
                planned=planned.get(code),
                peak=one.peak,
                mean=one.mean,
                agents=one.agents,
                lent_s=one.lent_s,
                answered=one.answered,
                talk_s=mean(one.valid_talks_s, one.valid_talks_n),
                wrap_s=mean(one.valid_wraps_s, one.valid_wraps_n),
                occupancy=one.occupancy(signed_s),
                unanswered=one.unanswered,
                scored=one.scored,
                satisfied=one.satisfied,
                trunk_peak=most_at_once(one.on_trunk),
                trunk_channels=channels,
                trunk_full=one.trunk_full,
                signed_s=signed_s,
                read=read.get(code),
            )
        )
    return tuple(sorted(rows, key=lambda row: (row.wave or 99, row.city)))


def _signed_s(city: str, one: Given, there: Mapping[SeatRef, Sequence[Span]]) -> float | None:
    """Of the loans of these seats, the time with somebody signed in; None where nobody signs in at that city."""
    if not any(ref.city == city for ref in there):
        return None
    return sum(together_s(loans, there.get(SeatRef(city, seat), ())) for seat, loans in one.by_seat.items())


def _agents(province: Province, city: str) -> dict[str, frozenset[str]]:
    """By supporting city, the agents at seats that may be lent to this one."""
    return {
        one.code: frozenset(seat.agent for seat in one.seats if seat.lend is not Lending.NO)
        for one in _may_support(province, city)
    }


def _may_support(province: Province, city: str) -> list[City]:
    """Who may help the city, and has a trunk to it."""
    if city not in province.cities:
        return []
    return [one for code, one in province.cities.items() if one.may_help(city) and province.channels(Pair(city, code))]


async def _topics(sources: Sources, city: str, span: Span, before_span: Span) -> tuple[Topic, ...]:
    today, before = await topics(sources.engine, city, span), await topics(sources.engine, city, before_span)
    names = {one.code: one.name_zh for one in sources.tree}
    ordered = sorted(today.items(), key=lambda item: (-item[1][0], item[0]))[:TOP]
    return tuple(
        Topic(code, names.get(code, code), count, before.get(code, (0, 0))[0], on_call, bool(before) and code not in before)
        for code, (count, on_call) in ordered
    )


async def order_figures(sources: Sources, city: str, span: Span, event: PastEvent | None, now: float) -> OrderFigures:
    """六: the stubs of the day, as handled by now."""
    rule = sources.rules.deadline(city)
    limits = Deadlines(rule.consult_d, rule.other_d, rule.urgent_h, rule.yellow_before_d)
    done = await handling(sources.engine, city, span, limits, sources.calendar, now)
    usual = None
    if event is not None:
        before = Span(event.started_at - 30 * DAY_S, event.started_at)
        usual = (await handling(sources.engine, city, before, limits, sources.calendar, now)).mean_days
    open_ends = await reconcile(sources.engine, city, span)
    return OrderFigures(
        forwarded=done.forwarded,
        accepted=done.accepted,
        done=done.done,
        done_in_time=done.done_in_time,
        due=done.due,
        mean_days=done.mean_days,
        usual_days=usual,
        yellow=done.yellow,
        red=done.red,
        supervised=done.supervised,
        without_note=len(open_ends.without_note),
        unaccepted=len(open_ends.unaccepted),
    )


async def _advice(
    sources: Sources, city: str, span: Span, sums: Counters, hours: Sequence[Hour], supporting_rows: Sequence[Supporter]
) -> Advice | None:
    if not sums.requested:
        return None
    staffing = sources.rules.staffing
    whole = Span(span.since - (HISTORY_DAYS - 1) * DAY_S, span.until)
    found = (await buckets(sources.engine, whole, [city])).get(city, {})
    spans = [Span(whole.since + n * DAY_S, whole.since + (n + 1) * DAY_S) for n in range(HISTORY_DAYS)]
    totals = [one.requested for one in rolled_up(found, spans)]
    by_hour = [0] * 24
    for one in spans[-PROFILE_DAYS:]:
        for hour, requested in enumerate(_requests(found, one)):
            by_hour[hour] += requested
    profile = [count / sum(by_hour) for count in by_hour]
    occupancy = []
    for one in spans[-staffing.idle_days :]:
        occupancy.append(await worked_share(sources.engine, city, one, span.until))
    demand = Demand(
        city,
        _half_hours([totals[-1] * share for share in profile], forecast(totals)[1] / totals[-1]),
        tuple(seats for one in hours for seats in (one.home_seats, one.home_seats)),
        handling_time_s(sums, sources.rules),
        staffing.patience_s,
        staffing.target,
        staffing.answer_within_s,
    )
    supplies = await _supplies(sources, city, span, {one.city: one for one in supporting_rows})
    given_back = Assumptions(staffing.reserve, staffing.idle_below, staffing.idle_days, tuple(occupancy))
    advice = tomorrow(totals, demand, supplies, given_back)
    names = sources.province.cities
    return replace(advice, cities=tuple(replace(one, city_zh=names[one.city].name_zh) for one in advice.cities))


def _half_hours(per_hour: Sequence[float], factor: float = 1.0) -> tuple[float, ...]:
    return tuple(rate * factor for rate in per_hour for _ in range(2))


async def _supplies(sources: Sources, city: str, span: Span, supporting_rows: Mapping[str, Supporter]) -> list[Supply]:
    """Who may help the city tomorrow, as busy and as manned as on this day."""
    staffing, supporting = sources.rules.staffing, _may_support(sources.province, city)
    found = await buckets(sources.engine, span, [one.code for one in supporting])
    supplies = []
    for one in supporting:
        own = found.get(one.code, {})
        seats = await seats_seen(sources.engine, one.code, span)
        row = supporting_rows.get(one.code)
        planned = (row.planned if row else 0) or 0
        supplies.append(
            Supply(
                one.code,
                _half_hours([float(count) for count in _requests(own, span)]),
                tuple(seats.get(hour, 0) for hour in range(24) for _ in range(2)),
                handling_time_s(together(own.values()), sources.rules),
                staffing.patience_s,
                one.queue.sl_target,
                one.queue.sl_seconds,
                one.lend.reserve,
                max(planned, min(one.lend.quota, lendable(one))),
                sources.province.channels(Pair(city, one.code)),
                max(planned, sum(seat.lend is Lending.DEDICATED for seat in one.seats)),
                planned,
                dedicated_calls_per_h=row.calls_per_h if row else None,
            )
        )
    return supplies


async def _checks(engine: AsyncEngine, city: str, span: Span, sums: Counters) -> dict[str, bool]:
    """校核: the counters against the calls' own rows, and the sums against each other.

    Both are read at one moment. Five minutes in which a call was written since they were counted are left out.
    """
    async with engine.connect() as connection:
        if engine.dialect.name == "postgresql":  # In SQLite a transaction sees one moment anyway.
            await connection.execution_options(isolation_level="REPEATABLE READ")
        waiting = select(stale.c.bucket).where(stale.c.bucket >= span.since, stale.c.bucket < span.until).distinct()
        uncounted = [Span(one, one + BUCKET_S) for one in (await connection.execute(waiting)).scalars()]
        rows, counted = await _rows_and_counted(connection, city, span)
        for one in uncounted:
            more = await _rows_and_counted(connection, city, one)
            rows, counted = rows - more[0], counted - more[1]
    parts = (sums.answered, sums.abandoned, sums.call_back, sums.moved, sums.waiting, sums.lost, sums.unknown)
    return {"计数与通话记录一致": rows == counted, "各类去向之和等于请求量": sum(parts) == sums.requested}


async def _rows_and_counted(connection: AsyncConnection, city: str, span: Span) -> tuple[int, int]:
    mine = (calls.c.city == city, calls.c.asked_at >= span.since, calls.c.asked_at < span.until)
    rows = (await connection.execute(select(func.count()).select_from(calls).where(*mine))).scalar_one()
    within = (counters.c.city == city, counters.c.bucket >= span.since, counters.c.bucket < span.until)
    requested = select(func.coalesce(func.sum(counters.c.requested), 0)).where(*within)
    return rows, int((await connection.execute(requested)).scalar_one())


def _gap_text(sources: Sources, gap: Gap) -> str:
    name = sources.province.cities[gap.city].name_zh if gap.city in sources.province.cities else gap.city
    until = time_text(gap.until) if gap.until is not None else "尚未恢复"
    if gap.since is not None:
        return f"{name}：{time_text(gap.since)} 至 {until} 与该市 PBX 失去联系"
    heard = f"最后一次记录 {time_text(gap.heard_at)}" if gap.heard_at is not None else "此前没有记录"
    return f"{name}：至 {until} 未收到该市 PBX 的消息（callctl 未运行；{heard}）"
