"""How a phone gets and keeps its place at its PBX: REGISTER with a digest (RFC 3261 §10)."""

import asyncio
import secrets
from dataclasses import dataclass

from callctl.lab import sip
from callctl.lab.wire import Address, Wire


class RegisterFailed(Exception):
    """The PBX did not take the phone; str() says why."""


@dataclass(frozen=True, slots=True)
class Account:
    """How the phone registers. A carrier has none."""

    user: str
    password: str
    pbx: Address


class Registration:
    """One phone's place at its PBX."""

    def __init__(self, wire: Wire, account: Account) -> None:
        self._wire = wire
        self._account = account
        self._call_id = secrets.token_hex(12)
        self._number = 0
        self._asked: asyncio.Future[sip.Message] | None = None
        self._again: asyncio.Task[None] | None = None

    async def register(self, expires_s: int, within_s: float) -> None:
        """Register for a time; 0 gives the place up. Raises RegisterFailed."""
        proof: sip.Headers = ()
        try:
            async with asyncio.timeout(within_s):
                for _ in range(3):  # Twice a challenge: the nonce had grown old.
                    answer = await self._ask(expires_s, proof)
                    if answer.status not in {401, 407}:
                        break
                    proof = self._proof(answer)
        except TimeoutError:
            raise RegisterFailed(f"the PBX at {self._account.pbx[0]} does not answer phone {self._account.user}") from None
        if answer.status >= 300:
            raise RegisterFailed(f"the PBX at {self._account.pbx[0]} refused phone {self._account.user}: {answer.start}")

    def keep(self, expires_s: int) -> None:
        """Register again and again from now on, until close()."""
        self.close()
        self._again = asyncio.create_task(self._repeat(expires_s))

    def close(self) -> None:
        """Register no more."""
        if self._again:
            self._again.cancel()
            self._again = None

    def take(self, message: sip.Message) -> None:
        """The PBX's answer to a REGISTER."""
        self._wire.answered(f"REGISTER {message.number}")
        if self._asked and not self._asked.done() and message.number == self._number and message.status >= 200:
            self._asked.set_result(message)

    async def _repeat(self, expires_s: int) -> None:
        while True:
            await asyncio.sleep(expires_s / 5)  # A PBX that was restarted without its contacts has them back soon.
            try:
                await self.register(expires_s, within_s=10.0)
            except RegisterFailed:
                continue  # A dead or frozen PBX: that is what a lab is for.

    async def _ask(self, expires_s: int, proof: sip.Headers) -> sip.Message:
        self._number += 1
        self._asked = asyncio.get_running_loop().create_future()
        host, port = self._wire.address
        user, pbx = self._account.user, self._account.pbx
        headers = [
            ("Via", f"SIP/2.0/UDP {host}:{port};branch=z9hG4bK{secrets.token_hex(6)};rport"),
            ("Max-Forwards", "70"),
            ("From", f"<sip:{user}@{pbx[0]}>;tag={secrets.token_hex(4)}"),
            ("To", f"<sip:{user}@{pbx[0]}>"),
            ("Call-ID", self._call_id),
            ("CSeq", f"{self._number} REGISTER"),
            ("Contact", f"<sip:{user}@{host}:{port}>"),
            ("Expires", str(expires_s)),
            *proof,
        ]
        key = f"REGISTER {self._number}"
        self._wire.send_until(key, sip.write(f"REGISTER {self._uri()} SIP/2.0", headers), pbx)
        try:
            return await self._asked
        finally:
            self._wire.answered(key)

    def _proof(self, challenged: sip.Message) -> sip.Headers:
        account = self._account
        challenge = challenged.header("www-authenticate") or challenged.header("proxy-authenticate")
        try:
            value = sip.digest(challenge, "REGISTER", self._uri(), account.user, account.password, secrets.token_hex(4))
        except sip.MalformedSip as error:
            raise RegisterFailed(str(error)) from None
        return (("Authorization" if challenged.status == 401 else "Proxy-Authorization", value),)

    def _uri(self) -> str:
        return f"sip:{self._account.pbx[0]}:{self._account.pbx[1]}"
