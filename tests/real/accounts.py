"""What a city's PBX itself tells of its callers, without callctl: Asterisk's queue_log, or what mod_callcenter says."""

import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping

from callctl.core.model import PbxKind
from callctl.lab.queue_log import Account, LoggedCall, read_queue_log
from tests.real.floor import Floor
from tests.real.mixed import acts


@contextlib.asynccontextmanager
async def account_of(floor: Floor, code: str) -> AsyncIterator[Callable[[], Account]]:
    """Asks for the account of the calls that came to this city's home queue since now."""
    queue = floor.city(code).queue.name
    if floor.city(code).pbx.kind is PbxKind.FREESWITCH:
        async with acts(floor, code).listen() as events:
            yield lambda: told(events, queue)
        return
    log = floor.pbx(code).queue_log
    before = set(read_queue_log(log, queue).calls) if log.is_file() else set()

    def written() -> Account:
        found = read_queue_log(log, queue)
        for call in before:
            found.calls.pop(call, None)
        return found

    yield written


def told(events: Iterable[Mapping[str, str]], queue: str) -> Account:
    """The account in events of mod_callcenter (mod_callcenter.c; times in microseconds of the switch)."""
    account = Account()
    rings: dict[tuple[str, str], float] = {}
    for order, event in enumerate(events):
        if event.get("CC-Queue") != queue:
            continue
        name, at = event.get("CC-Member-CID-Name", ""), int(event["Event-Date-Timestamp"]) / 1e6
        if event["CC-Action"] == "member-queue-start":
            number = event.get("CC-Member-CID-Number", "")
            account.calls.setdefault(name, LoggedCall(name, int(at), order, number))
        elif name in account.calls:
            _apply(account.calls[name], event, at, rings)
    return account


def _apply(call: LoggedCall, event: Mapping[str, str], at: float, rings: dict[tuple[str, str], float]) -> None:
    agent = event.get("CC-Agent", "")
    match event["CC-Action"]:
        case "agent-offering":
            rings[call.call, agent] = at
        case "bridge-agent-fail" if call.answered_at is None:
            call.failed_rings.append((rings.get((call.call, agent), at), at))
        case "bridge-agent-start":
            call.answers += 1
            if call.answered_at is None:
                call.answered_at, call.answered_by = int(at), agent
                call.rung_at = int(rings.get((call.call, agent), at))
        case "member-queue-end" if event.get("CC-Cancel-Reason") == "BREAK_OUT" and call.answered_at is None:
            call.left, call.left_at = "ABANDON", int(at)
