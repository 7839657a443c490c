"""Who may do what: roles and cities. The command line's actor is the machine's administrator and may give every order."""

import enum
from collections.abc import Iterable
from dataclasses import dataclass, replace

from callctl.core.acts import ActRefused

EVERYWHERE = "*"


class NotAllowed(ActRefused):
    """This person may not do this."""


class Role(enum.Enum):
    """The posts of a 12345 province (domain §4.2). Each holds for the cities of its account."""

    DISPATCHER = "dispatcher"  # 省级调度员: events, waves, quotas, the emergency stop and the way back.
    SUPERVISOR = "supervisor"  # 值班长: switch, seats and quota of the own city, the emergency stop.
    EDITOR = "editor"  # 口径编辑: writes the own city's scripts.
    APPROVER = "approver"  # 口径审核: publishes and withdraws them; never one's own.
    LEADER = "leader"  # 班长: the own city's agents.
    AGENT = "agent"  # 话务员: the own seat.
    INSPECTOR = "inspector"  # 质检员: the own city's calls.
    REPORTER = "reporter"  # 统计员: figures and exports.
    SYSTEM_ADMIN = "system_admin"  # 系统管理员: connections, webhooks; no call content.
    SECURITY_ADMIN = "security_admin"  # 安全管理员: accounts, roles, machine tokens.
    AUDITOR = "auditor"  # 审计管理员: reads the audit, changes nothing.


# 三员分立: each of the three watches the other two, and none of them runs the hotline.
ADMINISTRATORS = frozenset({Role.SYSTEM_ADMIN, Role.SECURITY_ADMIN, Role.AUDITOR})

_PEOPLE = frozenset(Role)
_HALL = frozenset({Role.DISPATCHER, Role.SUPERVISOR})
_WATCH = _PEOPLE - {Role.SECURITY_ADMIN, Role.AUDITOR}

# Anybody who runs a shift may stop everything; only the province may start it again.
RIGHTS = {
    "event start": frozenset({Role.DISPATCHER}),
    "event end": frozenset({Role.DISPATCHER}),
    # The second key: the province activates, the assisted city switches on. Off is off for both.
    "switch on": frozenset({Role.SUPERVISOR}),
    "switch off": _HALL,
    "quota": _HALL,
    "threshold": _HALL,
    "reserve": _HALL,
    "confirm": frozenset({Role.SUPERVISOR}),  # A city's seats are its own supervisor's to promise.
    "wave enter": frozenset({Role.DISPATCHER}),
    "wave leave": frozenset({Role.DISPATCHER}),
    "must read on": _HALL,
    "must read off": _HALL,
    "stop all": _HALL,
    "resume": frozenset({Role.DISPATCHER}),
    # Looking.
    "see": _WATCH,  # The picture: the own cities in full, of the others only that they exist.
    "see calls": frozenset({Role.DISPATCHER, Role.SUPERVISOR, Role.LEADER, Role.INSPECTOR, Role.REPORTER}),
    "see number": frozenset({Role.SUPERVISOR, Role.LEADER, Role.INSPECTOR}),  # With a reason, audited.
    "see audit": frozenset({Role.AUDITOR}),
    "see timeline": _HALL,  # The audit of the own city's assistance.
    # Scripts. Published ones are for everybody who answers; drafts are the owning city's.
    "see scripts": _WATCH - {Role.SYSTEM_ADMIN},
    "see drafts": frozenset({Role.EDITOR, Role.APPROVER}),
    "script write": frozenset({Role.EDITOR}),
    "script publish": frozenset({Role.APPROVER}),
    "script expire": frozenset({Role.APPROVER}),
    "script read": frozenset({Role.AGENT}),
    "see receipts": _HALL | {Role.EDITOR, Role.APPROVER, Role.LEADER, Role.REPORTER},
    # The desk.
    "desk": frozenset({Role.AGENT}),
    "see seats": _HALL | {Role.LEADER},
    "force": frozenset({Role.LEADER, Role.SUPERVISOR}),
    "listen": frozenset({Role.LEADER}),  # 监听、耳语、强插.
    "see books": _HALL | {Role.LEADER, Role.AGENT, Role.INSPECTOR, Role.REPORTER},  # Where the next ones are found.
    # The books. Stubs are pulled, and their orders' state told, by the city's own order system with a token.
    "pull orders": frozenset({Role.SUPERVISOR}),
    "order status": frozenset({Role.SUPERVISOR}),
    "see orders": _HALL | {Role.LEADER, Role.INSPECTOR, Role.REPORTER},
    "see missed": _HALL | {Role.LEADER, Role.AGENT, Role.REPORTER},
    "call back": frozenset({Role.SUPERVISOR, Role.LEADER, Role.AGENT}),
    "see reports": _HALL | {Role.REPORTER},
    "report write": frozenset({Role.REPORTER}),
    "report approve": _HALL,  # Whoever wrote it does not sign it.
    "report send": _HALL | {Role.REPORTER},
    "categories": frozenset({Role.DISPATCHER}),
    # One's own account.
    "own account": _PEOPLE,
    # Accounts and machines.
    "see accounts": frozenset({Role.SECURITY_ADMIN, Role.AUDITOR}),
    "change accounts": frozenset({Role.SECURITY_ADMIN}),
    "webhooks": frozenset({Role.SYSTEM_ADMIN}),
}

