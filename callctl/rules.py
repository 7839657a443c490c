"""records.toml of the province folder: when reports are made, deadlines, where order stubs go, how long things are kept.

Every key has a default, so the file may be missing; a key nobody knows, or a wrong value, is reported with its place.
"""

import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from callctl.core.days import Shift

FILE = "records.toml"


class RulesError(Exception):
    """records.toml is wrong; str() is one line a mistake: where, what, how to mend it."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ReportRules(_Part):
    """The daily report."""

    at_h: Annotated[float, Field(ge=0, lt=24)] = 8.0  # When yesterday's report is drafted, hours of the day.
    day_starts_h: Annotated[int, Field(ge=0, le=23)] = 0  # 0: 00:00 to 24:00; 8: 08:00 to 08:00.
    unit: str = "江苏省12345热线平台"
    compare_weeks: Annotated[int, Field(ge=1, le=12)] = 4  # Weeks before the event that its connect rate is compared with.


class StaffingRules(_Part):
    """What the recommendation for tomorrow assumes."""

    target: Annotated[float, Field(gt=0.5, lt=1)] = 0.95  # Share to be answered …
    answer_within_s: Annotated[float, Field(ge=0, le=600)] = 30.0  # … within so long: Jiangsu's 30秒人工接通率.
    patience_s: Annotated[float, Field(gt=0)] = 180.0
    wrap_s: Annotated[float, Field(ge=0)] = 95.0  # After-call work, where the screens did not tell it.
    talk_s: Annotated[float, Field(gt=0)] = 150.0  # Only where no call was answered at all.
    reserve: Annotated[float, Field(ge=0, le=1)] = 0.20  # On top of what the busiest hour needs.
    idle_below: Annotated[float, Field(ge=0, lt=1)] = 0.25  # Occupancy of lent seats that makes them fewer …
    idle_days: Annotated[int, Field(ge=1)] = 3  # … after so many days.


class ShiftRule(_Part):
    """One shift of the roster."""

    name: str
    from_h: Annotated[float, Field(ge=0, lt=24)]
    to_h: Annotated[float, Field(gt=0, le=24)]

    @property
    def shift(self) -> Shift:
        """As the core has it."""
        return Shift(self.name, self.from_h, self.to_h)


class DeadlineRule(_Part):
    """One deadline profile, in working days; urgent demands in hours of any day."""

    consult_d: Annotated[int, Field(ge=0, le=60)] = 1  # 咨询
    other_d: Annotated[int, Field(ge=1, le=60)] = 5
    urgent_h: Annotated[float, Field(gt=0, le=240)] = 24.0
    yellow_before_d: Annotated[int, Field(ge=0, le=10)] = 1  # 黄牌: so many working days before it is due; 红牌: overdue.


class DeliveryRule(_Part):
    """How a city gets the stubs of orders that were taken for it."""

    webhook: Annotated[str, Field(pattern=r"^(https?://.+)?$")] = ""
    drop: str = ""  # A folder of this machine; the city fetches from it.
    form: Literal["csv", "csv-gb18030", "jsonl"] = "csv-gb18030"
    profile: str = "default"  # Deadline profile.
    scale: Literal["five", "five_down", "three_keys", "words"] = "words"  # In which the city tells satisfaction.


class CallBackRule(_Part):
    """漏接回拨 of one city by its PBX: only within these hours, only with agents to spare."""

    from_h: Annotated[float, Field(ge=0, lt=24)] = 8.0
    to_h: Annotated[float, Field(gt=0, le=24)] = 20.0
    at_once: Annotated[int, Field(ge=1, le=100)] = 2  # Call-backs in progress at a time.
    reserve: Annotated[int, Field(ge=0, le=100)] = 1  # Free home agents that stay free for live callers.
    tries: Annotated[int, Field(ge=1, le=10)] = 3
    again_min: Annotated[float, Field(ge=1, le=1440)] = 30.0  # Between two tries of one number, minutes.


class RetentionRules(_Part):
    """How long things are kept, in days. The audit is never deleted."""

    personal_d: Annotated[int, Field(ge=30)] = 365  # Then numbers and personal fields of closed calls are blanked.
    calls_d: Annotated[int, Field(ge=180)] = 1095  # Calls, notes, stubs.
    journal_d: Annotated[int, Field(ge=180)] = 190  # Facts; network logs are kept six months at least (网络安全法 21).


class Rules(_Part):
    """All of records.toml."""

    report: ReportRules = ReportRules()
    staffing: StaffingRules = StaffingRules()
    shift: tuple[ShiftRule, ...] = (ShiftRule(name="白班", from_h=8, to_h=20), ShiftRule(name="夜班", from_h=20, to_h=8))
    deadlines: dict[str, DeadlineRule] = {"default": DeadlineRule()}
    delivery: dict[str, DeliveryRule] = {}
    call_back: dict[str, CallBackRule] = {}  # A city that is not here is listed, and dialled by hand.
    retention: RetentionRules = RetentionRules()
    rest_h: Annotated[float, Field(ge=0, le=48)] = 11.0  # Least rest of an agent between two shifts.

    def scale(self, city: str) -> str:
        """The city's scale of satisfaction: a key of core/satisfaction.py SCALES."""
        return self.delivery[city].scale if city in self.delivery else "words"

    def deadline(self, city: str, profile: str = "") -> DeadlineRule:
        """The profile named, else the city's, else the default."""
        wanted = profile or (self.delivery[city].profile if city in self.delivery else "default")
        return self.deadlines.get(wanted) or self.deadlines.get("default") or DeadlineRule()


def read_rules(province_dir: Path) -> Rules:
    """The province's rules; the defaults where there is no file. Raises RulesError with every mistake."""
    path = province_dir / FILE
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Rules()
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RulesError(f"{path}: cannot be read: {error}") from None
    try:
        rules = Rules.model_validate(found)
    except ValidationError as error:
        raise RulesError("\n".join(_told(path, mistake) for mistake in error.errors())) from None
    wrong = sorted({rule.profile for rule in rules.delivery.values()} - rules.deadlines.keys() - {"default"})
    if wrong:
        raise RulesError(
            f"{path}: delivery: no [deadlines.{wrong[0]}]: add it, or name one of {', '.join(rules.deadlines)}"
        )
    return rules


def _told(path: Path, mistake: object) -> str:
    assert isinstance(mistake, dict), "pydantic's errors are dicts"
    place = ".".join(str(part) for part in mistake["loc"])
    why = "no such key: strike it out" if mistake["type"] == "extra_forbidden" else mistake["msg"]
    return f"{path}: {place}: {why}"
