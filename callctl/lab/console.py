"""The demo's console: people who may sign in, with passwords made up for this once, and where it listens."""

import secrets
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from callctl.core.acts import ActRefused
from callctl.core.model import Province
from callctl.lab.processes import Port
from callctl.people.accounts import People, Wanted
from callctl.people.guessing import Guessing
from callctl.people.passwords import Scales, check_password
from callctl.rights import EVERYWHERE, Actor, Role
from callctl.settings import Settings
from callctl.store.accounts import AccountBook
from callctl.store.connect import open_cabinet
from callctl.store.registry import RedisRegistry
from callctl.store.tries import Tries
from callctl.store.visits import Visits

HOST = "127.0.0.1"
USUAL_PORT = 8012
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # Nothing that is read for something else.
_DEMO = Actor("demo", "demo", frozenset(Role), frozenset({EVERYWHERE}))


@dataclass(frozen=True, slots=True)
class Guest:
    """Somebody who may sign in to the demo."""

    name: str
    person: str
    role: Role
    city: str
    password: str
    agent: str = ""


def free_port() -> int:
    """The console's usual port, or where that is taken, another."""
    if Port("tcp", HOST, USUAL_PORT).free():
        return USUAL_PORT
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def guests(province: Province, assisted: str, supporting: str) -> list[Guest]:
    """One person for every kind of page; the agent sits where the phone is in the browser."""
    seat = next((seat for seat in province.cities[supporting].seats if seat.in_browser), None)
    home, helping = (province.cities[code].name_zh for code in (assisted, supporting))
    wanted = [
        Guest("diaodu", "省调度", Role.DISPATCHER, EVERYWHERE, _password()),
        Guest(assisted, f"{home}值班长", Role.SUPERVISOR, assisted, _password()),
        Guest(supporting, f"{helping}值班长", Role.SUPERVISOR, supporting, _password()),
        Guest("bianji", f"{home}口径编辑", Role.EDITOR, assisted, _password()),
        Guest("shenhe", f"{home}口径审核", Role.APPROVER, assisted, _password()),
        Guest("anquan", "安全管理员", Role.SECURITY_ADMIN, EVERYWHERE, _password()),
        Guest("shenji", "审计管理员", Role.AUDITOR, EVERYWHERE, _password()),
    ]
    if seat is not None:
        wanted.append(Guest("zuoxi", seat.name, Role.AGENT, supporting, _password(), seat.agent))
    return wanted


async def invite_all(
    settings: Settings, province: Province, registry: RedisRegistry, now: Callable[[], float], people: list[Guest]
) -> None:
    """Make their accounts, with the passwords they have. Raises StoreLost, ActRefused."""
    async with open_cabinet(settings) as cabinet:
        book, scales = AccountBook(cabinet), Scales()
        guessing = Guessing(Tries(registry.link), book, scales, now)
        desk = People(province, book, Visits(registry.link), guessing, scales, now)
        for guest in people:
            wanted = Wanted(guest.person, frozenset({guest.role}), frozenset({guest.city}), guest.agent)
            invitation = await desk.create(_DEMO, guest.name, wanted)
            await desk.take_up(invitation, guest.password, "demo")


def console_environment(environment: Mapping[str, str], port: int) -> dict[str, str]:
    """The variables of the demo's console."""
    return {**environment, "CALLCTL_WEB_HOST": HOST, "CALLCTL_WEB_PORT": str(port), "CALLCTL_WEB_PROXIES": ""}


def _password() -> str:
    """One that is good enough: drawn again where there is no digit among the letters, as in one of a hundred."""
    while True:
        drawn = "-".join("".join(secrets.choice(_LETTERS) for _ in range(4)) for _ in range(4))
        with suppress(ActRefused):
            check_password(drawn, "")
            return drawn
