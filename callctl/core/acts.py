"""What a supervisor may ask for: pure changes of the wishes, each checked against the province before it is made.

An act knows what it concerns, so that of two supervisors who press at once only those who touch the same thing are
told about each other.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Protocol

from callctl.core.model import City, Lending, Pair, Province
from callctl.core.wishes import AssistanceEvent, Wishes

TITLE_MAX = 80  # Characters; the headline of a notice (启动通知), shown on one line of the wallboard.
PRIORITY_MAX = 100.0  # A weight, not a rank: 100 already drowns every other city.


@dataclass(frozen=True, slots=True)
class Sentence:
    """What a person is told, in both languages."""

    zh: str
    en: str


class ActRefused(Exception):
    """The act makes no sense for this province or at this moment; `sentence` says what and how to mend it.

    `fields` says the same of single fields of a form, by their names.
    """

    def __init__(self, zh: str, en: str, fields: Mapping[str, Sentence] = MappingProxyType({})) -> None:
        super().__init__(en)
        self.sentence = Sentence(zh, en)
        self.fields = fields


class Act(Protocol):
    """One thing a supervisor wants."""

    @property
    def what(self) -> str:
        """The act's word in the audit, e.g. "switch on"."""
        ...

    @property
    def city(self) -> str:
        """The city it is about; "" for the whole province."""
        ...

    def check(self, province: Province, wishes: Wishes) -> tuple[Sentence, ...]:
        """Things worth knowing before it is done. Raises ActRefused."""
        ...

    def apply(self, wishes: Wishes, now: float) -> Wishes:
        """The wishes afterwards, with the version unchanged."""
        ...

    def concern(self, wishes: Wishes) -> object:
        """The part of the wishes this act reads and writes; another's change of it must be told, not overwritten."""
        ...


def lendable(city: City) -> int:
    """Seats of the city that may be lent at all."""
    return sum(seat.lend is not Lending.NO for seat in city.seats)


def _with_event(wishes: Wishes, event: AssistanceEvent) -> Wishes:
    return replace(wishes, events=MappingProxyType({**wishes.events, event.assisted: event}))


@dataclass(frozen=True, slots=True)
class StartEvent:
    """启动: open an assistance event, or change the running one in what is given (None leaves it as it is)."""

    city: str
    title: str | None = None
    seats: Mapping[str, int] | None = None
    priority: float | None = None

    @property
    def what(self) -> str:
        """The act's word in the audit."""
        return "event start"

    def check(self, province: Province, wishes: Wishes) -> tuple[Sentence, ...]:
        """Supporters must exist, be allowed, have trunks both ways and enough seats. Raises ActRefused."""
        assisted = province.cities[self.city]
        if self.title is not None and not (self.title.isprintable() and len(self.title) <= TITLE_MAX):
            raise ActRefused(
                f"标题须为一行，最多 {TITLE_MAX} 字", f"the title must be one line of {TITLE_MAX} characters at most"
            )
        if self.priority is not None and not 0.0 < self.priority <= PRIORITY_MAX:
            raise ActRefused(
                f"优先级须大于 0、不超过 {PRIORITY_MAX:g}(1 为平等)",
                f"the priority must be above 0 and at most {PRIORITY_MAX:g} (1 is equal)",
            )
        notes = [
            note
            for code, seats in (self.seats or {}).items()
            for note in _check_share(province, wishes, assisted, code, seats)
        ]
        if self.seats is None and not any(_can_help(province, assisted, other) for other in province.cities.values()):
            raise ActRefused(
                f"没有一个市能支援{assisted.name_zh}：检查 queues/ 里的 helps 和 trunk",
                f"no city can help {self.city}: look at `helps` and `trunk` in queues/",
            )
        return (*notes, *_mutual(province, wishes, self.city, self.seats))

    def apply(self, wishes: Wishes, now: float) -> Wishes:
        """The wishes with the event in them."""
        event = wishes.events.get(self.city) or AssistanceEvent(
            id=f"{self.city}-{int(now)}", assisted=self.city, title="", started_at=now
        )
        return _with_event(
            wishes,
            replace(
                event,
                title=event.title if self.title is None else self.title,
                priority=event.priority if self.priority is None else self.priority,
                seats=event.seats if self.seats is None else MappingProxyType(dict(self.seats)),
            ),
        )

    def concern(self, wishes: Wishes) -> object:
        """The event but for its switch: that belongs to the assisted city."""
        event = wishes.events.get(self.city)
        return replace(event, switched_on=False) if event else None


def _can_help(province: Province, assisted: City, other: City) -> bool:
    return other.may_help(assisted.code) and province.channels(Pair(assisted.code, other.code)) > 0 and lendable(other) > 0


def _check_share(province: Province, wishes: Wishes, assisted: City, code: str, seats: int) -> list[Sentence]:
    """One supporter's share in an event. Raises ActRefused."""
    other = province.cities[code]
    if code == assisted.code:
        raise ActRefused(f"{other.name_zh}不能支援自己", f"{code} cannot help itself")
    if not other.may_help(assisted.code):
        raise ActRefused(
            f"{other.name_zh}不支援{assisted.name_zh}：在 queues/{code}.toml 的 [lend] helps 里加上 {assisted.code}",
            f"{code} does not help {assisted.code}: add it to [lend] helps in queues/{code}.toml",
        )
    if province.channels(Pair(assisted.code, code)) == 0:
        raise ActRefused(
            f"{assisted.name_zh}与{other.name_zh}之间缺中继：两边的 queues/*.toml 都要有 [[trunk]]",
            f"no trunk between {assisted.code} and {code}: both queues/*.toml need a [[trunk]]",
        )
    if not 0 <= seats <= lendable(other):
        raise ActRefused(
            f"{other.name_zh}可借座席 {lendable(other)} 个，不能派 {seats} 个",
            f"{code} has {lendable(other)} seats that may be lent, not {seats}",
        )
    quota = wishes.quotas.get(code, other.lend.quota)
    if seats > quota:
        return [
            Sentence(
                f"{other.name_zh}配额为 {quota}，多派的 {seats - quota} 个要等配额提高后才用得上",
                f"{code}'s quota is {quota}: {seats - quota} of its {seats} seats wait for a higher quota",
            )
        ]
    return []


