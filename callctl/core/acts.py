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


def with_event(wishes: Wishes, event: AssistanceEvent) -> Wishes:
    """The wishes with this event in place of the assisted city's."""
    return replace(wishes, events=MappingProxyType({**wishes.events, event.assisted: event}))


def can_help(province: Province, assisted: City, other: City) -> bool:
    """Whether data folders and trunks let `other` help."""
    return other.may_help(assisted.code) and province.channels(Pair(assisted.code, other.code)) > 0 and lendable(other) > 0


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
        return with_event(wishes, replace(event, switched_on=self.on)) if event else wishes

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
