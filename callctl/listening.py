"""监听、耳语、强插 from the console: who may ask for it, for which seat, from which phone. Audited before it is granted."""

import hashlib
import secrets
from collections.abc import Callable

from callctl.core.acts import ActRefused, Sentence
from callctl.core.listening import How, Listening
from callctl.core.model import PbxKind, Province, SeatRef
from callctl.rights import Actor
from callctl.store.calls import CallBook
from callctl.store.port import AuditEntry, Registry
from callctl.store.sitting import Sitting

OPEN_MOST = 20  # Permits of a city at a time; the dialplan reads them from one variable of 4,096 characters.
HOW_WORDS = {
    How.LISTEN: Sentence("监听", "listen"),
    How.WHISPER: Sentence("耳语", "whisper"),
    How.BARGE: Sentence("强插", "barge in"),
}


class Ear:
    """Every call may raise ActRefused, StoreLost."""

    def __init__(
        self, province: Province, registry: Registry, sitting: Sitting, calls: CallBook, now: Callable[[], float]
    ) -> None:
        self._province = province
        self._registry = registry
        self._sitting = sitting
        self._calls = calls
        self._now = now

    async def ask(self, actor: Actor, city: str, seat: str, how: How, phone: str, why: str, request: str = "") -> Listening:
        """A permit for the phone of seat `phone` to listen to `seat` once; both of `city`. Granted when the PBX has it."""
        actor.must("listen", city)
        await self._check(actor, city, seat, phone)
        now = self._now()
        mine = [one for one in await self._registry.listenings() if one.city == city]
        if sum(now <= one.ends_at() for one in mine) >= OPEN_MOST:
            raise ActRefused(
                "本市的监听许可太多，请稍后再试", "too many permits to listen are open in this city; try again soon"
            )
        mark = hashlib.blake2b(request.encode(), digest_size=8).hexdigest() if request else secrets.token_hex(8)
        asked_before = next((one for one in mine if one.id == mark), None)
        if asked_before is not None:
            return asked_before
        one = Listening(mark, city, phone, seat, how, actor.account or actor.name, now)
        entry = AuditEntry(now, actor.name, actor.where, how.value, city, "", f"{seat} ({phone})", why, request or one.id)
        await self._calls.note(entry)
        await self._registry.put_listening(one)
        return one

    async def mine(self, actor: Actor, city: str) -> list[Listening]:
        """The permits of this person that are asked for or may still be used, the newest first."""
        actor.must("listen", city)
        found = await self._registry.listenings()
        who = actor.account or actor.name
        open_ = [one for one in found if one.city == city and one.who == who and self._now() <= one.ends_at()]
        return sorted(open_, key=lambda one: -one.at)

    async def _check(self, actor: Actor, city: str, seat: str, phone: str) -> None:
        it = self._province.cities[city]
        if it.pbx.kind is not PbxKind.ASTERISK:
            raise ActRefused(
                "本市话务平台是 FreeSWITCH，暂不支持监听、耳语、强插",
                "the city's PBX is FreeSWITCH: listening, whispering and barging in are not there",
            )
        seats = {one.id for one in it.seats}
        wrong = {}
        if seat not in seats:
            wrong["seat"] = Sentence("本市没有这个座席", "the city has no such seat")
        if phone not in seats:
            wrong["phone"] = Sentence("请选择您使用的本市话机", "choose the telephone of this city that you use")
        elif phone == seat:
            wrong["phone"] = Sentence("不能用被监听的座席自己的话机", "the seat cannot listen to itself")
        else:
            sitter = (await self._sitting.all()).get(SeatRef(city, phone))
            if sitter is not None and sitter.account != actor.account:
                said = f"座席 {phone} 有话务员签入，请用别的话机"
                wrong["phone"] = Sentence(said, f"an agent is signed in at seat {phone}; use another telephone")
        if wrong:
            raise ActRefused("请改正这些地方", "please mend these", wrong)
