"""Reads the parts of a scenario file and remembers every mistake with its place, instead of stopping at the first."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from callctl.sim.draws import FAMILIES

Steps = tuple[tuple[float, int], ...]
# What each word of a distribution may be.
BOUNDS = {
    "mean": (0.0, 1e9),
    "cv": (0.0, 100.0),
    "p": (0.0, 0.999999),
    "k": (1, 200),
    "shape": (0.1, 100.0),
    "m1": (1e-9, 1e9),
}


DEEPEST = 50  # Brackets one in the other: no file of ours has ten.
MOST_DIGITS = 4300  # Python reads no longer number.
LONGEST = 600  # Signs of one mistake; whoever wrote a novel knows where.


def parsed(text: str) -> Any:
    """What the JSON says. ValueError says where and why it is not to be read."""
    depth = 0
    for found in re.finditer(r'"(?:[^"\\]|\\.)*+"|[\[\]{}]', text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(found[0], 0)
        if depth > DEEPEST:
            raise ValueError(f"line {_line(text, found.start())}: more than {DEEPEST} brackets one in the other")
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"line {error.lineno}: not JSON: {error.msg}") from None
    except ValueError:
        long = re.search(rf"\d{{{MOST_DIGITS + 1}}}", text)
        where = f"line {_line(text, long.start())}: " if long else ""
        raise ValueError(f"{where}a number of more than {MOST_DIGITS:,} digits") from None


def _line(text: str, place: int) -> int:
    return text.count("\n", 0, place) + 1


def stepped(steps: Steps, at_s: float, new: Callable[[int], int]) -> Steps:
    """The steps, each number made new from `at_s` on."""
    before = [step for step in steps if step[0] < at_s]
    now = next((n for at, n in reversed(steps) if at <= at_s), 0)
    return (*before, (at_s, new(now)), *((at, new(n)) for at, n in steps if at > at_s))


class SpecReader:
    """One file's reading."""

    def __init__(self) -> None:
        self.mistakes: list[str] = []

    def wrong(self, where: str, what: str) -> None:
        """Remember a mistake."""
        told = f"{where}: {what}"
        self.mistakes.append(told if len(told) <= LONGEST else f"{told[:LONGEST]} …")

    def known(self, table: Mapping[str, Any], where: str, words: Sequence[str]) -> None:
        """No key but these."""
        for word in table:
            if word not in words:
                self.wrong(f"{where}.{word}" if where else word, f"unknown key; known: {', '.join(words)}")

    def table(self, table: Mapping[str, Any], key: str, where: str, needed: bool = False) -> Mapping[str, Any]:
        """An object; empty where it is not there."""
        got = table.get(key)
        if isinstance(got, Mapping):
            return got
        if got is not None or needed:
            self.wrong(f"{where}{key}", "must be an object { }" if got is not None else "is missing")
        return {}

    def number(
        self,
        table: Mapping[str, Any],
        key: str,
        where: str,
        default: float | None = None,
        low: float = 0.0,
        high: float = 1e12,
    ) -> float:
        """A number within bounds."""
        got = table.get(key, default)
        if got is None:
            self.wrong(f"{where}{key}", "is missing")
            return low
        if isinstance(got, bool) or not isinstance(got, int | float) or not low <= got <= high:
            upper = f" to {high:g}" if high < 1e12 else " or more"
            self.wrong(f"{where}{key}", f"is {got!r}; must be a number, {low:g}{upper}")
            return low
        return float(got)

    def flag(self, table: Mapping[str, Any], key: str, where: str, default: bool) -> bool:
        """true or false."""
        got = table.get(key, default)
        if not isinstance(got, bool):
            self.wrong(f"{where}{key}", f"is {got!r}; must be true or false")
        return bool(got)

    def items(self, table: Mapping[str, Any], key: str, where: str, needed: bool = False) -> list[Any]:
        """A list."""
        got = table.get(key)
        if isinstance(got, list):
            return got
        if got is not None or needed:
            self.wrong(f"{where}{key}", "must be a list [ ]" if got is not None else "is missing")
        return []

    def steps(self, table: Mapping[str, Any], key: str, where: str, default: int) -> Steps:
        """Numbers that hold from a time on; the first from time 0."""
        steps: list[tuple[float, int]] = []
        for step in self.items(table, key, where):
            ok = (
                isinstance(step, list) and len(step) == 2 and all(isinstance(x, int | float) and 0 <= x < 1e9 for x in step)
            )
            if not ok or step[1] != int(step[1]):
                self.wrong(f"{where}{key}", f"{step!r} must be [seconds, number], both 0 or more")
            elif steps and step[0] < steps[-1][0]:
                self.wrong(f"{where}{key}", f"{step!r} is earlier than the step before it")
            else:
                steps.append((float(step[0]), int(step[1])))
        if not steps or steps[0][0] > 0.0:
            steps.insert(0, (0.0, default))
        return tuple(steps)

    def dist(self, table: Mapping[str, Any], key: str, where: str) -> Mapping[str, Any]:
        """A distribution's words, each within its bounds."""
        spec = self.table(table, key, where, needed=True)
        if not spec:
            return {"dist": "det", "mean": 1.0}
        family = FAMILIES.get(str(spec.get("dist")))
        if family is None:
            self.wrong(f"{where}{key}.dist", f"is {spec.get('dist')!r}; known: {', '.join(FAMILIES)}")
            return {"dist": "det", "mean": 1.0}
        for word in sorted(family[0] | {"dist"} ^ spec.keys()):
            if word in family[0] and word not in spec:
                self.wrong(f"{where}{key}.{word}", f"is missing; {spec['dist']} needs {', '.join(sorted(family[0]))}")
        checked: dict[str, Any] = {"dist": spec["dist"]}
        for word in family[0] & spec.keys():
            low, high = BOUNDS[word]
            checked[word] = self.number(spec, word, f"{where}{key}.", low=low, high=high)
        self.known(spec, f"{where}{key}", ["dist", *sorted(family[0])])
        if spec["dist"] == "hyper" and checked.get("mean", 0) <= checked.get("p", 0) * checked.get("m1", 0):
            self.wrong(f"{where}{key}.m1", "p times m1 must be below the mean")
        return checked
