"""callctl's own link to one city of the floor, whatever PBX it has, and every fact it told."""

import random

from callctl import clock
from callctl.core.events import PbxObserved
from callctl.core.model import PbxKind
from callctl.pbx.asterisk import AsteriskLink
from callctl.pbx.esl_wire import EslThread
from callctl.pbx.freeswitch import FreeSwitchLink
from tests.pbx.told import Told
from tests.real.floor import Floor

PATIENCE_S = 40.0  # The longest wait is the trunk's rtp_timeout, 20 s.


class Listener(Told):
    """One city's link, and what it told."""

    def __init__(self, floor: Floor, code: str) -> None:
        super().__init__(PATIENCE_S)
        city, secret, rng = floor.city(code), floor.lab.settings.ami_secret(code), random.Random(1).random
        self._thread = EslThread() if city.pbx.kind is PbxKind.FREESWITCH else None
        if self._thread is not None:
            self.link = FreeSwitchLink(city, floor.lab.province, secret, clock.now, rng, self._thread)
        else:
            self.link = AsteriskLink(city, floor.lab.province, secret, clock.now, rng)

    async def __aenter__(self) -> "Listener":
        await super().__aenter__()
        await self.until(PbxObserved)
        return self

    async def __aexit__(self, *_: object) -> None:
        await super().__aexit__()
        if self._thread is not None:
            self._thread.close()

    async def observe(self) -> PbxObserved:
        await self.link.reread()
        return self.of(PbxObserved)[-1]
