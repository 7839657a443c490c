"""Hands order stubs to the assisted cities: by signed webhook or into a drop folder, again and again until it is taken.

A stub keeps its name whatever happens, so one that is sent twice (we died between sending and writing it down) is one
order. A call never waits for an order system: this runs beside everything else.
"""

import asyncio
import hashlib
import hmac
import json
import os
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

import structlog
from sqlalchemy import LABEL_STYLE_TABLENAME_PLUS_COL as LABELLED
from sqlalchemy import and_, select, update

from callctl.core.days import BEIJING
from callctl.core.satisfaction import SCALES, score_of
from callctl.rules import DeliveryRule, Rules
from callctl.settings import SettingsError
from callctl.store.connect import Books
from callctl.store.export import ENDINGS, Form, each, write_file
from callctl.store.history import LOST, first_line
from callctl.store.ledger import is_about_the_row
from callctl.store.notes import CityStatus, StatusRefused, stub_body, take_all, take_status
from callctl.store.record_tables import deliveries, stubs, wrapups
from callctl.store.seal import Unsealable
from callctl.store.sheet import decoded, read_sheet
from callctl.store.stubs import mark_tried

TRY_AGAIN_S = 5.0  # After the first failure; doubles …
TRY_MOST_S = 3600.0  # … up to an hour, for ever: an order system may be away for a weekend.
WEBHOOK_S = 10.0
AT_ONCE = 200  # Stubs a round.
ANSWER_MOST = 64 * 1024  # Bytes of a city's answer that are read.
ACKS, TAKEN, REFUSED = "acks", "taken", "refused"  # Folders below a city's drop folder.
_YEARS = (2000, 2099)  # A moment outside them is a mistake, and no database takes the furthest.
_ACK_NEEDED, _ACK_MORE = ("stub", "what", "at"), ("who", "note", "order_no", "score", "satisfaction")

log = structlog.get_logger()


class NotTaken(Exception):
    """The city did not take the stub now; str() says why."""


@dataclass(frozen=True, slots=True)
class Round:
    """What one round did."""

    sent: int
    failed: int
    acknowledged: int
    refused: tuple[str, ...]  # Messages of cities that could not be understood, one line each.


async def one_round(books: Books, rules: Rules, now: float) -> Round:
    """Send what is due, read what cities left in their drop folders. Raises one of history.LOST."""
    sent = failed = 0
    for row in await _due(books, now):
        rule = rules.delivery.get(row["deliveries_city"], DeliveryRule())
        if not await mark_tried(books.engine, row["deliveries_stub"], row["wrapups_revision"]):
            continue  # Corrected or withdrawn since this round began: the next one has it as it is.
        try:
            await _send(books, rule, row, now)
        except NotTaken as error:
            failed += 1
            await _put_off(books, row, str(error), now)
            continue
        sent += 1
        await _mark_sent(books, row, now)
    acknowledged, refused = await _read_acks(books, rules)
    return Round(sent, failed, acknowledged, tuple(refused))


async def _due(books: Books, now: float) -> Sequence[Any]:
    asked = (
        select(deliveries, stubs, wrapups)
        .join(stubs, stubs.c.stub == deliveries.c.stub)
        .join(wrapups, wrapups.c.call == stubs.c.call)
        .where(deliveries.c.state == "due", deliveries.c.next_at <= now)
        .order_by(stubs.c.seq)
        .limit(AT_ONCE)
        .set_label_style(LABELLED)
    )
    async with books.engine.connect() as connection:
        return (await connection.execute(asked)).mappings().all()


