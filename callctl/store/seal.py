"""Citizens' personal fields as the database holds them: sealed with the site's key, and still searchable by number.

Without a field key (settings: CALLCTL_FIELD_KEY, or the file `field-key` in the secrets folder) they stay in clear and the
compliance report says so. Providers: `aes` (AES-256-GCM, HMAC-SHA256) and `sm` (SM4-CTR, HMAC-SM3: 国密), both from the
optional package `cryptography`. A sealed text is `~<provider>.<caller>.<sealed>`; what has no `~` is in clear, so a
database may hold both while a site switches over.
"""

import base64
import hashlib
import hmac
import re
from dataclasses import replace
from typing import Protocol, TypeVar

from callctl.core.events import CallWaiting, PbxObserved, WaitingCall
from callctl.core.sightings import SeenWaiting
from callctl.settings import Settings, SettingsError
from callctl.store.codec import Record

try:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers import Cipher, modes
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.ciphers.algorithms import SM4

    THERE = True
except ImportError:
    THERE = False

NONCE_BYTES = 12
TAG_BYTES = 16
_COUNTRY = re.compile(r"^(?:\+|00)?86(?=1[3-9]\d{9}$|0?\d{9,11}$)")


class Unsealable(Exception):
    """A sealed text that this key does not open: another key, or somebody changed it."""


def normal(number: str) -> str:
    """One way to write a number: +86 138… and 138… are one caller."""
    return _COUNTRY.sub("", re.sub(r"[\s()-]", "", number))


RecordT = TypeVar("RecordT", bound=Record)


class Seal(Protocol):
    """Hides a text, tells whose it is, and shows it again."""

    def close(self, text: str, about: str) -> str:
        """Sealed. The same text about the same thing gives the same result, so doubled facts stay equal."""
        ...

    def open(self, text: str) -> str:
        """In clear again; a text that was never sealed is returned as it is. Raises Unsealable."""
        ...

    def caller(self, number: str) -> str:
        """What to search for: equal for equal numbers, "" for none. Takes clear and sealed numbers."""
        ...


class Clear:
    """No key: nothing is hidden."""

    def close(self, text: str, about: str) -> str:
        """As it is."""
        return text

    def open(self, text: str) -> str:
        """As it is; a text that some key has sealed cannot be opened."""
        if text.startswith("~"):
            raise Unsealable("this text is sealed and no field key is set here: put it into the secrets folder (field-key)")
        return text

    def caller(self, number: str) -> str:
        """The number, written one way."""
        return number.split(".")[1] if number.startswith("~") else normal(number)


class _Keyed:
    """What both providers share: sub-keys, and a nonce made from what is sealed (SIV), so that none is ever used twice."""

    name = ""

    def __init__(self, key: bytes, digest: str) -> None:
        self._digest = digest
        self._cipher_key = self._mac(key, b"cipher")
        self._nonce_key = self._mac(key, b"nonce")
        self._caller_key = self._mac(key, b"caller")

    def _mac(self, key: bytes, text: bytes) -> bytes:
        return hmac.new(key, text, self._digest).digest()

    def close(self, text: str, about: str) -> str:
        """See Seal."""
        if not text or text.startswith("~"):
            return text
        raw = text.encode("utf-8", "surrogatepass")
        nonce = self._mac(self._nonce_key, about.encode("utf-8", "replace") + b"\0" + raw)[:NONCE_BYTES]
        body = base64.urlsafe_b64encode(nonce + self._encrypt(nonce, raw)).decode()
        return f"~{self.name}.{self.caller(text)}.{body}"

    def open(self, text: str) -> str:
        """See Seal."""
        if not text.startswith("~"):
            return text
        provider, _, body = text[1:].split(".", 2)
        if provider != self.name:
            raise Unsealable(f"sealed with the provider {provider}, and this one is {self.name}")
        raw = base64.urlsafe_b64decode(body)
        return self._decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:]).decode("utf-8", "surrogatepass")

    def caller(self, number: str) -> str:
        """See Seal: 128 bits of a keyed digest; without the key nobody can try all numbers."""
        if not number or number.startswith("~"):
            return number.split(".")[1] if number else ""
        return self._mac(self._caller_key, normal(number).encode("utf-8", "replace")).hex()[:32]

    def _encrypt(self, nonce: bytes, raw: bytes) -> bytes:
        raise NotImplementedError

    def _decrypt(self, nonce: bytes, sealed: bytes) -> bytes:
        raise NotImplementedError


class AesSeal(_Keyed):
    """AES-256-GCM with HMAC-SHA256."""

    name = "aes"

    def __init__(self, key: bytes) -> None:
        super().__init__(key, "sha256")
        self._aes = AESGCM(self._cipher_key)

    def _encrypt(self, nonce: bytes, raw: bytes) -> bytes:
        return self._aes.encrypt(nonce, raw, None)

    def _decrypt(self, nonce: bytes, sealed: bytes) -> bytes:
        try:
            return self._aes.decrypt(nonce, sealed, None)
        except InvalidTag:
            raise Unsealable("another key, or the text was changed") from None


class SmSeal(_Keyed):
    """SM4 in counter mode, then HMAC-SM3 over it (GB/T 32907, GB/T 32905): for sites under 密评."""

    name = "sm"

    def __init__(self, key: bytes) -> None:
        super().__init__(key, "sm3")
        self._tag_key = self._mac(key, b"tag")

    def _counter(self, nonce: bytes, raw: bytes) -> bytes:
        cipher = Cipher(SM4(self._cipher_key[:16]), modes.CTR(nonce + b"\0\0\0\0")).encryptor()
        return cipher.update(raw) + cipher.finalize()

    def _encrypt(self, nonce: bytes, raw: bytes) -> bytes:
        hidden = self._counter(nonce, raw)
        return hidden + self._mac(self._tag_key, nonce + hidden)[:TAG_BYTES]

    def _decrypt(self, nonce: bytes, sealed: bytes) -> bytes:
        hidden, tag = sealed[:-TAG_BYTES], sealed[-TAG_BYTES:]
        if not hmac.compare_digest(tag, self._mac(self._tag_key, nonce + hidden)[:TAG_BYTES]):
            raise Unsealable("another key, or the text was changed")
        return self._counter(nonce, hidden)


def read_seal(settings: Settings) -> Seal:
    """The seal the settings ask for. Raises SettingsError: a key that is too short, a library that is missing."""
    key = settings.field_key()
    if not key:
        return Clear()
    provider = settings.environment.get("CALLCTL_FIELD_CIPHER", "aes")
    if provider not in ("aes", "sm"):
        raise SettingsError(f"CALLCTL_FIELD_CIPHER is {provider!r}: write aes or sm")
    if not THERE:
        raise SettingsError("a field key is set, and the package cryptography is missing: install callctl[crypto]")
    if provider == "sm" and "sm3" not in hashlib.algorithms_available:
        raise SettingsError("this machine's OpenSSL has no SM3: use CALLCTL_FIELD_CIPHER=aes, or another OpenSSL")
    return (SmSeal if provider == "sm" else AesSeal)(key.encode())


def sealed(fact: RecordT, seal: Seal) -> RecordT:
    """The fact with citizens' numbers hidden; all other facts as they are."""
    if isinstance(fact, CallWaiting | SeenWaiting):
        return replace(fact, call=_hidden(fact.call, seal))
    if isinstance(fact, PbxObserved) and fact.waiting:
        return replace(fact, waiting=tuple(_hidden(call, seal) for call in fact.waiting))
    return fact


def _hidden(call: WaitingCall, seal: Seal) -> WaitingCall:
    return replace(call, number=seal.close(call.number, call.call))
