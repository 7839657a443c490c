"""Record what real FreeSWITCH cities answer and say while a story is told to them: tests/pbx/recordings/told-fs-*.

CALLCTL_FREESWITCH=/opt/freeswitch python -m tests.real.record_told story     two cities, with phones and calls
CALLCTL_FREESWITCH=/opt/freeswitch python -m tests.real.record_told words     one switch without SIP: answers, refusals
"""

import asyncio
import contextlib
import gzip
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from callctl.core.model import PbxKind
from callctl.lab.freeswitch import FreeSwitchPbx
from callctl.lab.lab import Lab
from callctl.pbx.freeswitch_reading import AGENTS_COMMAND, CHANNELS_COMMAND, members_command
from tests.pbx.driver import Driver
from tests.pbx.replay import RECORDINGS
from tests.pbx.told_story import ALPHA, OWN, Ask, hear, tell, tell_words
from tests.real.programs import programs_for
from tests.real.test_pbx_contract import running
from tests.real.two_cities import tell as tell_two
from tests.real.two_cities import two_cities

FREESWITCH = PbxKind.FREESWITCH
WORDS_NETWORK = 87  # Of a switch that stands alone; no other lab is there.


def story() -> None:
    """Two cities, one story."""
    with running(0, FREESWITCH, FREESWITCH) as lab:

        async def recorded(driver: Driver) -> None:
            heard, _ = await hear(lambda ask: tell(driver, ask), {code: address(lab, code) for code in lab.pbxs})
            for code, content in heard.items():
                keep(f"told-fs-{code}", content)

        asyncio.run(tell_two(lab, recorded))


def words() -> None:
    """One switch with the rendered configuration, but for SIP."""
    for name, part in (("words", tell_words), ("only-real", only_real)):
        with alone() as lab:
            heard, _ = asyncio.run(once_up(lab, part))
            keep(f"told-fs-{name}-alpha", heard["alpha"])


@contextlib.contextmanager
def alone() -> Iterator[Lab]:
    """Alpha, without SIP and so without phones and trunks."""
    with tempfile.TemporaryDirectory(prefix="callctl-alone-") as folder:
        kinds = {"alpha": FREESWITCH, "beta": FREESWITCH}
        lab = two_cities(Path(folder), programs_for([FREESWITCH]), WORDS_NETWORK, kinds)
        pbx = lab.pbxs["alpha"]
        assert isinstance(pbx, FreeSwitchPbx)
        modules = pbx.folders.etc / "autoload_configs" / "modules.conf.xml"
        kept = [line for line in modules.read_text(encoding="utf-8").splitlines() if "mod_sofia" not in line]
        modules.write_text("\n".join(kept), encoding="utf-8")
        pbx._lay_out_varlib()
        for part in (pbx.folders.log, pbx.folders.run, pbx.folders.spool):
            part.mkdir(parents=True, exist_ok=True)
        quiet, env = subprocess.DEVNULL, {**os.environ, **lab.environment}
        process = subprocess.Popen(pbx._command(), env=env, cwd=folder, stdout=quiet, stderr=quiet)
        try:
            yield lab
        finally:
            process.kill()
            process.wait()


async def once_up(lab: Lab, part):
    """Tell it as soon as mod_callcenter, the last module, is there."""
    pbx = lab.pbxs["alpha"]
    async with asyncio.timeout(30.0):
        while True:
            with contextlib.suppress(Exception):
                if await pbx.cli("module_exists mod_callcenter", 2.0) == "true":
                    break
            await asyncio.sleep(0.2)
    await asyncio.sleep(1.0)
    return await hear(part, {"alpha": address(lab, "alpha")})


async def only_real(ask: Ask) -> None:
    """What the stand-in has no words for: a seat put on break by its own max_no_answer, and a module loaded anew."""
    for command in (
        f"callcenter_config agent set status {OWN} Available",
        f"callcenter_config agent set max_no_answer {OWN} 1",
        f"callcenter_config agent set contact {OWN} error/NO_ANSWER",
        "originate null/nobody &callcenter(q12345)",
    ):
        await ask("alpha", command)
    await asyncio.sleep(2.0)
    for command in (AGENTS_COMMAND, CHANNELS_COMMAND, members_command(ALPHA), "hupall"):
        await ask("alpha", command)
    await asyncio.sleep(4.0)
    await ask("alpha", "reload mod_callcenter")
    await asyncio.sleep(2.0)


def address(lab: Lab, code: str) -> tuple[str, int, str]:
    """Where that city's event socket is, and its password."""
    pbx = lab.province.cities[code].pbx
    return pbx.ami_host or pbx.host, pbx.ami_port, lab.settings.ami_secret(code)


def keep(name: str, content: bytes) -> None:
    """Write one recording."""
    with (RECORDINGS / f"{name}.esl.gz").open("wb") as file, gzip.GzipFile("", "wb", 9, file, 0) as out:
        out.write(content)


if __name__ == "__main__":
    {"story": story, "words": words}[sys.argv[1]]()