async def _send(books: Books, rule: DeliveryRule, row: Any, now: float) -> None:
    try:
        body = stub_body(row, books.seal)
    except Unsealable as error:
        raise NotTaken(str(error)) from None
    if row["deliveries_way"] == "drop":
        if not rule.drop:
            raise NotTaken("records.toml names no drop folder for this city any more")
        await _drop(Path(rule.drop), rule, body)
        return
    if not rule.webhook:
        raise NotTaken("records.toml names no webhook for this city any more")
    try:
        secret = books.settings.webhook_secret(body["city"])
    except SettingsError as error:
        raise NotTaken(str(error)) from None
    answer = await asyncio.to_thread(_post, rule.webhook, secret, body, now)
    order_no = answer.get("order_no")
    if isinstance(order_no, str) and order_no:
        try:
            await take_status(
                books.engine, CityStatus(body["stub"], "accepted", now, "webhook", "", order_no), body["city"]
            )
        except StatusRefused as error:
            log.warning("a city's answer cannot be kept", city=body["city"], why=str(error))


async def _drop(folder: Path, rule: DeliveryRule, body: Mapping[str, Any]) -> None:
    form = Form(rule.form)
    path = folder / f"{body['stub']}-r{body['revision']}{ENDINGS[form]}"
    try:
        await write_file(path, form, list(body), each([dict(body)]))
    except OSError as error:
        raise NotTaken(f"{folder}: {error.strerror}") from None


def signature(secret: str, at: int, body: bytes) -> str:
    """What a city computes to know that a stub comes from us: over the time, too, so that an old one cannot be replayed."""
    return "sha256=" + hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A stub goes where the settings say, and nowhere else."""

    def redirect_request(self, *_: Any) -> NoReturn:
        raise NotTaken("the webhook answered with a redirection; name the right address in records.toml")


def _post(url: str, secret: str, body: Mapping[str, Any], now: float) -> Mapping[str, Any]:
    raw = json.dumps(body, ensure_ascii=False).encode()
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "Idempotency-Key": f"{body['stub']}/{body['revision']}",
        "X-Callctl-Time": str(int(now)),
        "X-Callctl-Signature": signature(secret, int(now), raw),
    }
    request = urllib.request.Request(url, raw, headers, method="POST")
    opener = urllib.request.build_opener(_NoRedirect, urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=WEBHOOK_S) as answer:
            text = answer.read(ANSWER_MOST)
    except urllib.error.HTTPError as error:
        error.close()
        raise NotTaken(f"the webhook answered {error.code} {error.reason}") from None
    except (OSError, ValueError) as error:
        raise NotTaken(f"the webhook cannot be reached: {getattr(error, 'reason', error)}") from None
    try:
        found = json.loads(text) if text.strip() else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


async def _mark_sent(books: Books, row: Any, now: float) -> None:
    done = {"state": "sent", "sent_at": now, "tries": row["deliveries_tries"] + 1, "why": ""}
    # A note corrected while its stub was under way is due again: only the revision that was sent is marked.
    current = select(wrapups.c.revision).where(wrapups.c.call == row["deliveries_stub"]).scalar_subquery()
    async with books.engine.begin() as connection:
        sent = update(deliveries).where(_same_delivery(row), current == row["wrapups_revision"])
        await connection.execute(sent.values(done))


async def _put_off(books: Books, row: Any, why: str, now: float) -> None:
    tries = row["deliveries_tries"] + 1
    wait_s = min(TRY_AGAIN_S * 2 ** min(tries - 1, 20), TRY_MOST_S)
    log.warning("an order stub was not taken", city=row["deliveries_city"], tries=tries, why=why)
    async with books.engine.begin() as connection:
        later = {"tries": tries, "next_at": now + wait_s, "why": why[:500]}
        await connection.execute(update(deliveries).where(_same_delivery(row)).values(later))


def _same_delivery(row: Any) -> Any:
    return and_(deliveries.c.stub == row["deliveries_stub"], deliveries.c.way == row["deliveries_way"])


async def _read_acks(books: Books, rules: Rules) -> tuple[int, list[str]]:
    """Take the cities' files about their orders; a file is taken whole, or put aside whole with what is wrong."""
    count = 0
    wrong: list[str] = []
    for city, rule in rules.delivery.items():
        if not rule.drop:
            continue
        for path in sorted((Path(rule.drop) / ACKS).glob("*")):
            if not path.is_file() or path.suffix not in (".csv", ".jsonl"):
                continue  # A name that ends otherwise is still being written.
            taken, mistakes = await _read_ack(books, city, path, rules.scale(city))
            count += taken
            wrong += [f"{path}: {line}" for line in mistakes]
    return count, wrong


