"""What is wrong between the files of a province: trunks that lead nowhere, seats there twice, promises over the means."""

from collections.abc import Iterable, Iterator, Mapping

from callctl.folders.draft import CityDraft
from callctl.folders.explain import nearest_city
from callctl.folders.mistake import Mistake, Path, quoted

EVERYBODY = "*"


def cross_check(drafts: Mapping[str, CityDraft]) -> Iterator[Mistake]:
    """Every mistake that more than one value has a part in."""
    names = {code: draft.name_zh for code, draft in drafts.items()}
    for draft in drafts.values():
        yield from _trunk_ends(draft, names)
        yield from _way_back(draft, drafts, names)
        yield from _helps(draft, drafts, names)
        yield from _means(draft)
        yield from _one_address_one_peer(draft)
        yield from _doubled_agents(draft)
        yield from _browser_phones(draft)
    yield from _doubled_seats(drafts.values(), names)
    yield from _doubled_addresses(drafts.values(), names)


def named(code: str, names: Mapping[str, str]) -> str:
    """A city as people know it: `yangzhou (扬州)`."""
    return f"{code} ({names[code]})" if names.get(code) else code


def _trunk_ends(draft: CityDraft, names: Mapping[str, str]) -> Iterator[Mistake]:
    first: dict[str, Path] = {}
    for path, trunk in draft.trunks():
        where, source = (*path, "to"), draft.queues_source
        if trunk.to == draft.code:
            yield source.mistake(where, f"trunk of {named(draft.code, names)} to itself", "remove this trunk")
        elif trunk.to not in names:
            yield source.mistake(where, f"trunk to unknown city {quoted(trunk.to)}", _known(trunk.to, names))
        elif trunk.to in first:
            other = source.place((*first[trunk.to], "to"))
            what = f"second trunk to {named(trunk.to, names)}, the first is at {other}"
            yield source.mistake(where, what, "keep one, with the channels of both")
        first.setdefault(trunk.to, path)


def _known(word: str, names: Mapping[str, str]) -> str:
    meant = nearest_city(word, names)
    if meant:
        return f"did you mean {quoted(meant)}?"
    return "write a code that has a file in queues/, or add the file"


def _way_back(draft: CityDraft, drafts: Mapping[str, CityDraft], names: Mapping[str, str]) -> Iterator[Mistake]:
    """A trunk is a pair: the far PBX refuses calls from an address it has no trunk to."""
    for path, trunk in draft.trunks():
        peer = drafts.get(trunk.to)
        if peer is None or peer.queues is None or peer is draft:
            continue
        if all(back.to != draft.code for _, back in peer.trunks()) and not _blank_trunk(peer):
            what = f"trunk to {named(trunk.to, names)}, which has no trunk back"
            mend = f'add [[trunk]] to = "{draft.code}" to {peer.queues_source.file}, or remove this one'
            yield draft.queues_source.mistake((*path, "to"), what, mend)


def _blank_trunk(draft: CityDraft) -> bool:
    """Whether a trunk of this city leads nobody knows where: it may be the one that is looked for."""
    return draft.queues is not None and any(not trunk.to for trunk in draft.queues.trunk)


def _helps(draft: CityDraft, drafts: Mapping[str, CityDraft], names: Mapping[str, str]) -> Iterator[Mistake]:
    source, helps = draft.queues_source, draft.helps()
    for number, code in enumerate(helps):
        path: Path = ("lend", "helps", number)
        if code == EVERYBODY:
            if len(helps) > 1:
                yield source.mistake(path, '"*" beside other cities', 'write ["*"] alone, or only the cities')
        elif code == draft.code:
            yield source.mistake(path, f"{named(code, names)} may help itself", "remove it from the list")
        elif code in helps[:number]:
            yield source.mistake(path, f"{named(code, names)} is in the list twice", "remove one")
        elif code not in names:
            yield source.mistake(path, f"may help unknown city {quoted(code)}", _known(code, names))
        elif drafts[code].queues is not None and not _blank_trunk(draft) and not _blank_trunk(drafts[code]):
            there = any(trunk.to == code for _, trunk in draft.trunks())
            back = any(trunk.to == draft.code for _, trunk in drafts[code].trunks())
            if not there and not back:
                what = f"may help {named(code, names)}, but there is no trunk between the two"
                yield source.mistake(path, what, f"add a trunk to both files, or remove {quoted(code)} from the list")


