"""The whole walk on real cities, in zh-CN: the supervisor switches on, the agent answers in the browser, all agree."""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from callctl.lab import tones
from callctl.lab.call import PhoneCall
from callctl.lab.lab import Lab, LabPlan, Programs
from callctl.lab.program import find_asterisk
from callctl.rights import Role
from callctl.store.notes import pull
from tests.real.conftest import PROJECT, QUEUE, TIMES
from tests.real.floor import Floor
from tests.real.stage import Stage
from tests.real.test_browser_phone import voice
from tests.web.browser import WALL, Site, chromium, picture_of, site_of

pytestmark = [pytest.mark.real, pytest.mark.browser, pytest.mark.timeout(300)]
NETWORK = 140  # Beside the other real tests' cities.
HOME, HELPER = "yangzhou", "xuzhou"
NUMBER = "1390514004"  # Of every citizen, but for the last digit.
TEXT = "小区积水，请求排涝"
CODE = "900400"  # 小区管控, of the starter set.
LOUDEST = """async () => {
  const context = new AudioContext({sampleRate: 48000});
  const analyser = context.createAnalyser();
  analyser.fftSize = 2048;
  context.createMediaStreamSource(document.querySelector("#phone audio").srcObject).connect(analyser);
  await new Promise((done) => setTimeout(done, 800));
  const power = new Float32Array(analyser.frequencyBinCount);
  analyser.getFloatFrequencyData(power);
  return power.indexOf(Math.max(...power)) * 48000 / 2048;
}"""


@asynccontextmanager
async def a_stage(network: int) -> AsyncIterator[Stage]:
    """Two cities; at each the last seat's phone is a browser."""
    with tempfile.TemporaryDirectory(prefix="cw-") as folder:
        plan = LabPlan(
            Path(folder) / "lab",
            PROJECT,
            (HOME, HELPER),
            seats=3,
            queue=QUEUE,
            network=network,
            times=TIMES,
            browser_seats=1,
            reserve=0,
        )
        lab = Lab(plan, Programs(asterisk=find_asterisk(os.environ, PROJECT)))
        lab.prepare()
        await lab.start()
        floor = Floor(lab)
        try:
            await lab.until_trunks_up()
            (Path(folder) / "state").mkdir()
            stage = Stage(floor, Path(folder) / "state")
            await stage.open()
            try:
                yield stage
            except BaseException:
                print(stage.story())  # What the controller wrote, for who reads why it failed.
                raise
            finally:
                await stage.close()
        finally:
            await floor.close()
            lab.stop()


async def opened(site: Site, browser: Browser, role: Role, city: str, path: str, **more: Any) -> Page:
    context = await site.context(browser, role, *([city] if city else []), **more)
    page = await context.new_page()
    await page.goto(path)
    return page


