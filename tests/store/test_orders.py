"""Notes, stubs and their delivery on real databases, to a real web server and a real folder: once, whatever dies."""

import asyncio
import http.server
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import delete, func, select
from typer.testing import CliRunner

from callctl.cli.root import make_app
from callctl.core.days import Span, time_text
from callctl.core.demand import Card, Deadlines, Demand, Result, WrapUp, card
from callctl.core.workdays import Calendar
from callctl.given_files import GIVEN, read_categories
from callctl.outbox import TRY_AGAIN_S, one_round, signature
from callctl.rules import DeliveryRule, Rules, RulesError, read_rules
from callctl.settings import read_settings
from callctl.store.connect import Books, open_books
from callctl.store.notes import CityStatus, NoteRefused, StatusRefused, keep_note, pull, reconcile, take_status
from callctl.store.record_tables import deliveries, stub_steps, stubs, wrapups
from callctl.store.seal import AesSeal
from callctl.store.supervision import open_orders
from tests.store.facts import T0, X, Y, answered_remote, name
from tests.store.test_history import history_at

ROOT = Path(__file__).resolve().parents[2]
CODES = {one.code: one for one in read_categories(GIVEN / "categories.csv")}
KEY = "0123456789abcdef0123456789abcdef"
SECRET = "webhook-secret-of-yangzhou"
DUE = T0 + 5 * 86_400


def note(number: int, result: Result = Result.FORWARDED, **more) -> WrapUp:
    content = {"content": "小区封闭，急需送药", "requester": "张三", "number": f"138{number:08d}", "address": "广陵区"}
    return WrapUp(name(number), Y, X, "1301", "A1", T0 + 60, Demand.HELP, "900400", result, **{**content, **more})


@pytest.fixture
def settings(sql_url: str, tmp_path: Path):
    return read_settings(
        {
            "CALLCTL_STATE": str(tmp_path),
            "CALLCTL_PROVINCE": str(ROOT),
            "CALLCTL_SQL_URL": sql_url,
            "CALLCTL_FIELD_KEY": KEY,
            "CALLCTL_WEBHOOK_SECRET_YANGZHOU": SECRET,
        }
    )


async def keep(books: Books, one: WrapUp, *ways: str) -> bool:
    return await keep_note(books.engine, one, CODES, ways, DUE, books.seal)


async def rows(books: Books, table) -> list:
    async with books.engine.connect() as connection:
        return list((await connection.execute(select(table))).mappings())


async def test_a_note_twice_is_one_note_one_stub_and_one_delivery_a_way(settings) -> None:
    async with open_books(settings) as books:
        assert await keep(books, note(1), "webhook", "drop")
        assert not await keep(books, note(1), "webhook", "drop")
        assert not await keep(books, replace(note(1), at=T0 + 99), "webhook")
        assert len(await rows(books, stubs)) == len(await rows(books, wrapups)) == 1
        assert {row["way"] for row in await rows(books, deliveries)} == {"webhook", "drop"}
        held = str(await rows(books, wrapups))
        assert "张三" not in held
        assert "13800000001" not in held


async def test_a_note_can_be_corrected_until_the_city_has_accepted(settings) -> None:
    async with open_books(settings) as books:
        await keep(books, note(1))
        assert await keep(books, note(1, content="小区封闭，需要胰岛素"))
        assert (await rows(books, wrapups))[0]["revision"] == 2
        assert await keep(books, note(1, Result.ON_CALL))
        assert await rows(books, stubs) == []
        await keep(books, note(1))
        await take_status(books.engine, CityStatus(name(1), "accepted", T0 + 100, "派单员", "", "YZ-1"), Y)
        with pytest.raises(NoteRefused, match="签收"):
            await keep(books, note(1, content="另一件事"))
        with pytest.raises(NoteRefused, match="分类代码"):
            await keep(books, replace(note(2), code="123456"))


