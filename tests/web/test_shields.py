"""What an attacker tries: other sites' forms, huge and broken bodies, odd paths, slipped-in lines; and answers' headers."""

import json
import re
from urllib.parse import quote

import pytest
from structlog.testing import capture_logs

from callctl.rights import Role
from callctl.web.site import make_site
from callctl.web.words import Words, chosen_language
from tests.web.house import PASSWORD, Console, problem

Y = "/api/v1/cities/yangzhou"


@pytest.mark.parametrize(
    ("headers", "passes"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({"Sec-Fetch-Site": "none"}, True),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "https://console.test"}, False),
        ({"Origin": "https://console.test"}, True),
        ({"Origin": "https://console.test.evil.example"}, False),
        ({"Origin": "null"}, False),
        ({}, False),
    ],
)
async def test_another_sites_page_cannot_press_our_buttons(console: Console, headers: dict, passes: bool) -> None:
    supervisor = await console.as_role(Role.SUPERVISOR, "yangzhou")
    del supervisor.headers["Sec-Fetch-Site"]
    answer = await supervisor.post("/api/v1/stop", json={}, headers=headers)
    assert (answer.status_code == 200) is passes, answer.text
    assert (await console.house.desk.wishes()).stopped is passes


async def test_a_form_of_another_site_cannot_sign_somebody_in_either(console: Console) -> None:
    browser = console.browser()
    answer = await browser.post("/api/v1/visit", data={"name": "x"}, headers={"Sec-Fetch-Site": "cross-site"})
    assert problem(answer)["code"] == "foreign_site"


async def test_json_sent_as_a_plain_form_is_not_taken(console: Console) -> None:
    supervisor = await console.as_role(Role.SUPERVISOR, "yangzhou")
    body = json.dumps({"reason": "x"})
    answer = await supervisor.post("/api/v1/stop", content=body, headers={"Content-Type": "text/plain"})
    assert answer.status_code == 422
    assert not (await console.house.desk.wishes()).stopped


async def test_a_token_does_what_its_rights_say_and_nothing_after_its_end(console: Console) -> None:
    security = await console.as_role(Role.SECURITY_ADMIN)
    wanted = {"name": "orders", "roles": ["supervisor"], "cities": ["yangzhou"], "rights": ["see", "stop all"]}
    secret = (await security.post("/api/v1/tokens", json=wanted)).json()["secret"]
    machine = console.browser()
    machine.headers.update({"Authorization": f"Bearer {secret}"})
    del machine.headers["Sec-Fetch-Site"]
    assert (await machine.get("/api/v1/status")).status_code == 200
    assert (await machine.post("/api/v1/stop", json={})).status_code == 200
    assert (await machine.put(f"{Y}/reserve", json={"seats": 2})).status_code == 403, "not among its rights"
    assert (await machine.get("/api/v1/cities/suzhou/timeline")).status_code == 403
    assert secret not in (await security.get("/api/v1/tokens")).text
    await security.delete("/api/v1/tokens/orders")
    console.clock.at += 6.0
    assert (await machine.get("/api/v1/status")).status_code == 401
    assert [entry.what for entry in await console.house.room.history.audited(3)] == [
        "token end",
        "stop all",
        "token create",
    ]


async def test_a_wrong_token_is_not_saved_by_a_cookie_beside_it(console: Console) -> None:
    supervisor = await console.as_role(Role.SUPERVISOR, "yangzhou")
    assert (await supervisor.get("/api/v1/me", headers={"Authorization": "Bearer wrong"})).status_code == 401


async def test_every_answer_is_shielded_also_errors_and_bugs(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    supervisor = await console.as_role(Role.SUPERVISOR, "yangzhou")

    async def broken(*_: object) -> None:
        raise RuntimeError("number 13812345678 in a bug")

    monkeypatch.setattr(type(console.house.desk), "wishes", broken)
    with capture_logs() as logs:
        answers = [
            await supervisor.get("/api/v1/me"),
            await console.browser().get("/api/v1/me"),
            await console.browser().get("/nowhere"),
            await supervisor.get("/api/v1/wishes"),
        ]
    assert [answer.status_code for answer in answers] == [200, 401, 404, 500]
    for answer in answers:
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert re.fullmatch(r"[0-9a-f]{16}", answer.headers["x-request-id"])
    bug = problem(answers[-1])
    assert "RuntimeError" not in answers[-1].text
    assert bug["request"] == answers[-1].headers["x-request-id"]
    (line,) = [line for line in logs if line["event"] == "a request met a bug"]
    assert "13812345678" not in str(line)
    assert line["request"] == bug["request"]


@pytest.mark.parametrize("size", [300_000, 3_000_000])
async def test_a_huge_body_is_refused_whether_it_names_its_size_or_not(console: Console, size: int) -> None:
    supervisor = await console.as_role(Role.SUPERVISOR, "yangzhou")
    named = await supervisor.post("/api/v1/stop", content=b'{"reason":"' + b"x" * size)

    async def drips():
        for _ in range(size // 10_000):
            yield b"x" * 10_000

    dripped = await supervisor.post("/api/v1/stop", content=drips(), headers={"Content-Type": "application/json"})
    assert (named.status_code, dripped.status_code) == (413, 413)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"null", b"[]", b'"x"', b"\xff\xfe", b'{"reason": 1}', b'{"reason": NaN}', b"[" * 50_000, b'{"a":' * 9000],
)
async def test_a_broken_body_is_told_as_such(console: Console, body: bytes) -> None:
    supervisor = await console.as_role(Role.SUPERVISOR, "yangzhou")
    answer = await supervisor.post("/api/v1/stop", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422), answer.text
    problem(answer)
    assert not (await console.house.desk.wishes()).stopped


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2f..%2fetc/passwd", "/static//etc/passwd",
        "/static/%00", "/api/v1/cities/..%2f..%2fetc/timeline", "/api/v1/cities/%00/timeline", "/api/v1/../../etc/passwd",
    ],
)  # fmt: skip
async def test_no_path_leads_out_of_the_house(console: Console, path: str) -> None:
    dispatcher = await console.as_role(Role.DISPATCHER)
    answer = await dispatcher.get(path)
    assert answer.status_code in (404, 405), (path, answer.status_code)
    assert "root:" not in answer.text


