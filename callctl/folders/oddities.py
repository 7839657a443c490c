"""What is legal in agents/ and queues/ but probably not meant: warnings of `callctl check`."""

from collections.abc import Iterator

from callctl.core.model import City, Lending, Pair, PbxKind, Province
from callctl.folders.mistake import Mistake

ASTERISK_PORT = 5038
NAMED_AT_MOST = 5  # Cities listed in one warning; a province of 300 would fill the screen.


def odd_things(province: Province) -> tuple[Mistake, ...]:
    """Every oddity of a province without mistakes."""
    return tuple(odd for city in province.cities.values() for odd in _odd(province, city))


def _odd(province: Province, city: City) -> Iterator[Mistake]:
    queues, agents = f"queues/{city.code}.toml", f"agents/{city.code}.toml"
    me = f"{city.code} ({city.name_zh})"
    if not any(seat.lend is not Lending.DEDICATED for seat in city.seats):
        what = f"no seat of {me} serves its own 12345 queue"
        yield Mistake(agents, "seat", None, what, 'add seats with lend = "no" or "shared"')
    if len(province.cities) > 1 and not any(_could_help(province, other, city.code) for other in province.cities.values()):
        what = f"nobody may help {me}"
        yield Mistake(
            queues, "", None, what, "let another city help it (lend.helps, lend.quota) and link the two by trunks"
        )
    if city.lend.helps and not city.lend.quota:
        yield Mistake(
            queues, "lend.quota", None, f"{me} may help others but lends 0 seats", "raise the quota or empty helps"
        )
    if city.pbx.kind is PbxKind.FREESWITCH and city.pbx.ami_port == ASTERISK_PORT:
        what = f"{me} runs FreeSWITCH, but {ASTERISK_PORT} is the port of Asterisk's manager"
        yield Mistake(
            queues, "pbx.ami_port", None, what, "write the port of its event socket (listen-port), as a rule 8021"
        )
    if not city.pbx.carrier:
        yield Mistake(queues, "pbx.carrier", None, f"no citizen can call {me}", "write the address of the carrier's SBC")
    bare = city.pbx.browser_port and not city.pbx.browser_address.startswith("wss://")
    if bare and not city.pbx.host.startswith("127."):
        what = f"browsers reach the phones of {me} without TLS; no browser allows that from a page with TLS"
        yield Mistake(queues, "pbx.browser_tls", None, what, "set browser_tls = true, or the proxy's wss:// as browser_url")
    yield from _narrow(province, city, queues, me)
    yield from _detours(province, city, queues)


def _could_help(province: Province, supporting: City, assisted: str) -> bool:
    pair = Pair(assisted, supporting.code)
    return supporting.lend.quota > 0 and supporting.may_help(assisted) and province.channels(pair) > 0


def _narrow(province: Province, city: City, queues: str, me: str) -> Iterator[Mistake]:
    quota = city.lend.quota
    narrow = [t for t in city.trunks if city.may_help(t.to) and 0 < province.channels(Pair(t.to, city.code)) < quota]
    if narrow:
        what = f"{me} may lend {quota} seats, but fewer calls fit on its trunks to {_some(t.to for t in narrow)}"
        yield Mistake(queues, "trunk", None, what, "raise channels at both ends, or lower lend.quota")


def _detours(province: Province, city: City, queues: str) -> Iterator[Mistake]:
    for number, trunk in enumerate(city.trunks):
        pbx = province.cities[trunk.to].pbx
        if (trunk.host.lower(), trunk.port) != (pbx.host.lower(), pbx.sip_port):
            what = f"goes to {trunk.host}:{trunk.port}, but queues/{trunk.to}.toml has {pbx.host}:{pbx.sip_port}"
            mend = "right only where another address is used between the two (VPN, SBC)"
            yield Mistake(queues, f"trunk[{number + 1}]", None, what, mend)


def _some(codes: Iterator[str]) -> str:
    listed = list(codes)
    more = len(listed) - NAMED_AT_MOST
    return ", ".join(listed[:NAMED_AT_MOST]) + (f" and {more} more" if more > 0 else "")
