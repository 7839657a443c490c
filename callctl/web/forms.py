"""What people type into a page's form: read safely, given back with what is wrong at each field."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from callctl.core.acts import ActRefused, Sentence
from callctl.store.port import Refusal, RegistryLost, StoreLost
from callctl.web.problems import from_domain
from callctl.web.shown.said import say
from callctl.web.words import Words

log = structlog.get_logger()

NUMBER_MOST = 2**31 - 1  # The largest number that every database takes.
FIELD_MOST = 20_000  # Characters of one field; the longest is a script's text.
NOT_NOW = Sentence(
    "历史库联系不上，可能没有办成；内容仍在本页，请稍后再按一次",
    "the history database cannot be reached, perhaps nothing was done; what was typed is still here, press again later",
)
NO_REGISTRY = Sentence(
    "登记库联系不上，可能没有办成；内容仍在本页，请稍后再按一次",
    "the registry cannot be reached, perhaps nothing was done; what was typed is still here, press again later",
)
UNDONE = (ActRefused, Refusal, StoreLost)  # What leaves an act undone: the form is drawn again as it was typed.


@dataclass(frozen=True, slots=True)
class Typed:
    """A form as it was sent, and what is wrong with it."""

    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    wrong: Mapping[str, Sentence] = field(default_factory=dict)  # By field; "" for the form as a whole.

    def get(self, name: str, default: str = "") -> str:
        """The last value of a field."""
        found = self.values.get(name)
        return found[-1] if found else default

    def all(self, name: str) -> tuple[str, ...]:
        """Every value of a field that may have several."""
        return self.values.get(name, ())

    def number(self, name: str) -> int:
        """A number that the page itself had put into a field; 0 where it is none, or larger than any the page has."""
        text = self.get(name)
        fits = text.isascii() and text.isdecimal() and len(text) <= 10 and int(text) <= NUMBER_MOST
        return int(text) if fits else 0

    def starting(self, prefix: str) -> dict[str, str]:
        """The fields whose name begins so, by the rest of their name."""
        return {name.removeprefix(prefix): found[-1] for name, found in self.values.items() if name.startswith(prefix)}

    def refused(self, fault: ActRefused) -> "Typed":
        """The same with what the desk said to it."""
        return Typed(self.values, {"": fault.sentence, **fault.fields})

    def without(self, *names: str) -> "Typed":
        """The same with these fields empty: a password is never given back."""
        return Typed({name: value for name, value in self.values.items() if name not in names}, self.wrong)


def refused(form: Typed, fault: ActRefused | Refusal | StoreLost) -> Typed:
    """The form with what went against it: nothing that was typed is lost.

    A database that went away may have done it and not have said so: `request` stays for the next press, which is then
    known as the same. After any other refusal the next press is another act.
    """
    if isinstance(fault, ActRefused):
        return form.refused(fault)
    problem = from_domain(fault)
    assert problem is not None, fault
    if isinstance(fault, StoreLost):
        log.error("a form was perhaps not carried out", code=problem.code, why=str(fault))
        return Typed(form.values, {"": NO_REGISTRY if isinstance(fault, RegistryLost) else NOT_NOW})
    return Typed(form.values, {"": problem.detail}).without("request")


def status_of(fault: ActRefused | Refusal | StoreLost) -> int:
    """The status of the page that says so: the API's to the same fault."""
    problem = from_domain(fault)
    assert problem is not None, fault
    return problem.status


async def typed(request: Request) -> Typed:
    """The form of this request. Files are not taken; a field that is too long is cut, and the desk says what it misses.

    A NUL, which no keyboard types and PostgreSQL takes in no text, is shown as what could not be read.
    """
    values: dict[str, list[str]] = {}
    async with request.form(max_files=0, max_fields=500) as form:
        for name, value in form.multi_items():
            if isinstance(value, str):
                values.setdefault(name[:100], []).append(value[:FIELD_MOST].replace("\0", "\N{REPLACEMENT CHARACTER}"))
    return Typed({name: tuple(value) for name, value in values.items()})


def filled(**values: Any) -> Typed:
    """A form with values from the house, for a first look."""
    return Typed({name: (str(value),) for name, value in values.items()})


def own_path(asked: str, default: str = "/") -> str:
    """A path on this site, or the default: nobody is sent elsewhere by a link that begins here."""
    fine = asked.startswith("/") and not asked.startswith(("//", "/\\")) and asked.isprintable() and len(asked) < 500
    return asked if fine else default


def onward(path: str, grade: str = "", sentence: str = "") -> Response:
    """Go and look (303), with what came of it."""
    answer = RedirectResponse(own_path(path), 303)
    if sentence:
        say(answer, grade, sentence)
    return answer


def told(words: Words, sentence: Sentence, notes: Iterable[Sentence] = ()) -> str:
    """A sentence and its notes in one line."""
    return (
        "；".join(words.told(one) for one in (sentence, *notes))
        if words.language == "zh"
        else "; ".join(words.told(one) for one in (sentence, *notes))
    )