@pytest.mark.parametrize(
    "text", ["'; DROP TABLE audit; --", '" OR 1=1', "%' OR '1'='1", "{{7654321*1234567}}", "<img src=x onerror=1>"]
)
async def test_texts_that_are_code_elsewhere_are_texts_here(console: Console, text: str) -> None:
    supervisor = await console.as_role(Role.SUPERVISOR, "yangzhou")
    assert (await supervisor.post("/api/v1/stop", json={"reason": text})).status_code == 200
    assert (await console.house.room.history.audited(1))[0].reason == text
    assert (await supervisor.get("/api/v1/scripts", params={"q": text})).json() == []
    page = await supervisor.get(f"/nowhere/{text}")
    assert "<img src=x" not in page.text
    assert "9449772114007" not in page.text  # The product; no digest of a page holds it by chance.


@pytest.mark.parametrize("text", ["a\nsign in root", "a\r\nx", "a\x1b[2J", "a\u2028b"])
async def test_no_line_is_slipped_into_audit_or_log(console: Console, text: str) -> None:
    supervisor = await console.as_role(Role.SUPERVISOR, "yangzhou")
    with capture_logs() as logs:
        assert (await supervisor.post("/api/v1/stop", json={"reason": text})).status_code == 422
        await console.browser().post("/api/v1/visit", json={"name": text, "password": text})
        await console.browser().post(f"/api/v1/{quote(text)}", headers={"Sec-Fetch-Site": "cross-site"})
    entries = await console.house.room.history.audited(20)
    assert [entry for entry in entries if text in (entry.reason, entry.who, entry.where)] == []
    assert len(logs) <= 2


async def test_no_secret_is_in_audit_log_or_answer(console: Console) -> None:
    with capture_logs() as logs:
        await console.account("wang", Role.SUPERVISOR, "yangzhou")
        browser = await console.signed_in("wang")
        await browser.post("/api/v1/me/password", json={"old": PASSWORD, "new": "Another-Long-Word-9"})
        key = (await browser.post("/api/v1/me/codes/key")).json()["key"]
        wrong = await browser.post("/api/v1/visit", json={"name": "wang", "password": PASSWORD, "colour": "red"})
    audited = json.dumps(
        [entry.after + entry.before + entry.reason for entry in await console.house.room.history.audited(50)]
    )
    for secret in (PASSWORD, "Another-Long-Word-9", key):
        assert secret not in audited
        assert secret not in str(logs)
        assert secret not in wrong.text, "what was typed is not echoed"


async def test_the_error_page_is_in_the_persons_language(console: Console) -> None:
    chinese = await console.browser(**{"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.5"}).get("/nowhere")
    english = await console.browser(**{"Accept-Language": "en-GB,en;q=0.9"}).get("/nowhere")
    assert 'lang="zh-CN"' in chinese.text
    assert "没有这个页面" in chinese.text
    assert 'lang="en"' in english.text
    assert "no such page" in english.text


async def test_pages_that_refuse_or_find_nothing_keep_the_emergency_stop(console: Console) -> None:
    supervisor = await console.as_role(Role.SUPERVISOR, "yangzhou")
    refused = [
        await supervisor.get(path) for path in ("/accounts", "/nowhere", "/cities/nowhere/orders", "/cities/suzhou/orders")
    ]
    assert [answer.status_code for answer in refused] == [403, 404, 404, 403]
    assert ['data-opens="stop-dialog"' in answer.text for answer in refused] == [True] * 4
    nobody = await console.browser().get("/nowhere")
    assert (nobody.status_code, "stop-dialog" in nobody.text) == (404, False)


@pytest.mark.parametrize(
    ("asked", "accepted", "language"),
    [
        ("", "", "zh"),
        ("", "fr", "zh"),
        ("", "en;q=0.5, zh;q=0.4", "en"),
        ("zh", "en", "zh"),
        ("xx", "en", "en"),
        ("", "en;q=x", "zh"),
    ],
)
def test_chinese_unless_english_is_preferred(asked: str, accepted: str, language: str) -> None:
    assert chosen_language(asked, accepted) == language
    assert Words(language)("请求编号")


async def test_a_softphones_address_is_let_through_the_content_policy_and_no_other(console: Console) -> None:
    site = make_site(console.house, ["wss://pbx.example:8089"])
    async with site.router.lifespan_context(site):
        console.site = site
        policy = (await console.browser().get("/nowhere")).headers["content-security-policy"]
    assert "connect-src 'self' wss://pbx.example:8089;" in policy
