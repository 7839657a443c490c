"""What the controller and the desk need to remember, and the errors they meet. Redis and SQL stand behind it."""

import hashlib
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from callctl.core.events import Fact
from callctl.core.listening import Listening
from callctl.core.missed import Wanted
from callctl.core.model import SeatRef
from callctl.core.presses import Press
from callctl.core.wishes import Wishes


class StoreLost(Exception):
    """The store cannot be reached now; the caller goes on without it and tries again."""


class RegistryLost(StoreLost):
    """It is Redis; the database may well be there."""


class Refusal(Exception):
    """The store is there and says no; str() is a sentence for a person."""


class WishesChanged(Refusal):
    """Somebody else wrote first; read again and ask the person again."""


class Outdated(Refusal):
    """Who asks does not lead (any more); only who leads may change loans."""


class AlreadyDone(Refusal):
    """An act with this request id is in the audit already; it is done once."""


@dataclass(frozen=True, slots=True)
class Loan:
    """One seat lent to one assisted city."""

    seat: SeatRef
    assisted: str
    token: int  # Rises with every loan of the province: of two loans of a seat, the higher is the later.
    lent_at: float


class Registry(Protocol):
    """Who leads, who is lent to whom, what is wished, what the province looks like now. Every call may raise StoreLost."""

    async def lead(self, holder: str, ttl_s: float, rival_s: float | None = None, seen: int = 0) -> int | None:
        """Take or renew the controller's lease; its fencing token, or None while another holder has it.

        `rival_s`: how long ago another one led, or may have, as far as this holder knows: it was refused, or the registry
        did not answer. `seen`: the newest token the PBXs show to a holder that knows of nobody. A registry that does not
        know that leader has lost its memory: the other may lead still, and has ttl_s to say so before such a holder leads.
        """
        ...

    async def resign(self, holder: str) -> None:
        """Give the lease back (only one's own)."""
        ...

    async def lend(self, request: str, lease: int, seat: SeatRef, assisted: str) -> Loan:
        """Lend a seat. The same `request` again gives the same loan. Raises Refusal: lent already, or lease outdated."""
        ...

    async def recall(self, request: str, lease: int, seat: SeatRef, token: int) -> None:
        """End the loan with this token; nothing happens where it is not the seat's loan any more. Raises Refusal."""
        ...

    async def loans(self) -> Mapping[SeatRef, Loan]:
        """Every loan whose lease has not run out."""
        ...

    async def renew(self, lease: int, ttl_s: float) -> None:
        """Keep every loan alive for ttl_s from now, by the server's clock. Raises Refusal where the lease is outdated."""
        ...

    async def adopt(self, lease: int, loans: Iterable[Loan]) -> None:
        """Take over what the PBXs say is lent (after Redis lost it, or on a new controller). Raises Refusal."""
        ...

    async def wishes(self) -> Wishes | None:
        """What the supervisors want; None where the registry has forgotten (the history knows)."""
        ...

    async def put_wishes(self, seen_version: int, wishes: Wishes) -> Wishes:
        """Write, if nobody wrote since `seen_version`; the written value, with its new version. Raises WishesChanged."""
        ...

    async def restore_wishes(self, wishes: Wishes) -> None:
        """Give the registry back what the history knew; nothing happens where it has wishes at least as new."""
        ...

    async def unbriefed(self) -> Mapping[str, frozenset[SeatRef]]:
        """By assisted city: seats whose agents have not read its must-read scripts, as the console last found."""
        ...

    async def put_unbriefed(self, seats: Mapping[str, frozenset[SeatRef]], ttl_s: float) -> None:
        """Tell the controller; forgotten after ttl_s, for a dead console must not keep agents from helping."""
        ...

    async def wanted(self) -> Mapping[str, Wanted]:
        """By city: the missed calls to be called back, as the books last found."""
        ...

    async def put_wanted(self, wanted: Mapping[str, Wanted], ttl_s: float) -> None:
        """Tell the controller; forgotten after ttl_s, for dead books do not know who has been answered since."""
        ...

    async def presses(self) -> Mapping[SeatRef, Press]:
        """What agents pressed and the PBX has not shown yet."""
        ...

    async def put_press(self, seat: SeatRef, press: Press) -> None:
        """Ask for a seat's readiness; an earlier press of it is overtaken."""
        ...

    async def settle_press(self, seat: SeatRef, press: Press) -> None:
        """The press is shown by the PBX, or too old; nothing happens where another one took its place."""
        ...

    async def listenings(self) -> Sequence[Listening]:
        """The permits to listen that team leaders asked for."""
        ...

    async def put_listening(self, one: Listening) -> None:
        """Ask for a permit, or tell what became of it."""
        ...

    async def forget_listening(self, id: str) -> None:
        """The permit is history."""
        ...

    async def put_status(self, status: Mapping[str, Any]) -> None:
        """Publish the province's picture (JSON-able) for status, the console and the wallboard."""
        ...

    async def status(self) -> Mapping[str, Any] | None:
        """The latest picture, with its `at`, or None."""
        ...


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One press of a button, or one order of a supervisor."""

    at: float
    who: str
    where: str  # Host, terminal or address.
    what: str  # E.g. "switch on".
    city: str
    before: str
    after: str
    reason: str = ""
    request: str = ""


def act_id(request: str, *about: str) -> str:
    """An entry's `request`: the same whenever this request comes again about the same things; new each time without one."""
    if not request:
        return secrets.token_hex(8)
    return hashlib.blake2b("\n".join((request, *about)).encode(), digest_size=16).hexdigest()


class History(Protocol):
    """What happened, for good. Writing never blocks and never loses: facts spool to disk while SQL is lost."""

    def record(self, fact: Fact) -> None:
        """Take a fact over; it is written within a second, or spooled."""
        ...

    async def audit(self, entry: AuditEntry, wishes: Wishes | None) -> None:
        """Write one audited act, and the wishes that came of it, before it takes effect. Raises StoreLost.

        With wishes also raises WishesChanged where this version of them is taken, and AlreadyDone where the entry's
        request is; then nothing is written.
        """
        ...

    async def wishes(self) -> Wishes | None:
        """The last wishes written. Raises StoreLost."""
        ...

    async def wishes_at(self, version: int) -> Wishes | None:
        """The wishes as of that version, or None where it was never written. Raises StoreLost."""
        ...

    async def audited(
        self, last: int, cities: frozenset[str] | None = None, acts: frozenset[str] | None = None
    ) -> Sequence[AuditEntry]:
        """The `last` newest audited acts, newest first; None is every city ("" among them), and every act.

        Raises StoreLost.
        """
        ...
