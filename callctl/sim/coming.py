"""The waves of the events that have not entered yet: when they will, and with how many seats."""

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

from callctl.core.acts import Sentence
from callctl.core.model import Province


def lent_now(event: Mapping[str, Any]) -> Mapping[str, int]:
    """Most seats each supporting city may lend in this event now; empty: everybody, by its own quota."""
    most: Mapping[str, int] = event.get("granted", event.get("seats")) or {}
    return most


def waves_to_come(
    province: Province, picture: Mapping[str, Any], known: Collection[str], horizon_s: float, notes: list[Sentence]
) -> list[dict[str, Any]]:
    """Rows of a scenario's `waves`. One that enters by itself has its time; the others wait to be asked for."""
    found = []
    for assisted, event in ((picture.get("wishes") or {}).get("events") or {}).items():
        promised = Counter(lent_now(event))  # With every wave up to this one: what is confirmed is confirmed for all.
        for wave in event.get("waves") or ():
            if wave["entered_at"] or assisted not in known:
                continue
            seats = {}
            for code, asked in wave["seats"].items():
                seats[code] = asked - _unconfirmed(event, code, promised[code] + asked, asked)
                promised[code] += seats[code]
            at_s = None
            if event.get("waves_on_time") and wave["planned_at"]:
                at_s = max(0.0, wave["planned_at"] - picture["at"])
            _tell(province, assisted, wave, seats, at_s if at_s is not None and at_s < horizon_s else None, notes)
            rows = {code: n for code, n in seats.items() if code in known and n}
            found.append({"city": assisted, "number": wave["number"], "seats": rows, "at": at_s})
    return found


def _unconfirmed(event: Mapping[str, Any], code: str, wanted: int, asked: int) -> int:
    """Of the seats asked for now, those that nobody at the supporting city has confirmed."""
    confirmed: int = (event.get("confirmed") or {}).get(code, 0 if event.get("needs_confirmation") else wanted)
    return min(asked, max(0, wanted - confirmed))


def _tell(
    province: Province,
    assisted: str,
    wave: Mapping[str, Any],
    seats: Mapping[str, int],
    at_s: float | None,
    notes: list[Sentence],
) -> None:
    names, number = province.cities, wave["number"]
    for code, asked in wave["seats"].items():
        if code in names and (missing := asked - seats[code]):
            notes.append(
                Sentence(
                    f"{names[assisted].name_zh}第 {number} 批：{names[code].name_zh}有 {missing} 席尚未确认，未计入",
                    f"wave {number} of {assisted}: {missing} seats of {code} are not confirmed and not counted",
                )
            )
    if at_s is not None:
        notes.append(
            Sentence(
                f"{names[assisted].name_zh}第 {number} 批 {at_s / 60.0:.0f} 分钟后按公告时间入场，已计入",
                f"wave {number} of {assisted} enters by itself in {at_s / 60.0:.0f} min, as announced; that is counted",
            )
        )
