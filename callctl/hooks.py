"""Webhooks: other systems are told what happened, signed, again and again until they have taken it, or a person must look.

What happened is read from the audit and the journal, behind a bookmark: an act at the command line is told like one at a
page, and a console that was away tells it when it is back.
"""

import asyncio
import contextlib
import hashlib
import hmac
import http.client
import json
import re
import secrets
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

import structlog

from callctl.core.acts import ActRefused, Sentence
from callctl.core.events import CallAnswered
from callctl.core.model import SlotRef
from callctl.rights import Actor
from callctl.store.hooks import HOW_MANY, Delivery, Happened, HookBook, Webhook
from callctl.store.port import AuditEntry, StoreLost
from callctl.store.visits import new_secret

# Audit word: kind. The journal adds call.answered_remotely.
KINDS = {
    "event start": "event.started",
    "event end": "event.ended",
    "switch on": "switch.on",
    "switch off": "switch.off",
    "stop all": "stop.all",
    "resume": "resume",
    "script publish": "script.published",
    "script expire": "script.withdrawn",
}
REMOTE = "call.answered_remotely"
ALL_KINDS = (*KINDS.values(), REMOTE)
LOOK_S = 2.0
DEADLINE_S = 5.0  # For one delivery, however slowly the other side answers; so long it can delay the others.
NAMED_S = 1.0  # More, for the look-up of a name, which nobody can break off: the thread is left to it.
AT_A_TIME = 8  # Deliveries on their way at once. The webhooks take turns: one with many does not stand before the others.
PAUSES_S = (10.0, 60.0, 300.0, 1800.0, 7200.0, 21_600.0, 43_200.0)  # Then it is dead: a day has passed.
CLAIMED_S = 60.0
TOLD_KEPT_S = 30 * 86_400.0  # From when it was told; what nobody took stays until somebody looks.
TIDY_EVERY_S = 3600.0
FORGOTTEN_AT_ONCE = 500  # A transaction that others must wait for stays short.
AGAIN_AT_ONCE = 500  # Deliveries a press, for the same reason.
NAME = re.compile(r"[a-z][a-z0-9._-]{1,31}")
TAKEN = ("new", "kinds")  # Addresses of the console that are no webhook's page.

log = structlog.get_logger()


class NoSuchWebhook(ActRefused):
    """No webhook of this name is being told anything."""