async def _read_ack(books: Books, city: str, path: Path, scale: str) -> tuple[int, list[str]]:
    """How many of the file's messages were news, or what is wrong with it. Raises one of history.LOST: try again later."""
    try:
        messages = _messages(path, scale)
    except OSError as error:
        return 0, [f"the file cannot be read: {error.strerror}"]
    except Exception as error:  # Whatever a city's program writes: its file is put aside, and the books go on.
        return 0, [*(str(error) or repr(error)).splitlines(), *_move(path, REFUSED)]
    try:
        count = await take_all(books.engine, messages, city)
    except StatusRefused as error:
        return 0, [*str(error).splitlines(), *_move(path, REFUSED)]
    except LOST as error:
        if not is_about_the_row(error):
            raise
        return 0, [first_line(error), *_move(path, REFUSED)]
    return count, _move(path, TAKEN)


def _messages(path: Path, scale: str) -> list[CityStatus]:
    raw = path.read_bytes()
    if path.suffix == ".csv":
        return [_message(line.cells, f"line {line.number}", scale) for line in read_sheet(raw, _ACK_NEEDED, _ACK_MORE)]
    lines = [text for text in decoded(raw).splitlines() if text.strip()]
    return [_message(_object(text, f"line {number}"), f"line {number}", scale) for number, text in enumerate(lines, 1)]


def _object(text: str, place: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except RecursionError:
        raise ValueError(f"{place}: brackets within brackets, too deep") from None
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from None
    if not isinstance(found, dict):
        raise ValueError(f'{place}: write an object: {{"stub": …, "what": …, "at": …}}')
    for key, value in found.items():
        # A yes or no is no number to a city, though Python takes it for one.
        if value is not None and (isinstance(value, bool) or not isinstance(value, str | int)):
            raise ValueError(f"{place}: {key} {value!r}: write a text or a whole number")
    return found


def _score(cells: Mapping[str, Any], place: str, scale: str) -> int | None:
    """`score` is 1 to 5 whatever the city; `satisfaction` is in the city's own scale."""
    told, score = str(cells.get("satisfaction") or ""), cells.get("score") or None
    if told:
        found = score_of(told, scale)
        if found is None:
            raise ValueError(f"{place}: satisfaction {told!r}: one of {'、'.join(SCALES[scale])}")
        return found
    try:
        return int(score) if score is not None else None
    except (TypeError, ValueError):
        raise ValueError(
            f"{place}: score {score!r}: 1 to 5; the city's own words go into the column satisfaction"
        ) from None


def _message(cells: Mapping[str, Any], place: str, scale: str) -> CityStatus:
    missing = [key for key in _ACK_NEEDED if not cells.get(key)]
    if missing:
        raise ValueError(f"{place}: no {', '.join(missing)}")
    try:
        at = datetime.fromisoformat(str(cells["at"]))
    except ValueError:
        raise ValueError(f"{place}: at {cells['at']!r}: write 2021-08-07 09:00:00, Beijing time") from None
    if not _YEARS[0] <= at.year <= _YEARS[1]:
        raise ValueError(f"{place}: at {cells['at']!r}: no year of this century")
    return CityStatus(
        str(cells["stub"]),
        str(cells["what"]),
        (at if at.tzinfo else at.replace(tzinfo=BEIJING)).timestamp(),
        str(cells.get("who") or ""),
        str(cells.get("note") or ""),
        str(cells.get("order_no") or ""),
        _score(cells, place, scale),
    )


def _move(path: Path, where: str) -> list[str]:
    """Out of the way; what is wrong where that is not possible: it is read again, and nothing is counted twice."""
    target = path.parent / where
    try:
        target.mkdir(exist_ok=True)
        os.replace(path, target / path.name)
    except OSError as error:
        return [f"the file cannot be moved to {where}/: {error.strerror}"]
    return []