def _mutual(province: Province, wishes: Wishes, assisted: str, seats: Mapping[str, int] | None) -> list[Sentence]:
    """Cities that help and are helped: allowed, because sharing is one-way at every moment (the policy sees to it).

    Refusing would leave a supporter that surges itself without help. A city whose own assistance acts lends nothing.
    """
    notes = []
    if any(assisted in event.seats for city, event in wishes.events.items() if city != assisted):
        notes.append(assisted)
    notes += [code for code in seats or () if code in wishes.events]
    return [
        Sentence(
            f"{province.cities[code].name_zh}既支援又被支援：自己的支援起作用时不外借座席(单向原则)",
            f"{code} helps and is helped: while its own assistance acts it lends no seat (one-way rule)",
        )
        for code in notes
    ]


@dataclass(frozen=True, slots=True)
class EndEvent:
    """终止: end the assistance event; its switch goes with it. Calls in progress go on."""

    city: str

    @property
    def what(self) -> str:
        """The act's word in the audit."""
        return "event end"

    def check(self, province: Province, wishes: Wishes) -> tuple[Sentence, ...]:
        """Always possible."""
        return ()

    def apply(self, wishes: Wishes, now: float) -> Wishes:
        """The wishes without the event."""
        return replace(
            wishes, events=MappingProxyType({city: event for city, event in wishes.events.items() if city != self.city})
        )

    def concern(self, wishes: Wishes) -> object:
        """The whole event: who ends it must have seen what it had become."""
        return wishes.events.get(self.city)


@dataclass(frozen=True, slots=True)
class Switch:
    """开启支援 / 关闭支援: the assisted city's own switch, inside a running event."""

    city: str
    on: bool

    @property
    def what(self) -> str:
        """The act's word in the audit."""
        return "switch on" if self.on else "switch off"

    def check(self, province: Province, wishes: Wishes) -> tuple[Sentence, ...]:
        """Two keys: the province starts the event, then the city may switch on. Raises ActRefused."""
        name = province.cities[self.city].name_zh
        if self.on and self.city not in wishes.events:
            raise ActRefused(
                f"{name}没有启动令，不能开启支援：先由省里执行 callctl event start {self.city}",
                f"{self.city} has no assistance event: the province starts one with `callctl event start {self.city}`",
            )
        if self.on and wishes.stopped:
            return (
                Sentence(
                    "全部停止仍然有效：执行 callctl resume 后才开始支援",
                    "the emergency stop is still on: nothing is lent until `callctl resume`",
                ),
            )
        return ()

    def apply(self, wishes: Wishes, now: float) -> Wishes:
        """The wishes with the switch turned; unchanged where there is no event to turn off."""
        event = wishes.events.get(self.city)
        return _with_event(wishes, replace(event, switched_on=self.on)) if event else wishes

    def concern(self, wishes: Wishes) -> object:
        """The switch, and which event's it is."""
        event = wishes.events.get(self.city)
        return (event.id, event.switched_on) if event else None


@dataclass(frozen=True, slots=True)
class SetQuota:
    """配额: most seats the city lends at once; None gives back the data folder's own figure."""

    city: str
    seats: int | None

    @property
    def what(self) -> str:
        """The act's word in the audit."""
        return "quota"

    def check(self, province: Province, wishes: Wishes) -> tuple[Sentence, ...]:
        """Within the seats the city may lend. Raises ActRefused."""
        city = province.cities[self.city]
        if self.seats is not None and not 0 <= self.seats <= lendable(city):
            raise ActRefused(
                f"{city.name_zh}可借座席 {lendable(city)} 个，配额须在 0 到 {lendable(city)} 之间",
                f"{self.city} has {lendable(city)} seats that may be lent: the quota must be 0 to {lendable(city)}",
            )
        return ()

    def apply(self, wishes: Wishes, now: float) -> Wishes:
        """The wishes with the quota."""
        others = {city: seats for city, seats in wishes.quotas.items() if city != self.city}
        return replace(wishes, quotas=MappingProxyType(others if self.seats is None else {**others, self.city: self.seats}))

    def concern(self, wishes: Wishes) -> object:
        """The city's quota."""
        return wishes.quotas.get(self.city)


@dataclass(frozen=True, slots=True)
class Stop:
    """全部停止 and its one way back: nothing is lent, every slot is closed; calls in progress go on."""

    stopped: bool

    @property
    def city(self) -> str:
        """The whole province."""
        return ""

    @property
    def what(self) -> str:
        """The act's word in the audit."""
        return "stop all" if self.stopped else "resume"

    def check(self, province: Province, wishes: Wishes) -> tuple[Sentence, ...]:
        """Always possible."""
        return ()

    def apply(self, wishes: Wishes, now: float) -> Wishes:
        """The wishes, stopped or not; events, switches and quotas stay as they are for the way back."""
        return replace(wishes, stopped=self.stopped)

    def concern(self, wishes: Wishes) -> object:
        """The stop."""
        return wishes.stopped
