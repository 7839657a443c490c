"""Guessing at passwords and codes is counted wherever it is done; a race or a lost store leaves no old visit behind."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from callctl.people.accounts import Wanted
from callctl.people.codes import STEP_S, code_at
from callctl.people.guessing import TRIES_ACCOUNT, TRIES_ADDRESS, TRIES_PERSON
from callctl.rights import Role
from callctl.store.port import AuditEntry, StoreLost
from tests.store.servers import Valkey
from tests.web.house import PASSWORD, ROOT, Console, problem
from tests.web.test_desk_browser import find_sql, lose_sql

ZH = {"Accept-Language": "zh"}
STRONGER = "Another-Long-Word-9"
HERE = "10.1.2.3"  # Where the console's browsers come from.
WANG = {"name": "wang", "password": PASSWORD}


async def guessed(console: Console, tries: int, name: str = "someone{n}", address: str = "10.0.{n}.9") -> None:
    """So many wrong tries, without their passwords being weighed."""
    for n in range(tries):
        await console.house.people._guessing.begin(name.format(n=n), address.format(n=n))


@asynccontextmanager
async def scales_held(console: Console) -> AsyncIterator[None]:
    """While this lasts passwords wait for their turn on the scales: the accounts they belong to were read before."""
    turns = console.house.sign_in._scales._turns
    held = turns._value
    for _ in range(held):
        await turns.acquire()
    try:
        yield
    finally:
        for _ in range(held):
            turns.release()


async def on_the_scales(console: Console) -> None:
    while not console.house.sign_in._scales._waiting:  # noqa: ASYNC110 - Nobody tells that somebody waits.
        await asyncio.sleep(0)


async def with_codes(console: Console) -> str:
    """An account wang that asks for one-time codes; their key. The code of now is spent."""
    await console.account("wang", Role.SUPERVISOR, "yangzhou")
    browser = await console.signed_in("wang")
    key = str((await browser.post("/api/v1/me/codes/key")).json()["key"])
    own = {"key": key, "code": code_at(key, int(console.clock.at // STEP_S)), "password": PASSWORD}
    assert (await browser.put("/api/v1/me/codes", json=own)).status_code == 204
    return key


async def test_one_account_is_locked_to_many_addresses_together(console: Console) -> None:
    await console.account("wang", Role.SUPERVISOR, "yangzhou")
    await guessed(console, TRIES_ACCOUNT - 1, "wang")
    await console.signed_in("wang")
    await guessed(console, TRIES_ACCOUNT, "wang")
    assert (await console.browser().post("/api/v1/visit", json=WANG)).status_code == 429
    assert "sign in locked" in [entry.what for entry in await console.house.room.history.audited(20)]


async def test_one_address_is_locked_for_all_accounts_and_a_valid_one_does_not_lift_it(console: Console) -> None:
    await console.account("wang", Role.SUPERVISOR, "yangzhou")
    await guessed(console, TRIES_ADDRESS - 1, address=HERE)
    browser = await console.signed_in("wang")
    assert (await browser.get("/api/v1/me")).status_code == 200, "and a right password is no wrong try"
    guess = {"name": "li", "password": "guess"}
    assert [(await browser.post("/api/v1/visit", json=guess)).status_code for _ in range(2)] == [401, 429]
    assert (await browser.post("/api/v1/visit", json=WANG)).status_code == 429


async def test_a_hall_that_signs_in_rightly_locks_nobody(console: Console) -> None:
    key = await with_codes(console)
    await guessed(console, TRIES_ADDRESS - 2, address=HERE)
    browser = console.browser()
    for _ in range(TRIES_PERSON + 1):
        assert problem(await browser.post("/api/v1/visit", json=WANG))["code"] == "code_needed"
    console.clock.at += STEP_S
    code = code_at(key, int(console.clock.at // STEP_S))
    assert (await browser.post("/api/v1/visit", json={**WANG, "code": code})).status_code == 201


async def test_guessing_at_one_time_codes_is_locked(console: Console) -> None:
    key = await with_codes(console)
    console.clock.at += STEP_S
    right = code_at(key, int(console.clock.at // STEP_S))
    wrong = f"{(int(right) + 1) % 10**6:06}"
    browser = console.browser()
    tried = [(await browser.post("/api/v1/visit", json={**WANG, "code": wrong})).status_code for _ in range(TRIES_PERSON)]
    assert tried == [401] * TRIES_PERSON
    assert (await browser.post("/api/v1/visit", json={**WANG, "code": right})).status_code == 429


@pytest.mark.parametrize("place", ["/api/v1/me/password", "/password", "/api/v1/me/codes", "/account/codes"])
async def test_guessing_at_the_own_password_from_an_open_page_is_locked_too(console: Console, place: str) -> None:
    await console.account("wang", Role.SUPERVISOR, "yangzhou")
    browser = await console.signed_in("wang")
    key = (await browser.post("/api/v1/me/codes/key")).json()["key"]
    code = code_at(key, int(console.clock.at // STEP_S))
    field = "old" if "codes" not in place else "password"

    async def press(password: str) -> int:
        if "codes" in place:
            body = {"key": key, "code": code, "password": password}
        else:
            body = {"old": password, **({"new": STRONGER} if "api" in place else {"password": STRONGER, "again": STRONGER})}
        if "api" not in place:
            answer = await browser.post(place, data=body, headers=ZH)
            assert answer.status_code == 429 or f'id="w-{field}"' in answer.text
            return answer.status_code
        answer = await browser.request("PUT" if "codes" in place else "POST", place, json=body)
        assert answer.status_code == 429 or [error["field"] for error in problem(answer)["errors"]] == [field]
        return answer.status_code

    assert [await press(f"guess {n}") for n in range(TRIES_PERSON)] == [422] * TRIES_PERSON
    assert await press(PASSWORD) == 429
    assert (await console.browser().post("/api/v1/visit", json=WANG)).status_code == 429, "the same tries"
    assert not (await console.house.people.own("wang")).has_codes
    assert "password refused" in [entry.what for entry in await console.house.room.history.audited(20)]


async def test_a_page_found_open_does_not_get_another_telephone(console: Console) -> None:
    key = await with_codes(console)
    console.clock.at += STEP_S
    found = await console.signed_in("wang", code=code_at(key, int(console.clock.at // STEP_S)))
    other = (await found.post("/api/v1/me/codes/key")).json()["key"]
    theirs = {"key": other, "code": code_at(other, int(console.clock.at // STEP_S))}
    refused = problem(await found.put("/api/v1/me/codes", json={**theirs, "password": "guess"}))
    assert (refused["status"], [error["field"] for error in refused["errors"]]) == (422, ["password"])
    assert (await found.post("/account/codes", data=theirs)).status_code == 422
    console.clock.at += STEP_S
    await console.signed_in("wang", code=code_at(key, int(console.clock.at // STEP_S)))


async def test_an_invitation_weakens_nothing_until_it_is_taken_up_and_then_lifts_the_lock(console: Console) -> None:
    await with_codes(console)
    invitation = await console.house.people.invite(ROOT, "wang")
    browser = console.browser()
    assert problem(await browser.post("/api/v1/visit", json=WANG))["code"] == "code_needed", "the codes hold"
    await guessed(console, TRIES_PERSON, "wang", HERE)
    assert (await browser.post("/api/v1/visit", json=WANG)).status_code == 429
    taken = await browser.post("/api/v1/invitation", json={"invitation": invitation, "password": STRONGER})
    assert taken.status_code == 204
    assert (await browser.post("/api/v1/visit", json={"name": "wang", "password": STRONGER})).status_code == 201
    entry = next(one for one in await console.house.room.history.audited(20) if one.what == "password set")
    assert (entry.after, entry.reason) == ("codes off", "by invitation")


@pytest.mark.parametrize("change", ["closed", "moved"])
@pytest.mark.parametrize("way", ["signs in", "changes the password"])
async def test_who_is_closed_or_moved_while_the_password_is_weighed_gets_no_visit(
    console: Console, change: str, way: str
) -> None:
    await console.account("wang", Role.SUPERVISOR, "yangzhou")
    browser = await console.signed_in("wang") if way != "signs in" else console.browser()
    city = "suzhou" if change == "moved" else "yangzhou"
    wanted = Wanted("wang", frozenset({Role.SUPERVISOR}), frozenset({city}), closed=change == "closed")
    async with scales_held(console):
        body = {"old": PASSWORD, "new": STRONGER}
        answered = browser.post("/api/v1/visit", json=WANG)
        if way != "signs in":
            answered.close()
            answered = browser.post("/api/v1/me/password", json=body)
        press = asyncio.create_task(answered)
        await on_the_scales(console)
        await console.house.people.change(ROOT, "wang", 1, wanted)
    answer = await press
    visits = await console.house.visits.of("wang")
    if (way, change) == ("changes the password", "moved"):
        assert [visit.cities for visit in visits] == [("suzhou",)], "with the rights of now"
    else:
        assert (answer.status_code, list(visits)) == (401, [])


async def test_a_password_that_was_changed_meanwhile_is_not_put_back(console: Console) -> None:
    await console.account("wang", Role.SUPERVISOR, "yangzhou")
    book, entry = console.house.people._book, AuditEntry(console.clock(), "wang", HERE, "password set", "", "", "")
    before = await book.find("wang")
    await book.rehash("wang", "as it was kept once", "the same kept better")
    assert not await book.change_password(entry, "wang", "as it was kept once", "another")
    assert not await book.set_codes(entry, "wang", "as it was kept once", "K" * 16, 1)
    assert await book.find("wang") == before


@pytest.mark.parametrize("way", ["changed", "by invitation"])
async def test_visits_end_before_the_password_is_written_lest_redis_goes_in_between(
    console: Console, valkey: Valkey, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    await console.account("wang", Role.SUPERVISOR, "yangzhou")
    invitation = await console.house.people.invite(ROOT, "wang")
    browser, other = await console.signed_in("wang"), await console.signed_in("wang")
    console.clock.at += 1.0
    twice = {"password": STRONGER, "again": STRONGER}
    async with console.house.demands.cabinet.writing(None):  # Whoever writes now waits.
        if way == "changed":
            answered = browser.post("/password", data={"old": PASSWORD, **twice}, headers=ZH)
        else:
            answered = console.browser().post("/welcome", data={"invitation": invitation, **twice}, headers=ZH)
        press = asyncio.create_task(answered)
        while len(await console.house.visits.of("wang")) > (way == "changed"):  # noqa: ASYNC110 - Nobody tells.
            await asyncio.sleep(0)
        assert (await other.get("/api/v1/me")).status_code == 401
        monkeypatch.setattr("callctl.store.registry.DEADLINE_S", 0.5)
        await asyncio.to_thread(valkey.kill)
    answer = await press
    assert (answer.status_code, "新密码可能已经生效" in answer.text) == (503, True)
    assert (await console.house.people.own("wang")).password_at == console.clock(), "it does hold"


async def test_who_tries_on_while_the_database_is_away_is_not_locked_when_it_is_back(console: Console) -> None:
    await console.account("wang", Role.SUPERVISOR, "yangzhou")
    browser = await console.signed_in("wang")
    await lose_sql(console)
    for _ in range(TRIES_PERSON + 2):
        assert (await console.browser().post("/api/v1/visit", json=WANG)).status_code == 503
        asked = {"old": PASSWORD, "new": STRONGER}
        said = problem(await browser.post("/api/v1/me/password", json=asked))
        assert (said["status"], said["code"]) == (503, "not_done"), "surely not changed"
    await find_sql(console)
    assert (await console.browser().post("/api/v1/visit", json=WANG)).status_code == 201


async def test_a_visit_whose_line_of_the_audit_could_not_be_written_is_not_left_open(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    await console.account("wang", Role.SUPERVISOR, "yangzhou")
    book = console.house.sign_in._book

    async def lost(entry: AuditEntry) -> None:
        raise StoreLost("gone")

    monkeypatch.setattr(book, "note", lost)
    assert (await console.browser().post("/api/v1/visit", json=WANG)).status_code == 503
    assert list(await console.house.visits.of("wang")) == []
