"""What differs from machine to machine: folders, addresses of the stores, secrets. Read from the environment only.

| variable | meaning | default |
|---|---|---|
| CALLCTL_PROVINCE | folder that holds agents/ and queues/ | here, else /etc/callctl, else the packaged Jiangsu |
| CALLCTL_STATE | folder for the embedded stores, the spool and locks | ~/.local/state/callctl, as root /var/lib/callctl |
| CALLCTL_REDIS_URL | registry, e.g. redis://10.0.0.5/0 | the embedded Valkey, in the state folder |
| CALLCTL_SQL_URL | history, e.g. postgresql+asyncpg://callctl@/callctl | SQLite in the state folder |
| CALLCTL_SECRETS | folder with one file a secret | secrets/ in the state folder |
| CALLCTL_AMI_SECRET_<CITY> | a city's manager password, instead of the file ami-<city> | |
| CALLCTL_CONTROLLERS | addresses or networks callctl runs on, with commas; only they may log in to the PBXs | 127.0.0.0/8 |
| CALLCTL_WEB_HOST, CALLCTL_WEB_PORT | where the console listens | 127.0.0.1, 8012 |
| CALLCTL_WEB_PROXIES | addresses of the TLS proxies in front of it, whose X-Forwarded-For is believed | none |
| CALLCTL_WEB_CONNECT | further addresses its pages may speak to, e.g. wss://pbx.example:8089 for browser phones | none |
| CALLCTL_API, CALLCTL_API_TOKEN | a console the commands work through; the token may lie in the file api-token | none |
| CALLCTL_SIP_SECRET | key from which the phones' passwords are derived, instead of the file sip | |
"""

import base64
import hashlib
import hmac
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


class SettingsError(Exception):
    """Something in the environment is missing or wrong; str() says what and how to mend it."""


@dataclass(frozen=True, slots=True)
class Settings:
    """This machine's settings; made once, at the edge."""

    province_dir: Path
    state_dir: Path
    secrets_dir: Path
    redis_url: str  # "" means embedded.
    sql_url: str
    environment: Mapping[str, str]

    @property
    def controllers(self) -> tuple[str, ...]:
        """Addresses or networks (IPv4) from which callctl logs in to the cities' PBXs."""
        return _listed(self.environment.get("CALLCTL_CONTROLLERS", "")) or ("127.0.0.0/8",)

    @property
    def web_place(self) -> tuple[str, int]:
        """Address and port of the console. Raises SettingsError."""
        port = self.environment.get("CALLCTL_WEB_PORT") or "8012"
        if not (port.isascii() and port.isdigit() and 0 <= int(port[:6]) < 65_536):
            raise SettingsError(f"CALLCTL_WEB_PORT must be a port, 1 to 65535, not {port[:20]!r}")
        return self.environment.get("CALLCTL_WEB_HOST") or "127.0.0.1", int(port)

    @property
    def web_proxies(self) -> tuple[str, ...]:
        """Proxies that tell the truth about where a request comes from."""
        return _listed(self.environment.get("CALLCTL_WEB_PROXIES", ""))

    @property
    def web_connects(self) -> tuple[str, ...]:
        """Addresses the console's pages may speak to. Raises SettingsError."""
        listed = _listed(self.environment.get("CALLCTL_WEB_CONNECT", ""))
        for one in listed:
            if not re.fullmatch(r"(wss?|https?)://[A-Za-z0-9.\-\[\]:]+", one):
                raise SettingsError(f"CALLCTL_WEB_CONNECT: {one!r} is not an address like wss://pbx.example:8089")
        return listed

    @property
    def api_address(self) -> str:
        """The console through which commands work; "" for the stores of this machine. Raises SettingsError."""
        address = self.environment.get("CALLCTL_API", "")
        if address and not re.fullmatch(r"https?://[A-Za-z0-9.\-\[\]:]+/?", address):
            raise SettingsError(f"CALLCTL_API must be an address like https://console.example, not {address[:80]!r}")
        return address

    def api_token(self) -> str:
        """The machine token for it. Raises SettingsError."""
        return self._secret("CALLCTL_API_TOKEN", "api-token", "the token for CALLCTL_API")

    def ami_secret(self, city: str) -> str:
        """The manager password of a city's PBX. Raises SettingsError."""
        return self._secret(f"CALLCTL_AMI_SECRET_{city.upper()}", f"ami-{city}", f"the manager password of {city}'s PBX")

    def phone_secret(self, city: str, seat: str) -> str:
        """The SIP password of a phone: derived, so that no list of passwords has to be kept. Raises SettingsError."""
        key = self._secret("CALLCTL_SIP_SECRET", "sip", "the key of the phones' passwords")
        digest = hmac.new(key.encode(), f"phone:{city}:{seat}".encode(), hashlib.sha256).digest()
        return base64.b32encode(digest).decode()[:24].lower()

    def _secret(self, variable: str, file: str, what: str) -> str:
        value = self.environment.get(variable, "").strip()
        path = self.secrets_dir / file
        try:
            if not value and path.is_file():
                value = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not text"
            raise SettingsError(f"{what} cannot be read: {path}: {why}; mend its rights, or set {variable}") from None
        if not value:
            raise SettingsError(f"{what} is not set: put it into {path} or into {variable}")
        if not value.isprintable() or len(value) < 8:
            raise SettingsError(f"{what} must be at least 8 printable characters ({variable} or {path})")
        return value


def read_settings(environment: Mapping[str, str] | None = None, province: Path | None = None) -> Settings:
    """The settings of this process. `province` (a command-line option) wins over the environment."""
    env = dict(os.environ if environment is None else environment)
    state_default = "/var/lib/callctl" if os.geteuid() == 0 else str(Path.home() / ".local/state/callctl")
    state = Path(env.get("CALLCTL_STATE") or state_default)
    chosen = province or (Path(env["CALLCTL_PROVINCE"]) if env.get("CALLCTL_PROVINCE") else _find_province())
    return Settings(
        province_dir=chosen,
        state_dir=state,
        secrets_dir=Path(env.get("CALLCTL_SECRETS") or state / "secrets"),
        redis_url=env.get("CALLCTL_REDIS_URL", ""),
        sql_url=env.get("CALLCTL_SQL_URL") or f"sqlite+aiosqlite:///{state / 'history.db'}",
        environment=env,
    )


def _listed(text: str) -> tuple[str, ...]:
    return tuple(one.strip() for one in text.split(",") if one.strip())


def shipped(folder: str) -> Path:
    """A folder that comes with callctl: beside the package in a clone, under share/callctl when installed."""
    root = Path(__file__).resolve().parent.parent
    # Not "the folder is there": beside an installed package that may be somebody else's `agents` (PyPI has one).
    clone = (root / "setup.cfg").is_file()
    return root / folder if clone else Path(sys.prefix) / "share" / "callctl" / folder


def _find_province() -> Path:
    for candidate in (Path.cwd(), Path("/etc/callctl")):
        if (candidate / "queues").is_dir() and (candidate / "agents").is_dir():
            return candidate
    return shipped("queues").parent
