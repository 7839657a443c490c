"""Reads agents/ and queues/ into the Province that everything else works on; finds all mistakes at once, or none."""

from collections.abc import Iterable
from pathlib import Path
from types import MappingProxyType

from pydantic_core import PydanticCustomError

from callctl.core.model import City, Lending, LendRules, PbxAddress, PbxKind, Province, QueueRules, Seat, Trunk
from callctl.folders.checks import cross_check
from callctl.folders.draft import CityDraft, draft_agents, draft_queues
from callctl.folders.mistake import Mistake, quoted, shown
from callctl.folders.source import Source, read_source
from callctl.folders.tables import SeatTable
from callctl.folders.words import check_code

AGENTS = "agents"
QUEUES = "queues"


class ProvinceError(Exception):
    """The folders are wrong; `mistakes` holds every mistake, by file and line. str() is one line for each."""

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = tuple(sorted(mistakes, key=lambda mistake: (mistake.file, mistake.line or 0, mistake.key)))
        super().__init__("\n".join(str(mistake) for mistake in self.mistakes))


def read_province(folder: Path) -> Province:
    """Read and check `folder`/agents and `folder`/queues. Raises ProvinceError, and nothing else."""
    queues, agents = _files(folder)
    mistakes = [*_unpaired(queues, agents), *_codes(queues | agents)]
    drafts = {}
    for code in sorted(queues | agents):
        drafts[code], found = _draft(folder, code, code in queues, code in agents)
        mistakes += found
    mistakes += cross_check(drafts)
    if mistakes:
        raise ProvinceError(mistakes)
    return Province(MappingProxyType({code: _city(draft) for code, draft in drafts.items()}))


def _files(folder: Path) -> tuple[set[str], set[str]]:
    """The city codes that have a file in queues/ and in agents/. Raises ProvinceError where there is nothing to read."""
    mistakes = []
    found: dict[str, set[str]] = {}
    for name in (QUEUES, AGENTS):
        try:
            # Hidden files are an editor's or a desktop's own (".#yangzhou.toml", "._yangzhou.toml").
            entries = [path for path in (folder / name).iterdir() if path.suffix == ".toml" and path.is_file()]
        except OSError as error:
            place = shown(str(folder / name))
            what = f"the folder {place} cannot be read: {error.strerror or error}"
            mistakes.append(
                Mistake(f"{name}/", "", None, what, "name the folder that holds agents/ and queues/ (--province)")
            )
            continue
        found[name] = {path.stem for path in entries if not path.name.startswith(".")}
    if not mistakes and not found[QUEUES] and not found[AGENTS]:
        what = f"no <city>.toml in {shown(str(folder))}"
        mistakes.append(Mistake(f"{QUEUES}/", "", None, what, "add one file a city to agents/ and to queues/"))
    if mistakes:
        raise ProvinceError(mistakes)
    return found[QUEUES], found[AGENTS]


def _unpaired(queues: set[str], agents: set[str]) -> Iterable[Mistake]:
    for have, lack, codes in ((QUEUES, AGENTS, queues - agents), (AGENTS, QUEUES, agents - queues)):
        for code in sorted(codes):
            missing = f"{lack}/{shown(code)}.toml"
            yield Mistake(
                f"{have}/{shown(code)}.toml", "", None, f"there is no {missing}", f"add {missing} (or remove this)"
            )


def _codes(codes: set[str]) -> Iterable[Mistake]:
    for code in sorted(codes):
        try:
            check_code(code)
        except PydanticCustomError as error:
            ctx = error.context or {}
            what = f"the file name {quoted(code)} {ctx['what']}"
            yield Mistake(f"{QUEUES}/{shown(code)}.toml", "", None, what, f"{ctx['mend']} (rename it in agents/ too)")


def _draft(folder: Path, code: str, has_queues: bool, has_agents: bool) -> tuple[CityDraft, list[Mistake]]:
    queues_name, agents_name = f"{QUEUES}/{shown(code)}.toml", f"{AGENTS}/{shown(code)}.toml"
    queues_source, agents_source = Source(queues_name), Source(agents_name)
    if has_queues:
        queues_source = read_source(folder / QUEUES / f"{code}.toml", queues_name)
    if has_agents:
        agents_source = read_source(folder / AGENTS / f"{code}.toml", agents_name)
    queues, mistakes = draft_queues(queues_source)
    agents, more = draft_agents(agents_source)
    return CityDraft(code, queues_source, agents_source, queues, agents), mistakes + more


def _city(draft: CityDraft) -> City:
    queues, agents = draft.queues, draft.agents
    assert queues is not None, "a draft without mistakes has both files"
    assert agents is not None, "a draft without mistakes has both files"
    pbx, lend = queues.pbx, queues.lend
    return City(
        code=draft.code,
        name_zh=queues.name_zh,
        area_code=queues.area_code,
        pbx=PbxAddress(**{**pbx.model_dump(), "kind": PbxKind(pbx.kind)}),
        queue=QueueRules(**queues.queue.model_dump()),
        lend=LendRules(reserve=lend.reserve, quota=lend.quota, helps=tuple(lend.helps), together=lend.together),
        trunks=tuple(Trunk(trunk.to, trunk.host, trunk.channels, trunk.port) for trunk in queues.trunk),
        seats=tuple(_seat(seat) for seat in agents.seat),
    )


def _seat(seat: SeatTable) -> Seat:
    skills = tuple(seat.skills)
    return Seat(seat.id, seat.agent, seat.name, Lending(seat.lend), skills, seat.phone == "browser")
