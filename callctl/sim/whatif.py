"""What a supervisor asks: "what if I switch on now, add 12 seats from Xuzhou, the second wave enters at 10:00".

A question is a few words, one change after the other with ";" between them; it turns one scenario into another.

    on 扬州            开启 扬州             the switch, also `off`/关闭; @10:00 or @+30 (minutes) says when
    徐州 +12           徐州 -3   徐州 =8     seats the city may lend, in the event too; =0 is `withdraw 徐州`/撤回 徐州
    徐州 +12 扬州      徐州 +12 给 扬州      in the event of this city only
    wave 2 扬州        第二批 扬州           a wave of the event enters; the city may be left out where only one has it
    dedicated 徐州 +6  专席 徐州 +6          more people on seats that take only assisted calls
    agents 扬州 +5     在岗 扬州 +5          the city's own agents on duty
    calls 扬州 x1.5    来电 扬州 x1.5        half as many calls again as expected
    priority 扬州 2    优先 扬州 2           threshold 扬州 10 / 阈值 扬州 10
"""

import re
import unicodedata
from dataclasses import dataclass, replace
from typing import Any

from callctl.core.acts import Sentence
from callctl.sim.scenario import Scenario, SimCity
from callctl.sim.spec_reader import Steps, stepped

WORDS = {
    **dict.fromkeys(("on", "开启", "启动", "开启支援"), "on"),
    **dict.fromkeys(("off", "关闭", "停止", "关闭支援"), "off"),
    **dict.fromkeys(("withdraw", "撤回", "撤出"), "withdraw"),
    **dict.fromkeys(("seats", "quota", "借出", "配额", "增派"), "seats"),
    **dict.fromkeys(("dedicated", "专席"), "dedicated"),
    **dict.fromkeys(("agents", "staff", "在岗"), "agents"),
    **dict.fromkeys(("calls", "来电"), "calls"),
    **dict.fromkeys(("priority", "优先", "优先级"), "priority"),
    **dict.fromkeys(("threshold", "阈值"), "threshold"),
}
WAVE = re.compile(r"(?:wave\s*(\d{1,3})|第\s*(\d{1,3}|[一二三四五六七八九])\s*批|首批)\s*(?:入场|enters?\b)?", re.I)
FOR = ("给", "for", "to")
MOST_SEATS = 10_000


class WhatIfRefused(Exception):
    """The question cannot be read; every mistake, in both languages."""

    def __init__(self, mistakes: list[Sentence]) -> None:
        self.mistakes = mistakes
        super().__init__("; ".join(mistake.en for mistake in mistakes))


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that will be otherwise from `at_s` on. `text` as it was asked."""

    text: str
    kind: str
    city: str
    number: float = 0.0
    relative: bool = False
    at_s: float = 0.0
    assisted: str = ""  # Seats for this city only.

    def new(self, before: int) -> int:
        """The number it makes of the one before."""
        return max(0, round(self.number + (before if self.relative else 0)))


def city_called(scenario: Scenario, text: str) -> str | None:
    """The scenario's name of the city a person means: its name or label, with or without 市."""
    asked = text.strip()
    for city in scenario.cities:
        if asked.lower() == city.name.lower() or asked.removesuffix("市") in (city.label, city.name):
            return city.name
    return None


def helped(scenario: Scenario) -> set[str]:
    """Cities whose switch is on for any time at all."""
    found = set()
    for place, (at, name, on) in enumerate(scenario.switches):
        later = (when for when, other, _ in scenario.switches[place + 1 :] if other == name)
        if on and next(later, scenario.horizon_s) > at:
            found.add(name)
    return found


def read_changes(text: str, scenario: Scenario) -> list[Change]:
    """The changes a question names. WhatIfRefused names every mistake."""
    mistakes: list[Sentence] = []
    changes = []
    # As people type: full-width signs and figures, no spaces.
    for part in re.split(r"[;,、]", unicodedata.normalize("NFKC", text)):
        if part.strip():
            changes.append(_change(part.strip(), scenario, mistakes))
    if not changes and not mistakes:
        mistakes.append(Sentence("没有写出任何变化", "no change is named"))
    if mistakes:
        raise WhatIfRefused(mistakes)
    return [change for change in changes if change is not None]