class Webhooks:
    """Makes them, ends them, and tells them. Calls may raise ActRefused, HookTaken, StoreLost."""

    def __init__(self, book: HookBook, now: Callable[[], float]) -> None:
        self._book = book
        self._now = now
        self._lost = False
        self._tidied_at = 0.0
        self._looks = 0
        self._last_turn: dict[str, int] = {}  # In which look the webhook was told something.

    async def create(
        self, actor: Actor, name: str, address: str, kinds: Sequence[str], reason: str = "", request: str = ""
    ) -> str:
        """A new webhook; its signing secret, shown this once."""
        actor.must("webhooks", "")
        wrong: dict[str, Sentence] = {}
        if not NAME.fullmatch(name) or name in TAKEN:
            wrong["name"] = Sentence("小写字母开头，2 到 32 个字符", "2 to 32 small letters, digits or . _ -")
        if not _is_address(address):
            wrong["address"] = Sentence(
                "须是 https:// 或 http:// 地址，不含账号", "an https:// or http:// address without a user"
            )
        if not kinds or set(kinds) - set(ALL_KINDS):
            wrong["kinds"] = Sentence(f"只能是：{'、'.join(ALL_KINDS)}", f"some of: {', '.join(ALL_KINDS)}")
        if wrong:
            raise ActRefused("推送设置有填错的地方", "the webhook has wrong fields", wrong)
        secret, now = new_secret(), self._now()
        hook = Webhook(name, address, secret, tuple(sorted(set(kinds))), now, (actor.account or actor.name)[:64])
        shown = json.dumps({"name": name, "address": address, "kinds": hook.kinds}, ensure_ascii=False)
        await self._book.add(self._entry(actor, "webhook create", "", shown, reason, request), hook)
        return secret

    async def end(self, actor: Actor, name: str, reason: str = "", request: str = "") -> None:
        """Tell it nothing more."""
        actor.must("webhooks", "")
        await self._must_be(name)
        await self._book.end(self._entry(actor, "webhook end", name, "", reason, request), name)

    async def again(self, actor: Actor, name: str, delivery: int, request: str = "") -> bool:
        """Try a dead delivery once more; False where there is none."""
        actor.must("webhooks", "")
        entry = self._entry(actor, "webhook again", name, str(delivery), "", request)
        return await self._book.again(entry, name, delivery)

    async def all_again(self, actor: Actor, name: str, request: str = "") -> int:
        """Try the oldest dead deliveries of the webhook once more, AGAIN_AT_ONCE at most; how many."""
        actor.must("webhooks", "")
        await self._must_be(name)
        entry = self._entry(actor, "webhook again", name, f"all {HOW_MANY}", "", request)
        return await self._book.all_again(entry, name, AGAIN_AT_ONCE)

    async def _must_be(self, name: str) -> None:
        if not any(hook.name == name for hook in await self._book.all()):
            raise NoSuchWebhook("没有这个推送，或它已停用", "there is no such webhook, or it has ended")

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.look()
                self._lost = False
            except StoreLost as lost:
                if not self._lost:
                    log.warning("webhooks wait for the database", why=str(lost))
                self._lost = True
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Find what happened, tell what is due, forget what was told long ago. Raises StoreLost."""
        await self._tell_news()
        await self._tidy()

    async def _tell_news(self) -> None:
        hooks = await self._book.all()
        if not hooks:
            return
        remote = any(REMOTE in hook.kinds for hook in hooks)
        await self._book.note_news(hooks, KINDS, _of_audit, _of_answer if remote else None)
        by_name = {hook.name: hook for hook in hooks}
        self._looks += 1
        names = sorted(by_name, key=lambda name: self._last_turn.get(name, 0))  # Who waited longest comes first.
        due = await self._book.claim(names, self._now(), self._now() + CLAIMED_S, AT_A_TIME)
        self._last_turn |= {one.webhook: self._looks for one in due}
        await asyncio.gather(*(self._tell(by_name[one.webhook], one) for one in due))

    async def _tidy(self) -> None:
        now = self._now()
        if now - self._tidied_at < TIDY_EVERY_S:
            return
        if await self._book.forget(now - TOLD_KEPT_S, FORGOTTEN_AT_ONCE) == 0:
            self._tidied_at = now  # Else the next look goes on with it.

    async def _tell(self, hook: Webhook, delivery: Delivery) -> None:
        try:
            async with asyncio.timeout(DEADLINE_S + NAMED_S):
                status = await asyncio.to_thread(post, hook, delivery, self._now())
            why = "" if 200 <= status < 300 else f"answered {status}"
        except (OSError, http.client.HTTPException, ValueError) as error:
            why = f"{type(error).__name__}: {error}"
        if not why:
            await self._book.told(delivery, self._now())
            return
        later = PAUSES_S[delivery.tries] if delivery.tries < len(PAUSES_S) else None
        if later is None:
            log.error("webhook delivery given up", webhook=hook.name, delivery=delivery.id, kind=delivery.kind, why=why)
        await self._book.failed(delivery, why, None if later is None else self._now() + later)

    def _entry(self, actor: Actor, what: str, before: str, after: str, reason: str, request: str) -> AuditEntry:
        once = request or secrets.token_hex(8)
        return AuditEntry(self._now(), actor.name, actor.where, what, "", before, after, reason, once)


def signature(secret: str, at: str, body: bytes) -> str:
    """HMAC-SHA256 over "<timestamp>.<body>", which the receiver computes as well: an old message cannot be replayed."""
    return "v1=" + hmac.digest(secret.encode(), at.encode() + b"." + body, hashlib.sha256).hex()


def post(hook: Webhook, delivery: Delivery, now: float) -> int:
    """Send it once, in a thread; the status. No redirect is followed. Raises OSError, HTTPException.

    `timeout` is for each step on the line: without the timer, who answers a byte now and then would hold us for ever.
    """
    place = urlsplit(hook.address)
    assert place.hostname is not None
    body = _dump({"id": delivery.id, "kind": delivery.kind, "at": delivery.at, "what": json.loads(delivery.body)}).encode()
    at = str(int(now))
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": "callctl",
        "X-Callctl-Delivery": str(delivery.id),
        "X-Callctl-Timestamp": at,
        "X-Callctl-Signature": signature(hook.secret, at, body),
    }
    link: http.client.HTTPConnection
    if place.scheme == "https":
        context = ssl.create_default_context()
        link = http.client.HTTPSConnection(place.hostname, place.port, timeout=DEADLINE_S, context=context)
    else:
        link = http.client.HTTPConnection(place.hostname, place.port, timeout=DEADLINE_S)
    over = threading.Timer(DEADLINE_S, _hang_up, [link])
    over.start()
    try:
        link.request("POST", (place.path or "/") + (f"?{place.query}" if place.query else ""), body, headers)
        return link.getresponse().status
    finally:
        over.cancel()
        link.close()


def _hang_up(link: http.client.HTTPConnection) -> None:
    """End what is read or written on this line by another thread."""
    line = link.sock
    if line is not None:
        with contextlib.suppress(OSError):
            # Of the plain socket: TLS would take itself down, too, under the other thread's feet.
            socket.socket.shutdown(line, socket.SHUT_RDWR)


def _is_address(text: str) -> bool:
    try:
        place = urlsplit(text)
        port_fits = place.port is None or place.port > 0
    except ValueError:
        return False
    plain = len(text) <= 500 and text.isascii() and text.isprintable() and " " not in text
    return plain and port_fits and place.scheme in ("http", "https") and bool(place.hostname) and "@" not in place.netloc


def _of_audit(number: int, entry: AuditEntry) -> Happened:
    body = {"city": entry.city, "who": entry.who, "before": entry.before, "after": entry.after}
    return Happened(f"audit:{number}", KINDS[entry.what], entry.at, _dump(body))


def _of_answer(number: int, fact: CallAnswered) -> Happened:
    assert isinstance(fact.by, SlotRef)
    body = {"call": fact.call, "city": fact.city, "by_city": fact.by.supporting, "waited_s": fact.waited_s}
    return Happened(f"journal:{number}", REMOTE, fact.at, _dump(body))


def _dump(body: dict[str, Any]) -> str:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))