def _means(draft: CityDraft) -> Iterator[Mistake]:
    if draft.queues is None or draft.agents is None:
        return
    lend, source = draft.queues.lend, draft.queues_source
    seats = draft.agents.seat
    lendable = sum(seat.lend != "no" for seat in seats)
    if lend.quota > lendable:
        what = f"quota {lend.quota} is over the {lendable} seats that may be lent"
        mend = f'lower it, or mark more seats lend = "shared" in {draft.agents_source.file}'
        yield source.mistake(("lend", "quota"), what, mend)
    # Unwritten, the reserve is 1: no mistake of a city that has no seats (yet).
    if lend.reserve > len(seats) and "reserve" in lend.model_fields_set:
        what = f"reserve {lend.reserve} is over the city's {len(seats)} seats"
        yield source.mistake(("lend", "reserve"), what, "lower it: it is the number of free agents kept home")


def _one_address_one_peer(draft: CityDraft) -> Iterator[Mistake]:
    """A PBX tells its peers apart by their address alone (res_pjsip_endpoint_identifier_ip)."""
    if draft.queues is None:
        return
    pbx, source = draft.queues.pbx, draft.queues_source
    owner: dict[str, str] = {pbx.host.lower(): "this PBX itself"} if pbx.host else {}
    if pbx.carrier and pbx.carrier.lower() in owner:
        what = f"{quoted(pbx.carrier)} is the address of this PBX itself"
        yield source.mistake(("pbx", "carrier"), what, "write the address of the carrier's SBC")
    elif pbx.carrier:
        owner[pbx.carrier.lower()] = "the carrier"
    peers: dict[str, str] = {}
    for path, trunk in draft.trunks():
        host = trunk.host.lower()
        if not host or trunk.to == draft.code:
            continue
        first = peers.setdefault(host, trunk.to)
        who = owner.get(host) or (f"the trunk to {first}" if first != trunk.to else "")
        if who:
            what = f"{quoted(trunk.host)} is also the address of {who}"
            yield source.mistake((*path, "host"), what, "every peer needs an address of its own")


def _doubled_agents(draft: CityDraft) -> Iterator[Mistake]:
    first: dict[str, Path] = {}
    for path, seat in draft.seats():
        if seat.agent and seat.agent in first:
            other = draft.agents_source.place((*first[seat.agent], "agent"))
            what = f"agent {quoted(seat.agent)} sits at a second seat, the first is at {other}"
            yield draft.agents_source.mistake((*path, "agent"), what, "an agent sits at one seat: correct one of them")
        first.setdefault(seat.agent, path)


def _browser_phones(draft: CityDraft) -> Iterator[Mistake]:
    """A seat whose phone is the browser needs a PBX that lets browsers in."""
    if draft.queues is None or draft.queues.pbx.browser_port:
        return
    for path, seat in draft.seats():
        if seat.phone == "browser":
            what = f"seat {seat.id} has its phone in the browser, but {draft.queues_source.file} has no pbx.browser_port"
            yield draft.agents_source.mistake((*path, "phone"), what, 'set browser_port, or write phone = "sip"')


def _doubled_seats(drafts: Iterable[CityDraft], names: Mapping[str, str]) -> Iterator[Mistake]:
    first: dict[str, tuple[CityDraft, Path]] = {}
    for draft in drafts:
        for path, seat in draft.seats():
            if seat.id and seat.id in first:
                owner, there = first[seat.id]
                place = owner.agents_source.place((*there, "id"))
                what = f"seat {quoted(seat.id)} is there already: {named(owner.code, names)}, {place}"
                mend = "give one of them another number; it must be unique in the province"
                yield draft.agents_source.mistake((*path, "id"), what, mend)
            elif seat.id:
                first[seat.id] = draft, path


def _doubled_addresses(drafts: Iterable[CityDraft], names: Mapping[str, str]) -> Iterator[Mistake]:
    sip: dict[str, CityDraft] = {}
    ami: dict[tuple[str, int], CityDraft] = {}
    for draft in drafts:
        pbx = draft.queues.pbx if draft.queues else None
        if pbx is None or not pbx.host:
            continue
        host = pbx.host.lower()
        managed = ((pbx.ami_host or pbx.host).lower(), pbx.ami_port)
        same = sip.setdefault(host, draft)
        if same is not draft:
            place = same.queues_source.place(("pbx", "host"))
            what = f"{quoted(pbx.host)} is already the PBX of {named(same.code, names)}, {place}"
            mend = "every PBX needs an address of its own; another port is not enough"
            yield draft.queues_source.mistake(("pbx", "host"), what, mend)
            continue
        same = ami.setdefault(managed, draft)
        if same is not draft:
            key = "ami_host" if pbx.ami_host else "host"
            what = f"the management interface {managed[0]}:{managed[1]} is already that of {named(same.code, names)}"
            yield draft.queues_source.mistake(("pbx", key), what, "write this PBX's own ami_host or ami_port")