class Walk:
    """The people of the walk and what each does; every step keeps a screenshot."""

    def __init__(self, stage: Stage, site: Site, browser: Browser) -> None:
        self.stage, self.site, self.browser, self.floor = stage, site, browser, stage.floor

    async def the_province_starts_an_event(self) -> None:
        page = await opened(self.site, self.browser, Role.DISPATCHER, "", "/assistance")
        await page.get_by_text("填写启动令").click()
        form = page.locator("form[action='/assistance/events']")
        await form.get_by_label("被支援市").select_option(HOME)
        await form.get_by_label("标题").fill("暴雨应急支援")
        await form.get_by_label("借调前须支援市值班长确认座席").uncheck()
        await form.get_by_role("button", name="启动").click()
        await expect(page.locator("[role=status]")).to_contain_text("扬州")

    async def an_agent_sits_down(self) -> Page:
        """At the seat whose phone is the page."""
        [seat] = [seat for seat in self.floor.city(HELPER).seats if seat.in_browser]
        more = {"agent": seat.agent, "name": "zuoxi", "permissions": ["microphone"]}
        page = await opened(self.site, self.browser, Role.AGENT, HELPER, "/desk", **more)
        await page.get_by_label("座席号").select_option(seat.id)
        await page.get_by_role("button", name="签入").click()
        await expect(page.locator("[data-phone-state]")).to_have_text("软电话已注册，可以接听", timeout=30_000)
        await expect(page.locator("[data-state=paused]")).to_be_visible(timeout=30_000)
        await page.get_by_role("button", name="示闲").click()
        await expect(page.locator("[data-state=free]")).to_be_visible(timeout=30_000)
        return page

    async def the_wallboard_shows_who_waits_and_why(self) -> Page:
        more = {"size": WALL, "color_scheme": "dark"}
        page = await opened(self.site, self.browser, Role.DISPATCHER, "", "/board", **more)
        await expect(page.locator("#b-tile-yangzhou .waits b").first).to_have_text("2", timeout=30_000)
        await expect(page.locator("#b-alarms")).to_contain_text("本市支援开关未开启", timeout=30_000)
        await picture_of(page, "walk-1-waiting")
        return page

    async def the_supervisor_switches_on(self) -> None:
        page = await opened(self.site, self.browser, Role.SUPERVISOR, HOME, "/assistance", name="wang")
        await page.get_by_role("button", name="开启支援").click()
        await expect(page.locator("[role=status]")).to_contain_text("扬州支援已开启")
        await picture_of(page, "walk-2-switched-on")

    async def it_rings_and_is_answered(self, agent: Page, citizens: list[PhoneCall]) -> PhoneCall:
        """With city and masked number on the page before anybody answers; then both hear each other."""
        await expect(agent.locator(".pop")).to_contain_text("扬州12345", timeout=20_000)
        await expect(agent.locator(".pop")).to_contain_text("139****004", timeout=30_000)
        assert {citizen.hears for citizen in citizens} == {"music"}, "they keep their places until somebody answers"
        await picture_of(agent, "walk-3-ringing")
        await agent.get_by_role("button", name="接听").click()
        async with asyncio.timeout(15):
            while not any(citizen.hears == "agent" for citizen in citizens):  # noqa: ASYNC110 - Voice tells nobody.
                await asyncio.sleep(0.05)
        assert abs(await agent.evaluate(LOUDEST) - tones.TONES["citizen"]) < 30
        return next(citizen for citizen in citizens if citizen.hears == "agent")

    async def the_note_is_written(self, agent: Page, citizen: PhoneCall) -> str:
        """While they talk, and finished after; the call's id."""
        note = agent.locator("[data-note]").first
        call = str(await note.get_attribute("data-note"))
        await note.get_by_label("诉求内容").fill(TEXT)
        await note.get_by_label("诉求类型").select_option("help")
        await note.get_by_label("分类代码").fill("小区管控")
        await expect(note.locator("datalist option").first).to_have_attribute("value", CODE, timeout=30_000)
        await note.get_by_label("分类代码").fill(CODE)
        await note.get_by_label("流转办理").check()
        await expect(note.locator("[data-draft-state]")).to_have_text("已自动保存", timeout=30_000)
        await agent.get_by_role("button", name="挂断").click()
        await citizen.until_ended()
        await note.get_by_role("button", name="保存小结").click()
        await expect(agent.locator("[role=status]").first).to_contain_text("小结已保存")
        await expect(agent.locator(f"[data-note='{call}']")).to_have_count(0)
        await picture_of(agent, "walk-4-noted")
        return call

    async def history_audit_and_wallboard_agree(self, board: Page, call: str) -> None:
        await self.stage.until_recorded("CallEnded", call)
        outcomes = self.stage.outcomes(HOME)
        assert outcomes[call] == ("answered", HELPER)
        demands = self.site.house.demands
        async with demands.cabinet.engine() as engine:
            [stub], _ = await pull(engine, HOME, 0, 10, demands.seal)
        [seat] = [seat for seat in self.floor.city(HELPER).seats if seat.in_browser]
        assert (stub["call_id"], stub["city"], stub["answering_city"], stub["seat"]) == (call, HOME, HELPER, seat.id)
        assert (stub["content"], stub["code"], stub["agent"]) == (TEXT, CODE, seat.agent)
        assert stub["caller_no"].startswith(NUMBER), "the citizen's own number, for the city's order alone"
        audited = [entry for entry in await self.site.house.room.history.audited(50) if entry.city == HOME]
        assert ("wang", "switch on") in [(entry.who, entry.what) for entry in audited]
        await expect(board.locator("#b-tile-yangzhou")).to_contain_text("(1/2)", timeout=30_000)
        await expect(board.locator("#b-events")).to_contain_text("100% (1/1)", timeout=30_000)
        await picture_of(board, "walk-5-agreed")
        page = await opened(self.site, self.browser, Role.AUDITOR, "", "/audit?city=yangzhou")
        await expect(page.locator("table")).to_contain_text("开启支援")

    async def the_list_of_calls_tells_the_same(self, call: str) -> None:
        """The history as people see it, with no number in full."""
        page = await opened(self.site, self.browser, Role.SUPERVISOR, HOME, f"/cities/{HOME}/calls")
        row = page.locator("tr", has=page.get_by_role("link", name=call, exact=True))
        await expect(row).to_contain_text("徐州")
        await expect(row).to_contain_text("139****004")
        assert NUMBER not in await page.content()
        await picture_of(page, "walk-6-history")


async def test_from_the_switch_to_the_note_everybody_tells_the_same(
    run_number: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    async with (
        a_stage(NETWORK + run_number) as stage,
        site_of(stage.settings, stage.floor.lab.province) as site,
        chromium(*voice(tmp_path)) as browser,
    ):
        walk = Walk(stage, site, browser)
        stage.start_controller("a")
        await stage.until(lambda status: all(city["up"] for city in status["cities"].values()), 60.0)  # A busy machine.
        await walk.the_province_starts_an_event()
        agent = await walk.an_agent_sits_down()
        citizens = [await stage.floor.citizen(HOME, f"{NUMBER}{n}") for n in range(2)]
        board = await walk.the_wallboard_shows_who_waits_and_why()
        await walk.the_supervisor_switches_on()
        answered = await walk.it_rings_and_is_answered(agent, citizens)
        await expect(board.locator("#b-flow-list")).to_contain_text("徐州 → 扬州", timeout=30_000)
        await expect(board.locator("#b-tile-yangzhou .waits b").first).to_have_text("1")
        call = await walk.the_note_is_written(agent, answered)
        await walk.history_audit_and_wallboard_agree(board, call)
        await walk.the_list_of_calls_tells_the_same(call)
        written = [stage.log("a").read_text("utf-8"), *capfd.readouterr()]  # The controller's log, and the console's.
        assert "leading" in written[0]
        assert [NUMBER in text for text in written] == [False] * 3, "a citizen's number stands in a log"