# No city's own affair, and felt in every one: only who has the whole province. (The stop is anybody's who runs a shift.)
PROVINCE_WIDE = frozenset({"webhooks", "categories", "resume"})


@dataclass(frozen=True, slots=True)
class Actor:
    """The person who presses the button."""

    name: str
    where: str  # Host, terminal or address.
    roles: frozenset[Role]
    cities: frozenset[str]  # City codes; {EVERYWHERE} is the whole province.
    only: frozenset[str] | None = None  # A machine's token may be limited to these rights.
    account: str = ""  # "" for the command line and for machines.

    def may(self, what: str, city: str) -> bool:
        """Whether this person may do this act for this city ("" is no city's own affair)."""
        at_home = EVERYWHERE in self.cities or (city in self.cities if city else what not in PROVINCE_WIDE)
        return at_home and bool(self.roles & RIGHTS[what]) and (self.only is None or what in self.only)

    def must(self, what: str, city: str) -> None:
        """Raises NotAllowed where this person may not do this act for this city."""
        if self.may(what, city):
            return
        if what in PROVINCE_WIDE and replace(self, cities=frozenset({EVERYWHERE})).may(what, ""):
            raise NotAllowed(
                f"此操作关系全省，须由范围为全省的人员办理；{self.name}只管部分市({what})",
                f"this reaches the whole province, and {self.name} has single cities only: ask who has all of it ({what})",
            )
        raise NotAllowed(f"{self.name}无权执行此操作({what} {city})", f"{self.name} may not: {what} {city}")

    def holds(self, cities: Iterable[str]) -> bool:
        """Whether all these cities are this person's; EVERYWHERE among them is only the province's."""
        return all(self.sees(city) for city in cities)

    def must_for_all(self, what: str, cities: Iterable[str]) -> None:
        """Raises NotAllowed where this person may not do this act for each of these cities, of which there is one at least.

        For what reaches several cities at once, as an account does: the path of a request does not name them.
        """
        self.must(what, "")
        for city in sorted(cities):
            self.must(what, city)

    @property
    def of_cities(self) -> frozenset[str] | None:
        """This person's cities; None for the whole province and what belongs to no city."""
        return None if EVERYWHERE in self.cities else self.cities

    def sees(self, city: str) -> bool:
        """Whether the city is one of this person's."""
        return EVERYWHERE in self.cities or city in self.cities


def clashing(roles: Iterable[Role]) -> bool:
    """Whether 三员分立 forbids these roles in one pair of hands: an administrator is only that one administrator."""
    held = frozenset(roles)
    return len(held) > 1 and bool(held & ADMINISTRATORS)