async def test_the_city_s_messages_come_late_doubled_and_out_of_order_and_lead_to_one_state(settings) -> None:
    async with open_books(settings) as books:
        await keep(books, note(1))
        done = CityStatus(name(1), "done", T0 + 900, "卫健委")
        accepted = CityStatus(name(1), "accepted", T0 + 100, "派单员", "", "YZ-20260921-1")
        followed = CityStatus(name(1), "followed_up", T0 + 999, "回访组", score=5)
        for told in (done, accepted, done, followed, accepted):
            await take_status(books.engine, told, Y)
        (stub,) = await rows(books, stubs)
        assert (stub["state"], stub["order_no"], stub["score"]) == ("followed_up", "YZ-20260921-1", 5)
        assert (stub["accepted_at"], stub["done_at"], stub["followed_up_at"]) == (T0 + 100, T0 + 900, T0 + 999)
        assert len(await rows(books, stub_steps)) == 3
        for wrong, why in (
            (replace(accepted, order_no="YZ-2"), "already"),
            (replace(accepted, order_no=" "), "needs"),
            (replace(done, what="erledigt"), "one of"),
            (replace(done, stub="y-9.9"), "no stub"),
            (replace(done, score=7), "1 to 5"),
        ):
            with pytest.raises(StatusRefused, match=why):
                await take_status(books.engine, wrong, Y)
        with pytest.raises(StatusRefused):
            await take_status(books.engine, done, X)  # Another city's order.


async def test_a_corrected_note_comes_again_behind_the_cursor_with_its_new_deadline(settings) -> None:
    async with open_books(settings) as books:
        await keep(books, note(1))
        await keep(books, note(2))
        (first, _), cursor = await pull(books.engine, Y, 0, 9, books.seal)
        urgent = replace(note(1, content="急需胰岛素"), demand=Demand.COMPLAINT, urgent=True)
        assert await keep_note(books.engine, urgent, CODES, [], T0 + 3600, books.seal)
        (again,), cursor = await pull(books.engine, Y, cursor, 9, books.seal)
        assert (again["stub"], again["revision"], again["due_at"], again["type"]) == (name(1), 2, T0 + 3600, "complaint")
        assert again["seq"] > first["seq"]
        stub = next(row for row in await rows(books, stubs) if row["stub"] == name(1))
        assert (stub["demand"], stub["due_at"], stub["at"]) == ("complaint", T0 + 3600, T0 + 60)
        assert (await pull(books.engine, Y, cursor, 9, books.seal)) == ([], cursor)


async def test_a_place_behind_the_cursor_is_never_given_again(settings) -> None:
    async with open_books(settings) as books:
        await keep(books, note(1))
        _, cursor = await pull(books.engine, Y, 0, 9, books.seal)
        async with books.engine.begin() as connection:  # As retention does after years.
            await connection.execute(delete(stubs))
        await keep(books, note(2))
        found, _ = await pull(books.engine, Y, cursor, 9, books.seal)
        assert [one["stub"] for one in found] == [name(2)]


async def test_an_older_follow_up_that_comes_late_leaves_the_newer_score(settings) -> None:
    async with open_books(settings) as books:
        await keep(books, note(1))
        for at, score in ((T0 + 900, 5), (T0 + 300, 1)):
            await take_status(books.engine, CityStatus(name(1), "followed_up", at, score=score), Y)
        assert (await rows(books, stubs))[0]["score"] == 5


def test_nothing_is_yellow_before_half_of_its_term_is_over() -> None:
    limits = Deadlines(1, 5, 24.0, 1)
    for term_s in (86_400.0, 3600.0):
        cards = [card(T0, T0 + term_s, None, limits, Calendar(), T0 + part * term_s) for part in (0, 0.49, 0.51, 1.01)]
        assert cards == [Card.NONE, Card.NONE, Card.YELLOW, Card.RED]


async def test_the_cursor_gives_every_stub_once_in_order(settings) -> None:
    async with open_books(settings) as books:
        for number in range(7):
            await keep(books, note(number))
        await keep(books, replace(note(99), city=X))
        found, cursor = [], 0
        while True:
            some, cursor = await pull(books.engine, Y, cursor, 3, books.seal)
            found += some
            if not some:
                break
        assert [one["stub"] for one in found] == [name(number) for number in range(7)]
        assert (found[1]["requester"], found[1]["caller_no"], found[1]["due_at"]) == ("张三", "13800000001", DUE)
        assert (await pull(books.engine, Y, cursor, 3, books.seal)) == ([], cursor)


async def test_the_day_is_reconciled_call_by_call(settings, sql_url: str, tmp_path: Path) -> None:
    async with history_at(sql_url, tmp_path) as history:
        for number in range(4):
            for fact in answered_remote(number, T0 + number, T0 + 30 + number):
                history.record(fact)
        await history.flush()
    async with open_books(settings) as books:
        await keep(books, note(0, Result.ON_CALL))
        await keep(books, note(1))
        await keep(books, note(2))
        await take_status(books.engine, CityStatus(name(1), "accepted", T0 + 100, "", "", "YZ-1"), Y)
        found = await reconcile(books.engine, Y, Span(T0 - 10, T0 + 86_400))
        assert (found.remote_answers, found.noted, found.forwarded) == (4, 3, 2)
        assert (found.without_note, found.unaccepted, found.without_stub) == ((name(3),), (name(2),), ())


