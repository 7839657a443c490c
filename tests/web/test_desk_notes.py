"""Half-written notes by page and API: one agent's own, kept for days, finished once, or thrown away by a button."""

from callctl.rights import Role
from callctl.store.drafts import KEPT_S
from tests.web.house import Console, problem
from tests.web.test_desk import CALL, NOTE, agent, answered, seated, stub_of

OTHERS = "yangzhou-1790000000.99"
WRITTEN = {"demand": "help", "content": "小区积水 <b>", "urgent": True}


async def test_what_the_page_has_kept_a_machine_reads_and_the_other_way_round(console: Console) -> None:
    browser = await agent(console)
    kept = await browser.put(f"/api/v1/desk/notes/{CALL}", json=WRITTEN)
    assert kept.json() == {"call": CALL, "at": console.clock()}
    page = (await browser.get("/desk/notes")).text
    assert "小区积水 &lt;b&gt;" in page
    assert 'name="urgent" value="yes" checked' in page
    console.clock.at += 1.0
    await browser.put(f"/desk/notes/{CALL}", json={"content": "改过", "confidential": "yes"})
    [note] = (await browser.get("/api/v1/desk/notes")).json()
    assert (note["call"], note["content"], note["urgent"], note["confidential"]) == (CALL, "改过", False, True)
    console.clock.at += KEPT_S + 1.0
    browser = await agent(console)
    assert (await browser.get("/api/v1/desk/notes")).json() == []


async def test_what_is_too_long_or_no_call_is_told_and_keeps_nothing(console: Console) -> None:
    browser = await agent(console)
    long = problem(await browser.put(f"/api/v1/desk/notes/{CALL}", json={"content": "x" * 4001}))
    assert [one["field"] for one in long["errors"]] == ["content"]
    assert (await browser.put("/api/v1/desk/notes/..", json=WRITTEN)).status_code in (404, 405, 422)
    assert (await browser.put("/api/v1/desk/notes/NO-1", json=WRITTEN)).status_code == 422
    assert (await browser.get("/api/v1/desk/notes")).json() == []


async def test_a_half_written_note_of_a_call_that_was_not_ones_own_is_thrown_away_by_a_button(console: Console) -> None:
    browser = await seated(console)
    await browser.put(f"/desk/notes/{OTHERS}", json={"content": "写错了人"})
    refused = await browser.post(f"/desk/notes/{OTHERS}", data={**NOTE, "call": OTHERS, "content": "写错了人"})
    assert refused.status_code == 403, "not one's own"
    assert "写错了人" in refused.text, "and nothing is lost by that"
    drop = f"/desk/notes/{OTHERS}/drop"
    assert drop in (await browser.get("/desk")).text
    dropped = await browser.post(drop, data={"request": "1"})
    assert (dropped.status_code, dropped.headers["location"]) == (303, "/desk")
    assert OTHERS not in (await browser.get("/desk/notes")).text
    assert (await browser.post(drop)).status_code == 303, "once more does no harm"


async def test_what_is_thrown_away_is_the_draft_and_never_a_note_that_was_saved(console: Console) -> None:
    browser = await seated(console)
    await answered(console)
    assert (await browser.post("/api/v1/desk/wrap-up", json=NOTE)).json() == {"new": True}
    await browser.put(f"/api/v1/desk/notes/{CALL}", json=WRITTEN)
    assert (await browser.delete(f"/api/v1/desk/notes/{CALL}")).status_code == 204
    assert (await browser.get("/api/v1/desk/notes")).json() == []
    [stub] = await stub_of(console)
    assert stub["content"] == NOTE["content"]


async def test_nobody_reads_or_throws_away_a_colleagues_draft(console: Console) -> None:
    await console.account("zhang", Role.AGENT, "xuzhou", agent="A2")
    writer, beside = await agent(console), await console.signed_in("zhang")
    await writer.put(f"/api/v1/desk/notes/{CALL}", json=WRITTEN)
    assert (await beside.get("/api/v1/desk/notes")).json() == []
    await beside.delete(f"/api/v1/desk/notes/{CALL}")
    await beside.post(f"/desk/notes/{CALL}/drop")
    assert [note["call"] for note in (await writer.get("/api/v1/desk/notes")).json()] == [CALL]


async def test_a_seat_with_a_telephone_gives_no_account_to_a_page(console: Console) -> None:
    nowhere = await agent(console)
    assert problem(await nowhere.get("/api/v1/desk/phone"))["status"] == 422, "sign in at a seat first"
    browser = await seated(console)
    for place in ("/api/v1/desk/phone", "/desk/phone"):
        assert (await browser.get(place)).status_code == 404, place
