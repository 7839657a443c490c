"""Acts of the cities in a running event: seats confirmed, waves entered, thresholds and reserves within their limits."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TypeVar

from callctl.core.acts import ActRefused, Sentence, can_help, lendable, with_event
from callctl.core.in_force import entered
from callctl.core.model import Province
from callctl.core.wishes import AssistanceEvent, Wave, Wishes

# A city may help itself earlier or later than its data folder says, but not make a mockery of it.
THRESHOLD_LEAST = 0.5
THRESHOLD_MOST = 4.0

Value = TypeVar("Value")


def _with(values: Mapping[str, Value], city: str, value: Value | None) -> Mapping[str, Value]:
    others = {code: one for code, one in values.items() if code != city}
    return MappingProxyType(others if value is None else {**others, city: value})


def threshold_limits(province: Province, city: str) -> tuple[float, float]:
    """The least and the most wait, in seconds, at which assistance may be set to act."""
    given_s = province.cities[city].queue.wait_threshold_s
    return given_s * THRESHOLD_LEAST, given_s * THRESHOLD_MOST


@dataclass(frozen=True, slots=True)
class SetThreshold:
    """阈值: the head-of-line wait at which assistance acts for the city; None gives back the data folder's figure."""

    city: str
    threshold_s: float | None

    @property
    def what(self) -> str:
        """The act's word in the audit."""
        return "threshold"

    def check(self, province: Province, wishes: Wishes) -> tuple[Sentence, ...]:
        """Within the limits the data folder gives. Raises ActRefused."""
        least, most = threshold_limits(province, self.city)
        if self.threshold_s is not None and not least <= self.threshold_s <= most:
            said = Sentence(f"须在 {least:g} 到 {most:g} 秒之间", f"between {least:g} and {most:g} seconds")
            raise ActRefused(f"阈值{said.zh}", f"the threshold must be {said.en}", {"threshold_s": said})
        return ()

    def apply(self, wishes: Wishes, now: float) -> Wishes:
        """The wishes with the threshold."""
        return replace(wishes, thresholds=_with(wishes.thresholds, self.city, self.threshold_s))

    def concern(self, wishes: Wishes) -> object:
        """The city's threshold."""
        return wishes.thresholds.get(self.city)


@dataclass(frozen=True, slots=True)
class SetReserve:
    """保留: free agents the city keeps home; never fewer than its data folder says. None gives that figure back."""

    city: str
    seats: int | None

    @property
    def what(self) -> str:
        """The act's word in the audit."""
        return "reserve"

    def check(self, province: Province, wishes: Wishes) -> tuple[Sentence, ...]:
        """Not below the data folder's floor, not above the seats there are. Raises ActRefused."""
        city = province.cities[self.city]
        if self.seats is not None and not city.lend.reserve <= self.seats <= len(city.seats):
            least, most = city.lend.reserve, len(city.seats)
            said = Sentence(f"须在 {least} 到 {most} 之间", f"from {least} to {most}")
            raise ActRefused(f"保留座席{said.zh}", f"the reserve must be {said.en}", {"seats": said})
        return ()

    def apply(self, wishes: Wishes, now: float) -> Wishes:
        """The wishes with the reserve."""
        return replace(wishes, reserves=_with(wishes.reserves, self.city, self.seats))

    def concern(self, wishes: Wishes) -> object:
        """The city's reserve."""
        return wishes.reserves.get(self.city)