class Office(http.server.ThreadingHTTPServer):
    """A city's order system: takes stubs, or does what a test tells it to."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Desk)
        self.got: list[tuple[str, dict]] = []
        self.answers: list[int] = []
        self.hold = threading.Event()
        self.hold.set()
        self.arrived = threading.Event()


class Desk(http.server.BaseHTTPRequestHandler):
    server: Office

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        right = signature(SECRET, int(self.headers["X-Callctl-Time"]), raw)
        code = self.server.answers.pop(0) if self.server.answers else 200
        if right != self.headers["X-Callctl-Signature"]:
            code = 401
        self.server.got.append((self.headers["Idempotency-Key"], json.loads(raw)))
        self.server.arrived.set()
        self.server.hold.wait(30)
        try:
            self.send_response(code)
            if code == 302:
                self.send_header("Location", "http://127.0.0.1:1/elsewhere")
            self.end_headers()
            if code == 200:
                self.wfile.write(json.dumps({"order_no": f"YZ-{len(self.server.got)}"}).encode())
        except OSError:
            pass  # The sender was killed.

    def log_message(self, *_) -> None:
        pass


@pytest.fixture
def office() -> Iterator[Office]:
    server = Office()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.hold.set()
    server.shutdown()
    server.server_close()
    thread.join()


def rules(office: Office | None = None, drop: Path | None = None, form: str = "csv-gb18030", scale: str = "words") -> Rules:
    address = f"http://127.0.0.1:{office.server_port}/stubs" if office else ""
    return Rules(delivery={Y: DeliveryRule(webhook=address, drop=str(drop) if drop else "", form=form, scale=scale)})


async def test_a_webhook_is_signed_retried_and_its_answer_is_the_acceptance(settings, office: Office) -> None:
    office.answers = [503, 302]
    async with open_books(settings) as books:
        await keep(books, note(1), "webhook")
        now = T0 + 100
        first = await one_round(books, rules(office), now)
        assert (first.sent, first.failed) == (0, 1)
        assert (await one_round(books, rules(office), now + TRY_AGAIN_S / 2)).failed == 0  # Not yet again.
        second = await one_round(books, rules(office), now + TRY_AGAIN_S)
        (row,) = await rows(books, deliveries)
        assert (second.failed, row["tries"]) == (1, 2)
        assert "redirection" in row["why"]
        third = await one_round(books, rules(office), now + 10 * TRY_AGAIN_S)
        assert (third.sent, third.failed) == (1, 0)
        (stub,) = await rows(books, stubs)
        assert (stub["state"], stub["order_no"]) == ("accepted", "YZ-3")
        assert {key for key, _ in office.got} == {f"{name(1)}/1"}
        assert office.got[0][1]["content"] == "小区封闭，急需送药"
        assert (await one_round(books, rules(office), now + 9999)).sent == 0


async def test_what_a_city_has_seen_is_withdrawn_and_its_acceptance_is_still_kept(settings, office: Office) -> None:
    async with open_books(settings) as books:
        await keep(books, note(1))
        _, cursor = await pull(books.engine, Y, 0, 9, books.seal)
        await keep(books, note(2), "webhook")
        office.answers = [503]  # It may have read it all the same.
        assert (await one_round(books, rules(office), T0 + 100)).failed == 1
        await keep(books, note(1, Result.ON_CALL))
        await keep(books, note(2, Result.ON_CALL), "webhook")
        found, _ = await pull(books.engine, Y, cursor, 9, books.seal)
        assert [(one["stub"], one["withdrawn"], one["revision"]) for one in found] == [
            (name(1), True, 2),
            (name(2), True, 2),
        ]
        await one_round(books, rules(office), T0 + 9999)
        assert office.got[-1][0] == f"{name(2)}/2"
        assert office.got[-1][1]["withdrawn"] is True
        assert await take_status(books.engine, CityStatus(name(1), "accepted", T0 + 100, "派单员", "", "YZ-1"), Y)
        limits = Deadlines(1, 5, 24.0, 1)
        assert await open_orders(books.engine, Y, lambda _: limits, Calendar(), T0 + 100) == []


async def test_an_office_that_is_away_loses_nothing(settings) -> None:
    async with open_books(settings) as books:
        for number in range(3):
            await keep(books, note(number), "webhook")
        gone = Rules(delivery={Y: DeliveryRule(webhook="http://127.0.0.1:9/x")})
        assert (await one_round(books, gone, T0 + 100)).failed == 3
        assert all(row["state"] == "due" and "cannot be reached" in row["why"] for row in await rows(books, deliveries))


@pytest.mark.timeout(300)
def test_a_sender_killed_after_the_office_took_it_sends_the_same_stub_again_and_it_is_one_order(
    settings, office: Office, tmp_path: Path
) -> None:
    async def prepare() -> None:
        async with open_books(settings) as books:
            await keep(books, note(1), "webhook")

    asyncio.run(prepare())
    province = tmp_path / "province"
    province.mkdir()
    for part in ("agents", "queues"):
        (province / part).symlink_to(ROOT / part)
    (province / "records.toml").write_text(f'[delivery.{Y}]\nwebhook = "http://127.0.0.1:{office.server_port}/x"\n')
    environment = {**os.environ, **settings.environment, "CALLCTL_PROVINCE": str(province)}
    office.hold.clear()
    command = [sys.executable, "-m", "callctl", "orders", "deliver"]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert office.arrived.wait(60)
    process.send_signal(signal.SIGKILL)
    process.wait()
    office.hold.set()
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

    async def look() -> None:
        async with open_books(settings) as books:
            assert [row["state"] for row in await rows(books, deliveries)] == ["sent"]
            assert len(await rows(books, stubs)) == 1

    asyncio.run(look())
    assert [key for key, _ in office.got] == [f"{name(1)}/1"] * 2  # The office sees one name twice.


@pytest.mark.parametrize(("form", "encoding"), [("csv-gb18030", "gb18030"), ("csv", "utf-8-sig"), ("jsonl", "utf-8")])
async def test_the_drop_folder_gets_whole_files_and_gives_answers_back(
    settings, tmp_path, form: str, encoding: str
) -> None:
    drop = tmp_path / "drop"
    async with open_books(settings) as books:
        await keep(books, note(1), "drop")
        assert (await one_round(books, rules(drop=drop, form=form), T0 + 100)).sent == 1
        (file,) = [path for path in drop.iterdir() if path.is_file()]
        assert "小区封闭，急需送药" in file.read_text(encoding)
        acks = drop / "acks"
        acks.mkdir()
        told = f"stub,what,at,order_no\n{name(1)},accepted,{time_text(T0 + 200)},扬办〔2026〕1号\n"
        (acks / "1.csv").write_bytes(told.encode("gb18030"))
        (acks / "2.csv").write_bytes(told.encode("gb18030"))
        (acks / "3.jsonl").write_text(json.dumps({"stub": name(1), "what": "done", "at": time_text(T0 + 300)}))
        (acks / "4.csv").write_text(f"stub,what,at\n{name(1)},fertig,{time_text(T0)}\n")
        (acks / "5.csv.tmp").write_text("being written")
        done = await one_round(books, rules(drop=drop, form=form), T0 + 400)
        assert done.acknowledged == 2
        assert len(done.refused) == 1
        (stub,) = await rows(books, stubs)
        assert (stub["state"], stub["order_no"]) == ("done", "扬办〔2026〕1号")
        left = sorted(path.relative_to(acks).as_posix() for path in acks.rglob("*") if path.is_file())
        assert left == ["5.csv.tmp", "refused/4.csv", "taken/1.csv", "taken/2.csv", "taken/3.jsonl"]


@pytest.mark.parametrize(
    ("scale", "column", "told", "score"),
    [
        ("words", "satisfaction", "非常满意", 5),
        ("three_keys", "satisfaction", "1", 5),  # 1 is the best there,
        ("three_keys", "score", "1", 1),  # and the worst here: a score is 1 to 5 whatever the city's keys.
        ("five_down", "satisfaction", "5", 1),
    ],
)
async def test_a_city_s_file_tells_satisfaction_in_its_own_scale(
    settings, tmp_path, scale: str, column: str, told: str, score: int
) -> None:
    drop = tmp_path / "drop"
    (drop / "acks").mkdir(parents=True)
    async with open_books(settings) as books:
        await keep(books, note(1), "drop")
        begin = f"stub,what,at,{column}\n{name(1)},followed_up,{time_text(T0 + 200)}"
        (drop / "acks" / "1.csv").write_text(f"{begin},{told}\n", "utf-8")
        (drop / "acks" / "2.csv").write_text(f"{begin},还行\n", "utf-8")
        done = await one_round(books, rules(drop=drop, scale=scale), T0 + 400)
        assert done.acknowledged == 1
        (refused,) = done.refused
        assert "line 2" in refused
        assert "satisfaction" in refused
        (stub,) = await rows(books, stubs)
        assert stub["score"] == score


ACCEPTED = {"stub": name(1), "what": "accepted", "at": time_text(T0 + 200), "order_no": "YZ-1"}


@pytest.mark.parametrize(
    "line",
    [
        '["a"]',
        "17",
        json.dumps(ACCEPTED | {"what": "followed_up"})[:-1] + ', "score": Infinity}',
        "[" * 100_000,
        '{"stub": ' * 100_000,
        "{",
        json.dumps(ACCEPTED | {"note": {"a": 1}}),
        json.dumps(ACCEPTED | {"score": True}),
        json.dumps(ACCEPTED | {"at": "0001-01-01"}),
        json.dumps(ACCEPTED | {"stub": "nobody's\0", "note": "\ud800"}),
        json.dumps(ACCEPTED | {"order_no": "YZ-2"}),
    ],
)
async def test_a_bad_file_of_a_city_is_put_aside_whole_and_the_next_is_read(settings, tmp_path, line: str) -> None:
    drop = tmp_path / "drop"
    acks = drop / "acks"
    acks.mkdir(parents=True)
    async with open_books(settings) as books:
        await keep(books, note(1))
        await keep(books, note(2))
        (acks / "1.jsonl").write_text(json.dumps(ACCEPTED) + "\n" + line + "\n", "utf-8")
        (acks / "2.jsonl").write_text(json.dumps(ACCEPTED | {"stub": name(2), "order_no": "YZ-9"}), "utf-8")
        done = await one_round(books, rules(drop=drop), T0 + 400)
        assert done.acknowledged == 1
        assert done.refused
        assert [row["order_no"] for row in await rows(books, stubs)] == ["", "YZ-9"]  # Nothing of the first file.
        assert (acks / "refused" / "1.jsonl").exists()
        assert (acks / "taken" / "2.jsonl").exists()


def test_the_command_keeps_a_note_and_says_what_is_wrong_with_another(settings, tmp_path: Path) -> None:
    async def happened() -> None:
        async with history_at(settings.sql_url, tmp_path) as history:
            for fact in answered_remote(1, T0, T0 + 30):
                history.record(fact)
            await history.flush()

    asyncio.run(happened())

    def run(text: str):
        return CliRunner().invoke(make_app(), ["orders", "note"], input=text, env=dict(settings.environment))

    good = {
        "call": name(1),
        "city": Y,
        "answering": X,
        "seat": "1301",
        "agent": "A1",
        "at": T0,
        "demand": "help",
        "code": "900400",
        "result": "forwarded",
        "content": "小区封闭",
    }
    assert run(json.dumps(good)).exit_code == 0
    assert "已有" in run(json.dumps(good)).output
    assert "已有" in run(json.dumps({**good, "city": "扬州", "answering": "0519" if X == "changzhou" else X})).output
    for wrong in (
        {**good, "code": "1"},
        {**good, "demand": "wunsch"},
        {**good, "colour": "red"},
        {**good, "city": X},
        {**good, "call": name(77)},
        {**good, "call": "../../etc/cron.d/x"},
        {**good, "call": 7},
    ):
        assert run(json.dumps(wrong)).exit_code != 0
    assert run("{").exit_code != 0


def test_a_wrong_records_toml_is_told_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "records.toml").write_text('[report]\nat_h = 25\ncolour = "red"\n[delivery.yangzhou]\nform = "docx"\n')
    with pytest.raises(RulesError) as refused:
        read_rules(tmp_path)
    told = str(refused.value)
    assert "report.at_h" in told
    assert "report.colour: no such key" in told
    assert "delivery.yangzhou.form" in told
    (tmp_path / "records.toml").write_text('[delivery.yangzhou]\nprofile = "beijing"\n')
    with pytest.raises(RulesError, match="beijing"):
        read_rules(tmp_path)
    assert read_rules(tmp_path / "nowhere") == Rules()


async def test_a_sealed_note_needs_the_key(settings) -> None:
    async with open_books(settings) as books:
        await keep(books, note(1), "webhook")
        other = Books(books.engine, AesSeal(KEY[::-1].encode()), books.settings)
        done = await one_round(other, rules(), T0 + 100)
        assert (done.sent, done.failed) == (0, 1)
        async with books.engine.connect() as connection:
            assert (await connection.execute(select(func.count()).select_from(deliveries))).scalar_one() == 1
