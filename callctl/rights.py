"""Who may do what: roles and cities. Until there are accounts, the command line's actor has full rights."""

import enum
from dataclasses import dataclass

EVERYWHERE = "*"


class Role(enum.Enum):
    """The roles of a 12345 province that give orders (domain §4.2)."""

    DISPATCHER = "dispatcher"  # 省级调度员: events, quotas, the emergency stop and the way back.
    SUPERVISOR = "supervisor"  # 值班长: the switch and quota of the own city, the emergency stop.
    AUDITOR = "auditor"  # 审计管理员: reads the audit, changes nothing.


# Anybody who runs a shift may stop everything; only the province may start it again.
RIGHTS = {
    "event start": frozenset({Role.DISPATCHER}),
    "event end": frozenset({Role.DISPATCHER}),
    "switch on": frozenset({Role.DISPATCHER, Role.SUPERVISOR}),
    "switch off": frozenset({Role.DISPATCHER, Role.SUPERVISOR}),
    "quota": frozenset({Role.DISPATCHER, Role.SUPERVISOR}),
    "stop all": frozenset({Role.DISPATCHER, Role.SUPERVISOR}),
    "resume": frozenset({Role.DISPATCHER}),
}


@dataclass(frozen=True, slots=True)
class Actor:
    """The person who presses the button."""

    name: str
    where: str  # Host, terminal or address.
    roles: frozenset[Role]
    cities: frozenset[str]  # City codes; {EVERYWHERE} is the whole province.

    def may(self, what: str, city: str) -> bool:
        """Whether this person may do this act for this city ("" is no city's own affair)."""
        at_home = not city or EVERYWHERE in self.cities or city in self.cities
        return at_home and bool(self.roles & RIGHTS[what])
