"""Webhooks: signed, told once, again until taken, dead at last; found also where nobody pressed a page's button."""

import asyncio
import contextlib
import hmac
import json
import secrets
import threading
from collections.abc import Iterator
from http.client import HTTPException
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer

import pytest
from sqlalchemy.exc import IntegrityError

from callctl.hooks import AT_A_TIME, PAUSES_S, TIDY_EVERY_S, TOLD_KEPT_S, post, signature
from callctl.rights import Role
from callctl.store.console_tables import hook_deliveries
from callctl.store.hooks import OVERLAP, Delivery, Happened, Webhook
from callctl.store.port import AuditEntry, StoreLost
from tests.store.facts import answered_remote
from tests.web.explained import explained
from tests.web.house import ROOT, Console, problem


class Receiver(HTTPServer):
    """Another system on this machine."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.answer = 204
        super().__init__(("127.0.0.1", 0), _Takes)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook?x=1"


class _Takes(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((dict(self.headers), body))
        self.send_response(self.server.answer)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


async def created(console: Console, receiver: Receiver, *kinds: str) -> str:
    admin = await console.as_role(Role.SYSTEM_ADMIN)
    body = {"name": "orders", "address": receiver.address, "kinds": list(kinds)}
    made = await admin.post("/api/v1/webhooks", json=body)
    assert made.status_code == 201, made.text
    await console.house.webhooks.look()  # Bookmarks begin here.
    console.clock.at += 1.0
    return made.json()["secret"]


async def test_an_act_is_told_once_signed_whoever_did_it(console: Console, receiver: Receiver) -> None:
    secret = await created(console, receiver, "event.started", "stop.all")
    await console.house.desk.start_event(ROOT, "yangzhou", "台风")  # As the command line does.
    for _ in range(3):
        await console.house.webhooks.look()
    ((headers, body),) = receiver.got
    told = json.loads(body)
    assert (told["kind"], told["what"]["city"], told["what"]["who"]) == ("event.started", "yangzhou", "root")
    expected = signature(secret, headers["X-Callctl-Timestamp"], body)
    assert hmac.compare_digest(headers["X-Callctl-Signature"], expected)
    assert signature(secret, str(int(headers["X-Callctl-Timestamp"]) + 1), body) != expected


async def test_a_call_answered_by_another_city_is_told_without_its_number(console: Console, receiver: Receiver) -> None:
    await created(console, receiver, "call.answered_remotely")
    for fact in answered_remote(7, console.clock(), console.clock() + 20.0):
        console.house.room.history.record(fact)
    await console.house.room.history.flush()  # type: ignore[attr-defined]
    console.clock.at += 60.0
    await console.house.webhooks.look()
    ((_, body),) = receiver.got
    assert json.loads(body)["what"]["by_city"] == "xuzhou"
    assert b"13800" not in body


async def others_acted(console: Console, count: int) -> None:
    """Acts that no webhook tells of, more than are looked through again each time."""
    for _ in range(count):
        entry = AuditEntry(console.clock(), "test", "test", "export", "yangzhou", "", "", "", secrets.token_hex(8))
        await console.house.calls.note(entry)


async def test_what_was_found_when_the_deliveries_could_not_be_kept_is_told_at_the_next_look(
    console: Console, receiver: Receiver
) -> None:
    await created(console, receiver, "stop.all", "call.answered_remotely")
    await console.house.desk.stop_all(ROOT)
    for number in range(3):
        for fact in answered_remote(number, console.clock(), console.clock() + 20.0):
            console.house.room.history.record(fact)
    await console.house.room.history.flush()  # type: ignore[attr-defined]
    await others_acted(console, OVERLAP + 20)
    console.clock.at += 60.0
    cabinet = console.house.hook_book._cabinet
    async with cabinet.writing(None) as connection:
        await connection.exec_driver_sql("CREATE TRIGGER nothing_comes BEFORE INSERT ON hook_deliveries"
                                         " BEGIN SELECT RAISE(ABORT, 'no'); END")  # fmt: skip
    with pytest.raises((StoreLost, IntegrityError)):
        await console.house.webhooks.look()
    async with cabinet.writing(None) as connection:
        await connection.exec_driver_sql("DROP TRIGGER nothing_comes")
    await console.house.webhooks.look()
    kinds = [json.loads(body)["kind"] for _, body in receiver.got]
    assert (kinds.count("stop.all"), kinds.count("call.answered_remotely")) == (1, 3)


async def test_more_than_a_look_can_take_is_told_over_several(
    console: Console, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callctl.store.hooks.ROWS_MOST", 3)
    monkeypatch.setattr("callctl.store.hooks.OVERLAP", 2)
    await created(console, receiver, "stop.all", "resume", "call.answered_remotely")
    for _ in range(5):
        await console.house.desk.stop_all(ROOT)
        await console.house.desk.resume(ROOT)
    for number in range(7):
        for fact in answered_remote(number, console.clock(), console.clock() + 20.0):
            console.house.room.history.record(fact)
    await console.house.room.history.flush()  # type: ignore[attr-defined]
    console.clock.at += 60.0
    for _ in range(12):
        await console.house.webhooks.look()
    told = [json.loads(body) for _, body in receiver.got]
    assert len({one["id"] for one in told}) == len(told) == 17
    assert [[one["kind"] for one in told].count(kind) for kind in ("stop.all", "resume")] == [5, 5]


async def test_a_webhook_hears_of_what_happens_before_the_first_look_but_not_of_last_year(
    console: Console, receiver: Receiver
) -> None:
    await console.house.desk.stop_all(ROOT)
    await others_acted(console, OVERLAP + 20)
    admin = await console.as_role(Role.SYSTEM_ADMIN)
    for name in ("first", "second"):
        await console.house.desk.resume(ROOT)  # Nobody listens.
        await others_acted(console, OVERLAP + 20)
        console.clock.at += 1.0
        body = {"name": name, "address": receiver.address, "kinds": ["stop.all", "resume"]}
        assert (await admin.post("/api/v1/webhooks", json=body)).status_code == 201
        await console.house.desk.stop_all(ROOT)
        await others_acted(console, OVERLAP + 20)
        await console.house.webhooks.look()
        assert [json.loads(told)["kind"] for _, told in receiver.got] == ["stop.all"]
        receiver.got.clear()
        assert (await admin.delete(f"/api/v1/webhooks/{name}")).status_code == 204


async def test_a_receiver_that_is_away_is_told_when_it_is_back_and_not_too_often(
    console: Console, receiver: Receiver
) -> None:
    await created(console, receiver, "stop.all")
    receiver.answer = 500
    await console.house.desk.stop_all(ROOT)
    for _ in range(3):
        await console.house.webhooks.look()
    assert len(receiver.got) == 1, "the next try waits"
    receiver.answer = 200
    console.clock.at += PAUSES_S[0] + 1
    await console.house.webhooks.look()
    assert len(receiver.got) == 2
    admin = await console.as_role(Role.SYSTEM_ADMIN)
    (kept,) = (await admin.get("/api/v1/webhooks/orders/deliveries")).json()
    assert (kept["state"], kept["tries"]) == ("told", 2)


async def test_what_nobody_takes_is_dead_at_last_and_can_be_tried_again_by_hand(
    console: Console, receiver: Receiver
) -> None:
    await created(console, receiver, "stop.all")
    receiver.answer = 500
    await console.house.desk.stop_all(ROOT)
    for pause_s in (0.0, *PAUSES_S, 0.0):
        console.clock.at += pause_s + 1
        await console.house.webhooks.look()
    admin = await console.as_role(Role.SYSTEM_ADMIN)
    (dead,) = (await admin.get("/api/v1/webhooks/orders/deliveries", params={"state": "dead"})).json()
    assert (dead["tries"], dead["why"]) == (len(PAUSES_S) + 1, "answered 500")
    receiver.answer = 200
    place = f"/api/v1/webhooks/orders/deliveries/{dead['id']}/again"
    assert (await admin.post(place)).status_code == 202
    await console.house.webhooks.look()
    assert (await admin.get("/api/v1/webhooks/orders/deliveries")).json()[0]["state"] == "told"
    assert (await admin.post(place)).status_code == 404


async def test_the_oldest_of_many_dead_deliveries_is_tried_again_and_what_was_told_is_not_counted(
    console: Console, receiver: Receiver
) -> None:
    await created(console, receiver, "stop.all")
    book, at = console.house.hook_book, console.clock()
    await book.keep([Happened(f"audit:{9000 + n}", "stop.all", at, "{}") for n in range(1002)], await book.all())
    newest, *others = await book.deliveries("orders", "", 2000)
    await book.told(newest, at)
    async with book._cabinet.writing(None) as connection:
        waiting = hook_deliveries.c.state == "waiting"
        await connection.execute(hook_deliveries.update().where(waiting).values(state="dead"))
    assert await book.counts() == {("orders", "dead"): 1001}
    admin = await console.as_role(Role.SYSTEM_ADMIN)
    assert (await admin.post(f"/api/v1/webhooks/orders/deliveries/{others[-1].id}/again")).status_code == 202
    assert await book.counts() == {("orders", "dead"): 1000, ("orders", "waiting"): 1}
    [shown] = (await admin.get("/api/v1/webhooks")).json()
    assert (shown["waiting"], shown["dead"]) == (1, 1000)
    assert (await admin.post(f"/api/v1/webhooks/orders/deliveries/{newest.id}/again")).status_code == 404


async def dead_ones(console: Console, count: int) -> list[int]:
    """The numbers of so many given-up deliveries, the newest first."""
    book, at = console.house.hook_book, console.clock()
    await book.keep([Happened(f"audit:{9000 + n}", "stop.all", at, "{}") for n in range(count)], await book.all())
    async with book._cabinet.writing(None) as connection:
        await connection.execute(hook_deliveries.update().values(state="dead", tries=len(PAUSES_S) + 1, why="answered 500"))
    return [one.id for one in await book.deliveries("orders", "dead", count)]


async def test_older_deliveries_are_leafed_through_by_the_last_ones_number(console: Console, receiver: Receiver) -> None:
    await created(console, receiver, "stop.all")
    numbers = await dead_ones(console, 7)
    admin = await console.as_role(Role.SYSTEM_ADMIN)
    found: list[int] = []
    for state in ("", "dead"):
        pages, before = [], 0
        while True:
            asked = {"state": state, "last": 3, **({"before": before} if before else {})}
            page = [one["id"] for one in (await admin.get("/api/v1/webhooks/orders/deliveries", params=asked)).json()]
            if not page:
                break
            pages.append(page)
            before = page[-1]
        found = [number for page in pages for number in page]
        assert ([len(page) for page in pages], found) == ([3, 3, 1], numbers)
    assert (await admin.get("/api/v1/webhooks/orders/deliveries", params={"before": 0})).status_code == 422


async def test_all_that_were_given_up_are_tried_again_by_one_press(console: Console, receiver: Receiver) -> None:
    await created(console, receiver, "stop.all")
    numbers = await dead_ones(console, 20)
    admin = await console.as_role(Role.SYSTEM_ADMIN)
    place = "/api/v1/webhooks/orders/again"
    assert (await (await console.as_role(Role.DISPATCHER)).post(place)).status_code == 403
    answer = await admin.post(place, headers={"Idempotency-Key": "one"})
    assert (answer.status_code, answer.json()) == (202, {"deliveries": 20})
    repeated = await admin.post(place, headers={"Idempotency-Key": "one"})
    assert (problem(repeated)["code"], repeated.status_code) == ("already_done", 409)
    for _ in range(3):
        await console.house.webhooks.look()
    assert sorted(json.loads(body)["id"] for _, body in receiver.got) == sorted(numbers)
    assert await console.house.hook_book.counts() == {}
    [entry] = [one for one in await console.house.room.history.audited(9) if one.what == "webhook again"]
    assert (entry.before, entry.after) == ("orders", "all 20")
    assert (await admin.post(place, headers={"Idempotency-Key": "two"})).json() == {"deliveries": 0}
    repeated = await admin.post(place, headers={"Idempotency-Key": "one"})
    assert (problem(repeated)["code"], repeated.status_code) == ("already_done", 409), "also where nothing is left"
    assert (await admin.post("/api/v1/webhooks/nobody/again")).status_code == 404


async def test_one_press_tries_a_bounded_number_again_the_oldest_and_the_next_press_the_others(
    console: Console, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callctl.hooks.AGAIN_AT_ONCE", 3)
    await created(console, receiver, "stop.all")
    numbers = await dead_ones(console, 5)
    admin = await console.as_role(Role.SYSTEM_ADMIN)
    place, done = "/api/v1/webhooks/orders/again", []
    for left in (numbers[:2], [], []):
        done.append((await admin.post(place)).json()["deliveries"])
        assert [one.id for one in await console.house.hook_book.deliveries("orders", "dead", 9)] == left
    assert done == [3, 2, 0]
    entries = [one for one in await console.house.room.history.audited(9) if one.what == "webhook again"]
    assert [one.after for one in entries] == ["all 2", "all 3"], "no line for an act on nothing"


async def test_one_delivery_tried_again_twice_with_one_key_is_said_to_be_done(console: Console, receiver: Receiver) -> None:
    await created(console, receiver, "stop.all")
    [number] = await dead_ones(console, 1)
    admin = await console.as_role(Role.SYSTEM_ADMIN)
    place, key = f"/api/v1/webhooks/orders/deliveries/{number}/again", {"Idempotency-Key": "one"}
    answers = [(await admin.post(place, headers=key)).status_code for _ in range(2)]
    assert (answers, (await admin.post(place)).status_code) == ([202, 409], 404)


async def test_one_busy_webhook_has_all_turns_and_many_webhooks_have_no_more_than_there_are(
    console: Console, receiver: Receiver
) -> None:
    await created(console, receiver, "stop.all")
    admin = await console.as_role(Role.SYSTEM_ADMIN)
    for number in range(AT_A_TIME):
        body = {"name": f"idle{number}", "address": receiver.address, "kinds": ["resume"]}
        assert (await admin.post("/api/v1/webhooks", json=body)).status_code == 201
    await dead_ones(console, 3 * AT_A_TIME)
    await admin.post("/api/v1/webhooks/orders/again")
    await console.house.webhooks.look()
    assert len(receiver.got) == AT_A_TIME, "nobody else needs a turn"
    await console.house.desk.stop_all(ROOT)
    await console.house.desk.resume(ROOT)
    receiver.got.clear()
    await console.house.webhooks.look()
    assert len(receiver.got) == AT_A_TIME
    await console.house.webhooks.look()
    assert [json.loads(body)["kind"] for _, body in receiver.got].count("resume") == AT_A_TIME, "each had its turn"


async def test_who_answers_a_byte_now_and_then_is_given_up_at_the_deadline(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callctl.hooks.DEADLINE_S", 0.5)
    over = threading.Event()

    class Drips(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            with contextlib.suppress(OSError):
                while not over.wait(0.1):
                    self.wfile.write(b"H")
                    self.wfile.flush()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Drips)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        hook = Webhook("orders", f"http://127.0.0.1:{server.server_port}/", "secret", ("stop.all",), 0.0, "test")
        delivery = Delivery(1, "orders", "stop.all", 0.0, "{}", "waiting", 0, 0.0, "")
        async with asyncio.timeout(20.0):
            with pytest.raises((OSError, HTTPException)):
                await asyncio.to_thread(post, hook, delivery, 0.0)
        assert not over.is_set(), "the other side was still answering"
    finally:
        over.set()
        server.shutdown()
        thread.join()
        server.server_close()


async def test_many_that_are_tried_again_do_not_stand_before_another_webhooks_news(
    console: Console, receiver: Receiver
) -> None:
    await created(console, receiver, "stop.all")
    await dead_ones(console, 40)
    admin = await console.as_role(Role.SYSTEM_ADMIN)
    body = {"name": "news", "address": receiver.address, "kinds": ["resume"]}
    assert (await admin.post("/api/v1/webhooks", json=body)).status_code == 201
    await admin.post("/api/v1/webhooks/orders/again")
    await console.house.desk.stop_all(ROOT)
    await console.house.desk.resume(ROOT)
    await console.house.webhooks.look()
    assert "resume" in [json.loads(body)["kind"] for _, body in receiver.got]


async def test_what_was_told_is_forgotten_after_its_time_and_not_found_in_the_audit_again(
    console: Console, receiver: Receiver
) -> None:
    await created(console, receiver, "stop.all", "resume")
    await console.house.desk.stop_all(ROOT)
    await console.house.webhooks.look()
    console.clock.at += TOLD_KEPT_S + 1.0
    await console.house.desk.resume(ROOT)
    await console.house.webhooks.look()
    news, told = await console.house.hook_book.deliveries("orders", "told", 9)
    assert told.kind == "stop.all", "kept: the audit is still looked through from before it"
    await others_acted(console, OVERLAP + 20)
    for _ in range(2):
        console.clock.at += TIDY_EVERY_S + 1.0
        await console.house.webhooks.look()
    assert await console.house.hook_book.deliveries("orders", "", 9) == [news]
    assert len(receiver.got) == 2, "nothing is told twice"


async def test_what_was_told_late_is_kept_for_its_time_from_then(console: Console, receiver: Receiver) -> None:
    await created(console, receiver, "stop.all")
    book = console.house.hook_book
    await book.keep([Happened(f"audit:{n - 500}", "stop.all", console.clock(), "{}") for n in range(3)], await book.all())
    numbers = [one.id for one in await book.deliveries("orders", "", 9)]
    console.clock.at += TOLD_KEPT_S + 86_400.0  # They were dead, and somebody pressed a month later.
    await console.house.webhooks.look()
    assert len(receiver.got) == 3
    for kept_s in (TIDY_EVERY_S + 1.0, TOLD_KEPT_S - 2 * TIDY_EVERY_S):
        console.clock.at += kept_s
        await console.house.webhooks.look()
        assert [one.id for one in await book.deliveries("orders", "told", 9)] == numbers
    console.clock.at += 2 * TIDY_EVERY_S
    await console.house.webhooks.look()
    assert [one.id for one in await book.deliveries("orders", "", 9)] == numbers[:1], "the newest keeps its number taken"


async def test_deliveries_of_an_ended_webhook_are_forgotten_after_the_same_time(
    console: Console, receiver: Receiver
) -> None:
    await created(console, receiver, "stop.all")
    numbers = await dead_ones(console, 3)
    admin, book = await console.as_role(Role.SYSTEM_ADMIN), console.house.hook_book
    assert (await admin.delete("/api/v1/webhooks/orders")).status_code == 204
    for waited_s, left in ((TOLD_KEPT_S - 60.0, numbers), (TIDY_EVERY_S + 120.0, numbers[:1])):
        console.clock.at += waited_s
        await console.house.webhooks.look()
        assert [one.id for one in await book.deliveries("orders", "", 9)] == left


async def test_who_cannot_tidy_tells_all_the_same(
    console: Console, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    await created(console, receiver, "stop.all")
    await console.house.desk.stop_all(ROOT)
    console.clock.at += TIDY_EVERY_S + 1.0
    async with console.house.hook_book._cabinet.writing(None) as connection:  # No DELETE comes through.
        await connection.exec_driver_sql("CREATE TRIGGER nothing_goes BEFORE DELETE ON hook_deliveries"
                                         " BEGIN SELECT RAISE(ABORT, 'no'); END")  # fmt: skip
        for mark in ("orders:audit:-500", "orders:audit:-499"):  # The newest would stay.
            await connection.execute(hook_deliveries.insert().values(
                mark=mark, webhook="orders", kind="stop.all", at=console.clock() - 2 * TOLD_KEPT_S, body="{}",
                state="told", tries=1, next_at=0.0, why=""))  # fmt: skip
    with pytest.raises((StoreLost, IntegrityError)):
        await console.house.webhooks.look()
    assert len(receiver.got) == 1


async def test_what_cannot_go_yet_does_not_stand_before_what_can(console: Console, receiver: Receiver) -> None:
    await created(console, receiver, "stop.all")
    book, at = console.house.hook_book, console.clock()
    place = 10_000  # Behind the bookmark, which stands near the audit's end.
    fresh, old = [f"audit:{place + n}" for n in range(50)], ["audit:-500", "audit:-499"]
    await book.keep([Happened(mark, "stop.all", at, "{}") for mark in (*fresh, *old)], await book.all())
    for one in reversed(await book.deliveries("orders", "", 99)):
        await book.told(one, at)
    assert await book.forget(at + 1.0, 5) == 1, "of the two the newest row stays"


async def test_the_last_number_is_never_given_again(console: Console, receiver: Receiver) -> None:
    await created(console, receiver, "stop.all")
    book = console.house.hook_book
    await book.keep([Happened("audit:-500", "stop.all", console.clock(), "{}")], await book.all())
    [one] = await book.deliveries("orders", "", 9)
    await book.told(one, console.clock())
    assert await book.forget(console.clock() + 1.0, 9) == 0
    await book.keep([Happened("audit:-499", "stop.all", console.clock(), "{}")], await book.all())
    assert await book.forget(console.clock() + 1.0, 9) == 1, "receivers know deliveries by it"


async def test_a_page_of_deliveries_and_the_told_ones_are_found_by_an_index(console: Console, receiver: Receiver) -> None:
    await created(console, receiver, "stop.all")
    book = console.house.hook_book
    await dead_ones(console, 3)
    async with explained(book._cabinet, "hook_deliveries") as heard:
        await book.deliveries("orders", "", 9, before=5)
    leafed = [plan for plan in heard if "id<?" in plan]  # The console tells receivers meanwhile, by statements of its own.
    assert len(leafed) == 3, "a statement a state"
    async with explained(book._cabinet, "hook_deliveries") as forgotten:
        await book.forget(console.clock(), 9)
    for plan in (*leafed, *forgotten):
        assert "SCAN hook_deliveries" not in plan
        assert "TEMP B-TREE" not in plan
    assert all("INDEX ix_hook_deliveries_webhook_state_id" in plan for plan in leafed)
    assert any("INDEX ix_hook_deliveries_state_next_at" in plan for plan in forgotten)


async def test_an_ended_webhook_hears_nothing_and_the_secret_is_shown_once(console: Console, receiver: Receiver) -> None:
    secret = await created(console, receiver, "stop.all")
    admin = await console.as_role(Role.SYSTEM_ADMIN)
    assert secret not in (await admin.get("/api/v1/webhooks")).text
    assert (await admin.delete("/api/v1/webhooks/orders")).status_code == 204
    await console.house.desk.stop_all(ROOT)
    await console.house.webhooks.look()
    assert receiver.got == []


@pytest.mark.parametrize(
    "address", ["ftp://x/", "http://", "https://user:pw@x/", "javascript:alert(1)", "http://x:99999/", "http://x/ y"]
)
async def test_an_address_that_cannot_be_told_is_refused(console: Console, address: str) -> None:
    admin = await console.as_role(Role.SYSTEM_ADMIN)
    wrong = problem(await admin.post("/api/v1/webhooks", json={"name": "orders", "address": address, "kinds": ["nothing"]}))
    assert {error["field"] for error in wrong["errors"]} == {"address", "kinds"}


@pytest.mark.parametrize("name", ["new", "kinds", "1st", "a"])
async def test_a_name_whose_page_would_be_another_one_is_refused(console: Console, name: str) -> None:
    admin = await console.as_role(Role.SYSTEM_ADMIN)
    body = {"name": name, "address": "https://example.org/in", "kinds": ["event.started"], "reason": "x"}
    refused = problem(await admin.post("/api/v1/webhooks", json=body))
    assert [one["field"] for one in refused["errors"]] == ["name"]
