"""One-time codes of an authenticator app: RFC 6238 with RFC 4226's numbers, six digits every thirty seconds."""

import base64
import binascii
import hmac
import secrets
import struct
from urllib.parse import quote

STEP_S = 30
DIGITS = 6
DRIFT = 1  # Steps a phone's clock may be off, either way.


def new_key() -> str:
    """160 bits (RFC 4226 §4), in base32 as authenticators take it."""
    return base64.b32encode(secrets.token_bytes(20)).decode()


def code_at(key: str, step: int, digits: int = DIGITS, digest: str = "sha1") -> str:
    """The code of a time step. Raises ValueError for a key that is not base32."""
    try:
        secret = base64.b32decode(key.upper() + "=" * (-len(key) % 8))
    except binascii.Error as error:
        raise ValueError("not base32") from error
    mark = hmac.digest(secret, struct.pack(">Q", step), digest)
    place = mark[-1] & 0x0F
    number = struct.unpack(">I", mark[place : place + 4])[0] & 0x7FFFFFFF
    return str(number % 10**digits).zfill(digits)


def step_of(key: str, code: str, now: float, used: int) -> int | None:
    """The time step a typed code belongs to; None where it is wrong, too old, or not newer than the step last `used`."""
    typed = code.replace(" ", "")
    if not (typed.isascii() and typed.isdigit() and len(typed) == DIGITS):
        return None
    step = int(now // STEP_S)
    found = None
    for one in range(step - DRIFT, step + DRIFT + 1):
        if one > used and hmac.compare_digest(code_at(key, one), typed):
            found = one
    return found


def address(key: str, account: str) -> str:
    """What the authenticator reads from the page (otpauth://)."""
    return f"otpauth://totp/callctl:{quote(account)}?secret={key}&issuer=callctl&digits={DIGITS}&period={STEP_S}"
