"""The form of an assistance event: what was typed becomes an act; what cannot be read is told at its field."""

import hashlib
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

from callctl.core.acts import ActRefused, Sentence
from callctl.core.day import ZONE_S
from callctl.core.event_acts import StartEvent
from callctl.core.model import Province
from callctl.core.notice import FIELDS
from callctl.core.wishes import AssistanceEvent, Wave
from callctl.web.forms import Typed

WAVES = (1, 2, 3)  # 首批, 第二批, 第三批; an event with more is made by the API.


def wanted_event(form: Typed, city: str, province: Province) -> StartEvent:
    """The act. Raises ActRefused with every field that cannot be read."""
    wrong: dict[str, Sentence] = {}
    waves = []
    for number in WAVES:
        seats = {}
        for code in province.cities:
            name = f"w{number}-{code}"
            count = whole(form.get(name), name, wrong)
            if count:
                seats[code] = count
        planned_at = _moment(form.get(f"planned-{number}"), f"planned-{number}", wrong)
        if seats or planned_at:
            waves.append(Wave(number, MappingProxyType(seats), planned_at))
    priority = _figure(form.get("priority") or "1", "priority", wrong)
    if wrong:
        raise ActRefused("有填错的地方", "something is filled in wrongly", wrong)
    notice = {key: form.get(f"n-{key}").strip() for key, _, _ in FIELDS if f"n-{key}" in form.values}
    return StartEvent(
        city,
        form.get("title").strip() or None,
        None,
        priority,
        tuple(waves),
        form.get("needs_confirmation") == "yes",
        form.get("waves_on_time") == "yes",
        notice,
    )


def event_typed(event: AssistanceEvent) -> Typed:
    """A running event as its form."""
    values: dict[str, str] = {
        "title": event.title,
        "priority": f"{event.priority:g}",
        "waves_on_time": "yes" if event.waves_on_time else "",
        "needs_confirmation": "yes" if event.needs_confirmation else "",
        **{f"n-{key}": text for key, text in event.notice.items()},
    }
    for wave in event.waves:
        values |= {f"w{wave.number}-{code}": str(count) for code, count in wave.seats.items()}
        if wave.planned_at:
            moment = datetime.fromtimestamp(wave.planned_at, UTC) + timedelta(seconds=ZONE_S)
            values[f"planned-{wave.number}"] = moment.strftime("%Y-%m-%dT%H:%M")
    return Typed({name: (value,) for name, value in values.items()})


def event_mark(event: AssistanceEvent) -> str:
    """Changes when anything of the event's form does: what is half-written in a browser belongs to this state of it."""
    said = repr((event.id, sorted(event_typed(event).values.items())))
    return hashlib.blake2b(said.encode("utf-8", "replace"), digest_size=8).hexdigest()


def whole(text: str, name: str, wrong: dict[str, Sentence]) -> int | None:
    """A whole number of 0 or more; None where nothing was typed. What is none is noted in `wrong`."""
    text = text.strip()
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= 5):
        wrong[name] = Sentence("须是 0 或更大的整数", "a whole number, 0 or more")
        return None
    return int(text)


def _figure(text: str, name: str, wrong: dict[str, Sentence]) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value <= 100:
        wrong[name] = Sentence("须是 0 到 100 之间的数", "a number between 0 and 100")
    return value


def _moment(text: str, name: str, wrong: dict[str, Sentence]) -> float:
    """Beijing time, as the browser's own field gives it; 0: none."""
    if not text:
        return 0.0
    try:
        moment = datetime.strptime(text[:16], "%Y-%m-%dT%H:%M").replace(tzinfo=UTC)
    except ValueError:
        wrong[name] = Sentence("须是日期和时间", "a date and a time")
        return 0.0
    return moment.timestamp() - ZONE_S


def seconds(text: str, name: str, wrong: dict[str, Sentence]) -> float | None:
    """Seconds; None where nothing was typed."""
    count = whole(text, name, wrong)
    return None if count is None else float(count)
