"""A seat whose phone is the browser: Chromium registers at a real city's PBX, rings, answers, and both hear each other."""

import asyncio
import functools
import http.server
import os
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page

from callctl.lab import tones
from callctl.lab.lab import Lab, LabPlan, Programs
from callctl.lab.program import find_asterisk
from tests.real.conftest import PROJECT, QUEUE, TIMES
from tests.real.floor import Floor
from tests.web.browser import chromium

pytestmark = [pytest.mark.real, pytest.mark.browser]
CITY = "yangzhou"
NETWORK = 120  # Beside the other real tests' cities.
STATIC = PROJECT / "callctl" / "web" / "static"
# The loudest frequency of what the page plays: an FFT bin is 23 Hz wide.
LOUDEST = """async () => {
  const context = new AudioContext({sampleRate: 48000});
  const analyser = context.createAnalyser();
  analyser.fftSize = 2048;
  context.createMediaStreamSource(phone.audio.srcObject).connect(analyser);
  await new Promise((done) => setTimeout(done, 600));
  const power = new Float32Array(analyser.frequencyBinCount);
  analyser.getFloatFrequencyData(power);
  const best = power.indexOf(Math.max(...power));
  return [best * 48000 / 2048, power[best]];
}"""
PHONE = """async (account) => {
  window.heard = [];
  const audio = document.createElement("audio");
  document.body.append(audio);
  window.phone = new callctlPhone(account, audio);
  for (const kind of ["state", "ringing", "answered", "ended"]) {
    phone.addEventListener(kind, (event) => heard.push([kind, event.detail]));
  }
  await phone.start();
}"""


def voice(folder: Path) -> list[str]:
    """What the agent's fake microphone says: the tone of an agent."""
    file = folder / "microphone.wav"
    tones.write_file(file, "agent", 10)
    return [
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-audio-capture={file}",
        "--allow-loopback-in-peer-connection",
        "--autoplay-policy=no-user-gesture-required",
    ]


@pytest.fixture(scope="module")
def pages() -> Iterator[str]:
    """The built scripts on a page of loopback."""
    quiet_class = type("Quiet", (http.server.SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(quiet_class, directory=str(STATIC)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@asynccontextmanager
async def a_city(network: int, tls: bool) -> AsyncIterator[Floor]:
    with tempfile.TemporaryDirectory(prefix="cc-") as folder:
        plan = LabPlan(
            Path(folder), PROJECT, (CITY,), queue=QUEUE, network=network, times=TIMES, browser_seats=1, browser_tls=tls
        )
        lab = Lab(plan, Programs(asterisk=find_asterisk(os.environ, PROJECT)))
        lab.prepare()
        await lab.start()
        floor = Floor(lab)
        try:
            yield floor
        finally:
            await floor.close()
            lab.stop()


async def until(page: Page, kind: str, within_s: float = 15.0) -> Any:
    """The detail of the first event of this kind."""
    async with asyncio.timeout(within_s):
        while True:
            for seen, detail in await page.evaluate("heard"):
                if seen == kind:
                    return detail
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("tls", [False, True], ids=["ws", "wss"])
async def test_a_citizen_and_the_agent_in_the_browser_hear_each_other(
    run_number: int, pages: str, tmp_path: Path, tls: bool
) -> None:
    async with a_city(NETWORK + run_number, tls) as floor, chromium(*voice(tmp_path)) as browser:
        city = floor.city(CITY)
        [seat] = [seat for seat in city.seats if seat.in_browser]
        context = await browser.new_context(ignore_https_errors=tls, permissions=["microphone"])
        page = await context.new_page()
        await page.goto(f"{pages}/manifest.json")
        await page.add_script_tag(url=f"{pages}/softphone.js")
        assert city.pbx.browser_address.startswith("wss://" if tls else "ws://")
        account = {
            "address": city.pbx.browser_address,
            "uri": f"sip:{seat.id}@{city.pbx.host}",
            "password": floor.lab.settings.phone_secret(CITY, seat.id),
        }
        await page.evaluate(PHONE, account)
        assert await until(page, "state") == "registered"
        citizen = await floor.citizen(CITY)
        ring = await until(page, "ringing")
        assert ring["call"].startswith(f"{CITY}-")
        assert ring["home"] == CITY
        assert citizen.hears == "music", "the citizen waits in the queue until somebody answers"
        await page.evaluate("phone.answer()")
        await until(page, "answered")
        hertz, power = await page.evaluate(LOUDEST)
        assert abs(hertz - tones.TONES["citizen"]) < 30, (hertz, power)
        await citizen.until_hears("agent", 10.0)
        await page.evaluate("phone.hangUp()")
        await until(page, "ended")
        await citizen.until_ended()
        # Chromium breaks off its first handshake where nobody vouches for the certificate, and comes again as it was told.
        complaints = [line for line in floor.pbx(CITY).complaints() if not (tls and "ssl" in line.lower())]
        assert complaints == []


async def test_who_does_not_know_the_password_is_refused_and_may_dial_nothing(
    run_number: int, pages: str, tmp_path: Path
) -> None:
    async with a_city(NETWORK + run_number, False) as floor, chromium(*voice(tmp_path)) as browser:
        city = floor.city(CITY)
        [seat] = [seat for seat in city.seats if seat.in_browser]
        page = await (await browser.new_context(permissions=["microphone"])).new_page()
        await page.goto(f"{pages}/manifest.json")
        await page.add_script_tag(url=f"{pages}/softphone.js")
        account = {"address": city.pbx.browser_address, "uri": f"sip:{seat.id}@{city.pbx.host}", "password": "guessed"}
        await page.evaluate(PHONE, account)
        assert await until(page, "state") == "refused"
        good = {**account, "password": floor.lab.settings.phone_secret(CITY, seat.id)}
        await page.evaluate("phone.stop()")
        await page.evaluate(PHONE, good)
        assert await until(page, "state") == "registered"
        refused = await page.evaluate(
            """(host) => new Promise((done) => {
                const call = phone.agent.call(`sip:12345@${host}`, {mediaStream: phone.microphone});
                call.on("failed", (end) => done(end.message?.status_code ?? end.cause));
                call.on("confirmed", () => done("connected"));
            })""",
            city.pbx.host,
        )
        assert refused in {404, 603, 403}, "an agent's phone dials nothing"