def _change(text: str, scenario: Scenario, mistakes: list[Sentence]) -> Change | None:
    wave = WAVE.match(text)
    words = _words(text[wave.end() :] if wave else text, scenario)
    at_s = 0.0
    if words and words[-1].startswith("@"):
        when = _when(words.pop()[1:], scenario, text, mistakes)
        if when is None:
            return None
        at_s = when
    if wave is not None:
        number = _figure(wave[1] or wave[2] or "1")
        return _wave(text, number, words, at_s, scenario, mistakes)
    kind = WORDS.get(words[0].lower()) if words else None
    rest = words[1:] if kind else words
    kind = kind or "seats"
    name = city_called(scenario, rest[0]) if rest else None
    if name is None:
        known = "、".join(city.label or city.name for city in scenario.cities)
        asked = rest[0] if rest else "?"
        mistakes.append(
            Sentence(
                f"“{text}”：没有“{asked}”这个市；可用：{known}", f"'{text}': no city is called '{asked}'; known: {known}"
            )
        )
        return None
    if kind in ("on", "off", "withdraw"):
        if len(rest) > 1:
            mistakes.append(Sentence(f"“{text}”：“{rest[1]}”多余", f"'{text}': '{rest[1]}' is too much"))
        return Change(text, kind, name, at_s=at_s)
    assisted = city_called(scenario, rest[-1]) if kind == "seats" and len(rest) > 2 else None
    if assisted == name:
        mistakes.append(Sentence(f"“{text}”：一个市不能支援自己", f"'{text}': a city cannot help itself"))
        return None
    numbers = [word for word in rest[1 : -1 if assisted else None] if not assisted or word not in FOR]
    change = _with_number(text, kind, name, numbers, at_s, mistakes)
    return replace(change, assisted=assisted) if change and assisted else change


def _figure(text: str) -> int:
    return int(text) if text.isdecimal() else "一二三四五六七八九".index(text) + 1


def _wave(
    text: str, number: int, rest: list[str], at_s: float, scenario: Scenario, mistakes: list[Sentence]
) -> Change | None:
    """A wave that has not entered; the event's city may be left out where one alone has such a wave."""
    named = city_called(scenario, rest[0]) if rest else None
    found = [wave for wave in scenario.waves if wave.number == number and (not rest or wave.city == named)]
    if len(found) == 1 and len(rest) < 2:
        return Change(text, "wave", found[0].city, number, at_s=at_s)
    labels = {city.name: city.label or city.name for city in scenario.cities}
    zh = "、".join(f"第 {wave.number} 批 {labels[wave.city]}" for wave in scenario.waves) or "没有"
    en = ", ".join(f"wave {wave.number} {labels[wave.city]}" for wave in scenario.waves) or "none"
    mistakes.append(
        Sentence(f"“{text}”：须指明一个待入场的批次；有：{zh}", f"'{text}': name one wave still to enter; there are: {en}")
    )
    return None


def _words(text: str, scenario: Scenario) -> list[str]:
    """Verb, city, number and time apart, also where they are written together: 专席徐州+6@10:00."""
    text = re.sub(r"([+\-=x×*@])\s+", r"\1", text)
    text = re.sub(r"(?<=\d)(席|人)?给", " 给 ", text)
    words = re.sub(r"(?<=\S)@", " @", text).split()
    return [part for word in words for part in _parts(word, scenario)]


def _parts(word: str, scenario: Scenario) -> list[str]:
    if word.startswith("@") or word.lower() in WORDS or city_called(scenario, word):
        return [word]
    # Only what leads to a city that is known: a name that begins like a verb stays whole. The longest verb first.
    for verb in ("", *sorted(WORDS, key=len, reverse=True)):
        if not word.lower().startswith(verb):
            continue
        found = re.fullmatch(r"(.+?)([+\-=x×*]?\d\S*)?", word[len(verb) :])
        if found is not None and city_called(scenario, found[1]):
            return [part for part in (verb, found[1], found[2]) if part]
    return [word]


def _with_number(text: str, kind: str, name: str, rest: list[str], at_s: float, mistakes: list[Sentence]) -> Change | None:
    pattern = r"[x×*](\d+(?:\.\d+)?)(?:倍)?" if kind == "calls" else r"([+\-=]?)(\d+(?:\.\d+)?)(?:席|人|s|秒)?"
    found = re.fullmatch(pattern, rest[0]) if len(rest) == 1 else None
    if found is None or float(found[found.lastindex or 0]) > MOST_SEATS:
        example = "x1.5" if kind == "calls" else "2" if kind in ("priority", "threshold") else "+12"
        mistakes.append(
            Sentence(
                f"“{text}”：缺数字，例如 {example}", f"'{text}': needs one number, e.g. {example}, at most {MOST_SEATS}"
            )
        )
        return None
    number = float(found[found.lastindex or 0])
    sign = "" if kind == "calls" else found[1]
    if kind in ("priority", "threshold", "calls", "dedicated") and at_s:
        mistakes.append(Sentence(f"“{text}”：只能从现在起", f"'{text}': holds from now on; leave the @ out"))
    if kind == "priority" and number <= 0.0:
        mistakes.append(Sentence(f"“{text}”：优先级须大于 0", f"'{text}': a priority must be above 0"))
    return Change(text, kind, name, -number if sign == "-" else number, sign in ("+", "-"), at_s)