@dataclass(frozen=True, slots=True)
class ConfirmSeats:
    """确认 / 撤回座席: the supporting city's own word on how many of its seats help `assisted`; 0 is none."""

    city: str  # The supporting one.
    assisted: str
    seats: int

    @property
    def what(self) -> str:
        """The act's word in the audit."""
        return "confirm"

    def check(self, province: Province, wishes: Wishes) -> tuple[Sentence, ...]:
        """There must be an event, and so many seats. Raises ActRefused."""
        city, assisted = province.cities[self.city], province.cities[self.assisted]
        event = wishes.events.get(self.assisted)
        if event is None:
            raise ActRefused(f"{assisted.name_zh}没有启动令", f"{self.assisted} has no assistance event")
        if not can_help(province, assisted, city):
            raise ActRefused(f"{city.name_zh}不支援{assisted.name_zh}", f"{self.city} does not help {self.assisted}")
        if not 0 <= self.seats <= lendable(city):
            said = Sentence(f"须在 0 到 {lendable(city)} 之间", f"from 0 to {lendable(city)}")
            raise ActRefused(f"确认座席{said.zh}", f"the seats must be {said.en}", {"seats": said})
        asked = entered(event)
        wanted = None if asked is None else asked.get(self.city, 0)
        if wanted is not None and self.seats > wanted:
            return (
                Sentence(
                    f"目前只要求 {wanted} 个，多确认的待下一批次使用",
                    f"only {wanted} are asked for at present; the others wait for a later wave",
                ),
            )
        return ()

    def apply(self, wishes: Wishes, now: float) -> Wishes:
        """The wishes with the seats confirmed; unchanged where there is no event."""
        event = wishes.events.get(self.assisted)
        if event is None:
            return wishes
        return with_event(wishes, replace(event, confirmed=_with(event.confirmed, self.city, self.seats)))

    def concern(self, wishes: Wishes) -> object:
        """What the city has confirmed, and in which event."""
        event = wishes.events.get(self.assisted)
        return (event.id, event.confirmed.get(self.city)) if event else None


@dataclass(frozen=True, slots=True)
class EnterWave:
    """入场 / 离场: the seats of one wave count from now on, or no more."""

    city: str
    number: int
    entered: bool

    @property
    def what(self) -> str:
        """The act's word in the audit."""
        return "wave enter" if self.entered else "wave leave"

    def check(self, province: Province, wishes: Wishes) -> tuple[Sentence, ...]:
        """The event must have this wave. Raises ActRefused."""
        event = wishes.events.get(self.city)
        if event is None or self._of(event) is None:
            name = province.cities[self.city].name_zh
            raise ActRefused(f"{name}的启动令没有第 {self.number} 批", f"{self.city}'s event has no wave {self.number}")
        return ()

    def apply(self, wishes: Wishes, now: float) -> Wishes:
        """The wishes with the wave in or out."""
        event = wishes.events.get(self.city)
        wave = self._of(event) if event else None
        if event is None or wave is None or bool(wave.entered_at) is self.entered:
            return wishes
        turned = replace(wave, entered_at=now if self.entered else 0.0)
        if event.waves_on_time and not self.entered:
            turned = replace(turned, planned_at=0.0)  # Sent away by hand: the clock shall not bring it back.
        waves = tuple(turned if one is wave else one for one in event.waves)
        return with_event(wishes, replace(event, waves=waves))

    def concern(self, wishes: Wishes) -> object:
        """The wave, and which event's it is."""
        event = wishes.events.get(self.city)
        wave = self._of(event) if event else None
        return (event.id, wave) if event else None

    def _of(self, event: AssistanceEvent) -> Wave | None:
        return next((wave for wave in event.waves if wave.number == self.number), None)


def due_waves(wishes: Wishes, now: float) -> list[EnterWave]:
    """The waves whose announced time has come, of events that let them in by themselves."""
    return [
        EnterWave(event.assisted, wave.number, True)
        for event in wishes.events.values()
        if event.waves_on_time
        for wave in event.waves
        if wave.planned_at and not wave.entered_at and wave.planned_at <= now
    ]


@dataclass(frozen=True, slots=True)
class SetBriefing:
    """必读: whether the city's calls go only to agents who have read its must-read scripts."""

    city: str
    required: bool

    @property
    def what(self) -> str:
        """The act's word in the audit."""
        return "must read on" if self.required else "must read off"

    def check(self, province: Province, wishes: Wishes) -> tuple[Sentence, ...]:
        """Always possible."""
        return ()

    def apply(self, wishes: Wishes, now: float) -> Wishes:
        """The wishes with the rule on or off."""
        others = [city for city in wishes.unread_allowed if city != self.city]
        allowed = others if self.required else [*others, self.city]
        return replace(wishes, unread_allowed=tuple(sorted(allowed)))

    def concern(self, wishes: Wishes) -> object:
        """The rule for the city."""
        return self.city in wishes.unread_allowed
