"""The pages of scripts where a press is refused: what was typed stays, also with the database away."""

import re

import httpx
import pytest

from callctl.rights import Role
from tests.web.house import Console
from tests.web.test_desk_browser import find_sql, lose_sql
from tests.web.test_scripts import published, write

ZH = {"Accept-Language": "zh"}
PAGES = "/cities/yangzhou/scripts"
TYPED = {"question": "离城需要什么证明？", "answer": "不需要证明。", "note": "解封", "from_at": "2027-01-02T08:30"}


def hidden(page: httpx.Response, name: str) -> str:
    found = re.findall(rf'name="{name}" value="([^"]*)"', page.text.partition("<main")[2])
    assert len(found) == 1, page.text
    return str(found[0])


@pytest.mark.parametrize("place", ["new", "{script}/edit"])
async def test_without_the_database_a_scripts_form_keeps_what_was_typed(console: Console, place: str) -> None:
    editor, draft = await write(console)
    there = f"{PAGES}/{place.format(script=draft['id'])}"
    first = await editor.get(there, headers=ZH)
    sent = {**TYPED, "request": hidden(first, "request"), "seen_saves": hidden(first, "seen_saves"), "must_read": "yes"}
    await lose_sql(console)
    answer = await editor.post(there, data=sent, headers=ZH)
    assert (answer.status_code, "历史库联系不上" in answer.text) == (503, True)
    assert f'action="{there}"' in answer.text
    assert [text for text in TYPED.values() if text not in answer.text] == []
    assert 'name="must_read" value="yes" checked' in answer.text
    assert [hidden(answer, name) for name in ("request", "seen_saves")] == [sent["request"], sent["seen_saves"]]
    await find_sql(console)
    assert (await editor.post(there, data=sent)).status_code == 303
    twice = await editor.post(there, data=sent, headers=ZH)
    assert (twice.status_code, "先前已执行过" in twice.text) == (409, True)


@pytest.mark.parametrize("act", ["publish", "reject"])
async def test_without_the_database_a_decision_says_so_and_stays(console: Console, act: str) -> None:
    _, draft = await write(console)
    approver = await console.as_role(Role.APPROVER, "yangzhou")
    there = f"{PAGES}/{draft['id']}/versions/1/decide"
    sent = {"decision": act, "why": "缺少依据", "seen_saves": "1", "request": "r-1"}
    await lose_sql(console)
    answer = await approver.post(there, data=sent, headers=ZH)
    assert (answer.status_code, "历史库联系不上" in answer.text) == (503, True)
    assert f'action="{there}"' in answer.text
    assert 'value="缺少依据"' in answer.text
    assert [hidden(answer, name) for name in ("request", "seen_saves")] == ["r-1", "1"]
    await find_sql(console)
    assert (await approver.post(there, data=sent)).status_code == 303


async def test_without_the_database_a_withdrawal_says_so_and_stays(console: Console) -> None:
    script = await published(console)
    approver = await console.as_role(Role.APPROVER, "yangzhou")
    there, sent = f"{PAGES}/{script['id']}/expire", {"why": "政策调整", "version": "1", "request": "r-1"}
    await lose_sql(console)
    answer = await approver.post(there, data=sent, headers=ZH)
    assert (answer.status_code, "历史库联系不上" in answer.text) == (503, True)
    assert f'action="{there}"' in answer.text
    assert 'value="政策调整"' in answer.text
    assert [hidden(answer, name) for name in ("request", "version")] == ["r-1", "1"]
    await find_sql(console)
    assert (await approver.post(there, data=sent)).status_code == 303


async def test_a_refused_withdrawal_keeps_its_reason_at_its_own_field(console: Console) -> None:
    script = await published(console)
    approver = await console.as_role(Role.APPROVER, "yangzhou")
    answer = await approver.post(f"{PAGES}/{script['id']}/expire", data={"why": "一" * 201, "version": "1"}, headers=ZH)
    assert (answer.status_code, f'value="{"一" * 201}"' in answer.text, 'id="w-expire-why-1"' in answer.text) == (
        422,
        True,
        True,
    )


async def test_who_saved_too_late_sees_what_changed_and_saves_with_the_second_press(console: Console) -> None:
    editor, draft = await write(console)
    there, again = f"{PAGES}/{draft['id']}/edit", f"/api/v1/cities/yangzhou/scripts/{draft['id']}/draft"
    opened = await editor.get(there, headers=ZH)
    other = {"question": "发热病人去哪里就诊？", "answer": "请到市一院。", "seen_saves": 1}
    assert (await editor.put(again, json=other)).status_code == 200
    mine = {"question": "发热病人去哪里就诊？", "answer": "请到省人民医院。", "seen_saves": hidden(opened, "seen_saves")}
    late = await editor.post(there, data={**mine, "request": "r-1"}, headers=ZH)
    assert late.status_code == 409
    assert "刚才有人保存或处理了" in late.text
    assert ("<del>市一</del>" in late.text, "请到省人民医院。</textarea>" in late.text) == (True, True)
    assert hidden(late, "seen_saves") == "2"
    once_more = {**mine, "seen_saves": hidden(late, "seen_saves"), "request": hidden(late, "request")}
    assert (await editor.post(there, data=once_more)).status_code == 303
    [newest] = (await editor.get("/api/v1/cities/yangzhou/scripts")).json()
    assert (newest["answer"], newest["saves"]) == ("请到省人民医院。", 3)
