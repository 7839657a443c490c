"""Citizens' numbers for whoever has the right and says why: one in full, or all calls of one. Audited before it is shown.

The assisted city owns its citizens' data: a city whose agent answered for it sees the number masked.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress

from callctl.core.acts import ActRefused, Sentence
from callctl.log import mask
from callctl.rights import Actor, NotAllowed
from callctl.store.calls import Call, CallBook
from callctl.store.port import AlreadyDone, AuditEntry, act_id
from callctl.store.seal import normal

REASON_MOST = 200
DIGITS = range(5, 20)  # Of a number that is looked for; short ones are service numbers, 15 is the longest of E.164.
REPEATED_S = 600.0  # Within so long the same request is one look.
FOUND_MOST = 200  # Calls of one number; who called oftener is known by then.


class Unmasking:
    """Every call may raise ActRefused, StoreLost.

    The same request of the same person for the same thing, with the same reason, is one line in the audit for ten minutes.
    """

    def __init__(self, calls: CallBook, now: Callable[[], float]) -> None:
        self._calls = calls
        self._now = now

    async def number(self, actor: Actor, city: str, call: str, reason: str, request: str = "") -> str:
        """A citizen's number in full: only of a call to the own city, with a reason."""
        actor.must("see number", city)
        _check(reason, Sentence("查看完整号码须写明事由", "to see a number in full, say why"))
        found = await self._calls.find(call)
        if found is None or city != found.city:
            raise NotAllowed("不是打给本市的通话，号码归被叫市", "not a call to this city; the number is that city's")
        if not found.number and found.number is not None:
            raise ActRefused("来电未显示号码，或号码已按期删除", "the number was withheld, or erased in time")
        if found.number is None:
            raise ActRefused("号码已加密，本机没有密钥，不能显示", "the number is sealed, and its key is not here")
        await self._note(actor, "number seen", city, call, call, reason, request)
        return found.number

    async def calls_of(self, actor: Actor, city: str, number: str, reason: str, request: str = "") -> Sequence[Call]:
        """The calls of a citizen's number to the own city, the newest first: the same right as to see the number."""
        actor.must("see number", city)
        wanted = normal(number.strip())
        digits = wanted.removeprefix("+")
        if not (digits.isascii() and digits.isdigit() and len(digits) in DIGITS):
            said = Sentence(
                "请填完整号码，只含数字，境外号码以 + 开头", "a whole number: digits, from abroad with a + before them"
            )
            raise ActRefused(said.zh, said.en, {"number": said})
        _check(reason, Sentence("按号码查找须写明事由", "to look for a number, say why"))
        # The audit shows the number masked; a repetition is known by what stands for it in the calls' own table.
        about = self._calls.whose(wanted)
        await self._note(actor, "number sought", city, mask(wanted), about, reason, request)
        return await self._calls.of_number(city, wanted, FOUND_MOST)

    async def _note(self, actor: Actor, what: str, city: str, shown: str, about: str, reason: str, request: str) -> None:
        # A repetition is one act; the same key on another day is another look, and has a line of its own.
        window = str(int(self._now() // REPEATED_S))
        once = act_id(request, actor.account or actor.name, city, about, reason, window)
        entry = AuditEntry(self._now(), actor.name, actor.where, what, city, "", shown, reason, once)
        with suppress(AlreadyDone):
            await self._calls.note(entry)


def _check(reason: str, said: Sentence) -> None:
    if not (reason.strip() and reason.isprintable() and len(reason) <= REASON_MOST):
        raise ActRefused(said.zh, said.en, {"reason": said})
