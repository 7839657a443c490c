"""A city as its two files tell it, right or wrong: what could be read goes on to the checks that look across files."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import ValidationError

from callctl.folders.explain import explain
from callctl.folders.mistake import Mistake, Path
from callctl.folders.source import Source
from callctl.folders.tables import AgentsFile, LendTable, PbxTable, QueuesFile, QueueTable, SeatTable, Table, TrunkTable

T = TypeVar("T", bound=Table)

# What stands for a needed value that is wrong or missing; checks pass over "" and cannot fall over the others.
_BLANKS: dict[str, Any] = {"channels": 1, "lend": "shared"}


@dataclass(frozen=True, slots=True)
class CityDraft:
    """One city. A file that is missing or is no TOML at all is None; wrong values in the others are blanks."""

    code: str
    queues_source: Source
    agents_source: Source
    queues: QueuesFile | None
    agents: AgentsFile | None

    @property
    def name_zh(self) -> str:
        """The Chinese name, "" where it is not known."""
        return self.queues.name_zh if self.queues else ""

    def trunks(self) -> Iterator[tuple[Path, TrunkTable]]:
        """The trunks whose far end is known."""
        for number, trunk in enumerate(self.queues.trunk if self.queues else []):
            if trunk.to:
                yield ("trunk", number), trunk

    def seats(self) -> Iterator[tuple[Path, SeatTable]]:
        """Every seat."""
        for number, seat in enumerate(self.agents.seat if self.agents else []):
            yield ("seat", number), seat

    def helps(self) -> list[str]:
        """The cities it may help, as written."""
        return [code for code in self.queues.lend.helps if isinstance(code, str)] if self.queues else []

    def may_help(self, other: str) -> bool:
        """Whether the file lets it help `other`."""
        helps = self.helps()
        return other != self.code and ("*" in helps or other in helps)


def draft_queues(source: Source) -> tuple[QueuesFile | None, list[Mistake]]:
    """The file queues/<city>.toml, and its mistakes."""
    if source.doc is None:
        return None, list(source.mistakes)
    try:
        return QueuesFile.model_validate(source.doc), list(source.mistakes)
    except ValidationError as error:
        mistakes, bad = _explained(QueuesFile, source, error)
    trunks = [_salvage(TrunkTable, raw, bad, ("trunk", n)) for n, raw in enumerate(_list(source.doc.get("trunk")))]
    tables = {
        "pbx": _salvage(PbxTable, source.doc.get("pbx"), bad, ("pbx",)),
        "queue": _salvage(QueueTable, source.doc.get("queue"), bad, ("queue",)),
        "lend": _salvage(LendTable, source.doc.get("lend"), bad, ("lend",)),
        "trunk": trunks,
    }
    top = {key: value for key, value in source.doc.items() if key not in tables}
    rest = _salvage(QueuesFile, top, bad, ())
    return rest.model_copy(update=tables), mistakes


def draft_agents(source: Source) -> tuple[AgentsFile | None, list[Mistake]]:
    """The file agents/<city>.toml, and its mistakes."""
    if source.doc is None:
        return None, list(source.mistakes)
    try:
        return AgentsFile.model_validate(source.doc), list(source.mistakes)
    except ValidationError as error:
        mistakes, bad = _explained(AgentsFile, source, error)
    seats = [_salvage(SeatTable, raw, bad, ("seat", n)) for n, raw in enumerate(_list(source.doc.get("seat")))]
    return AgentsFile.model_construct(seat=seats), mistakes


def _explained(form: type[Table], source: Source, error: ValidationError) -> tuple[list[Mistake], set[Path]]:
    """The mistakes, and the paths of all wrong values with the paths of everything around them."""
    mistakes = list(source.mistakes)
    bad: set[Path] = set()
    for wrong in error.errors(include_url=False):
        path: Path = wrong["loc"]
        mistakes.append(source.mistake(path, *explain(form, wrong)))
        bad.update(path[:length] for length in range(1, len(path) + 1))
    return mistakes, bad


def _salvage(table: type[T], raw: object, bad: set[Path], path: Path) -> T:
    """The table with blanks for what is wrong or missing."""
    written = raw if isinstance(raw, dict) else {}
    blanks = {key: _BLANKS.get(key, "") for key, field in table.model_fields.items() if field.is_required()}
    good = {key: value for key, value in written.items() if key in table.model_fields and (*path, key) not in bad}
    return table.model_construct(**{**blanks, **good})


def _list(raw: object) -> list[object]:
    return raw if isinstance(raw, list) else []