def _when(word: str, scenario: Scenario, text: str, mistakes: list[Sentence]) -> float | None:
    """Seconds from time 0 for 10:00 (the next one) or +30 minutes."""
    if found := re.fullmatch(r"\+(\d+)", word):
        at_s = 60.0 * int(found[1])
    elif (found := re.fullmatch(r"(\d{1,2}):(\d{2})", word)) and int(found[1]) < 24 and int(found[2]) < 60:
        at_s = (3600.0 * int(found[1]) + 60.0 * int(found[2]) - scenario.begins_s) % 86400.0
    else:
        mistakes.append(Sentence(f"“{text}”：时间写作 @10:00 或 @+30", f"'{text}': write the time as @10:00 or @+30"))
        return None
    if at_s >= scenario.horizon_s:
        hours = scenario.horizon_s / 3600.0
        mistakes.append(
            Sentence(f"“{text}”：超出推演的 {hours:g} 小时", f"'{text}': beyond the {hours:g} hours that are looked at")
        )
        return None
    return at_s


def changed(scenario: Scenario, changes: list[Change]) -> Scenario:
    """The scenario with these changes: the switches, then one after the other."""
    for change in changes:
        if change.kind in ("on", "off"):
            switch = (change.at_s, change.city, change.kind == "on")
            switches = sorted((*scenario.switches, switch), key=lambda one: one[0])
            scenario = replace(scenario, switches=tuple(switches))
    on = helped(scenario)
    for change in changes:
        if change.kind == "wave":
            waves = (
                replace(wave, at=change.at_s) if (wave.city, wave.number) == (change.city, round(change.number)) else wave
                for wave in scenario.waves
            )
            scenario = replace(scenario, waves=tuple(waves))
        elif change.kind not in ("on", "off"):
            cities = [_of_city(city, change, on) if city.name == change.city else city for city in scenario.cities]
            scenario = replace(scenario, cities=tuple(cities))
    return scenario


def _shares(city: SimCity, change: Change, on: set[str]) -> dict[str, Steps]:
    """Seats asked of a city are seats in the event: of the one that is named, else of those that count on it.

    A city that no event counts on comes into those whose switch is on.
    """
    named = [assisted for assisted in city.shares if change.assisted in ("", assisted)]
    counted_on = [assisted for assisted in named if any(n for _, n in city.shares[assisted])]
    new = {
        assisted: stepped(city.shares[assisted], change.at_s, change.new)
        for assisted in counted_on or [one for one in named if one in on] or named
    }
    if change.assisted and not named:  # Its event names no seats: the quota alone bounded them, and does so for the others.
        new = {one: city.quota for one in on - {city.name} if one not in city.shares}
        new[change.assisted] = stepped(city.quota, change.at_s, change.new)
    return {**city.shares, **new}


def _of_city(city: SimCity, change: Change, on: set[str]) -> SimCity:
    if change.kind == "dedicated":
        # People on top of the ordinary room, from now on: a scenario's dedicated seats do not change in mid-day.
        more = change.new(city.dedicated) - city.dedicated
        return replace(
            city,
            dedicated=city.dedicated + more,
            lendable=None if city.lendable is None else city.lendable + more,
            staff=tuple((at, max(0, n + more)) for at, n in city.staff),
            quota=tuple((at, max(0, n + more)) for at, n in city.quota),
            shares=_shares(city, replace(change, number=more, relative=True), on),
            supporter=True,
        )
    new: dict[str, dict[str, Any]] = {
        "withdraw": {"quota": stepped(city.quota, change.at_s, lambda before: 0)},
        "seats": {
            # Fewer for one city alone are no fewer for the others.
            "quota": stepped(city.quota, change.at_s, lambda n: max(n if change.assisted else 0, change.new(n))),
            "shares": _shares(city, change, on),
            "supporter": True,
        },
        "agents": {"staff": stepped(city.staff, change.at_s, change.new)},
        "calls": {"per_h": tuple(rate * change.number for rate in city.per_h)},
        "priority": {"weight": change.number},
        "threshold": {"threshold_s": change.number},
    }
    return replace(city, **new[change.kind])
