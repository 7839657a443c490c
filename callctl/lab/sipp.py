"""Load by SIPp: many citizens, many agents, little CPU. What single callers hear, callctl.lab.phone proves."""

import asyncio
import csv
import ipaddress
import math
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from callctl.core.model import City
from callctl.lab.processes import Mark
from callctl.settings import Settings

_SCENARIOS = Path(__file__).parent / "scenarios"
_PATIENCES = 8  # SIPp takes a recv's timeout only as a written number: an exponential in so many steps.
_CITIZENS_PORT = 5062  # The carrier's 5060 stays free for phones.
_AGENTS_PORT = 6000
_STAT_EVERY_S = 1
_LONGEST_TALK_MS = 3_600_000
_CALLS_AT_ONCE = 5000  # Of a city's agents, phones asked for their health included.


class SippFailed(Exception):
    """SIPp is missing or could not do its work; str() says what."""


@dataclass(frozen=True, slots=True)
class SippCount:
    """One line of SIPp's statistics (-trace_stat), the sums since its start."""

    placed: int
    now: int  # Calls going on.
    succeeded: int
    failed: int
    elapsed_s: float


@dataclass(frozen=True, slots=True)
class SippLoad:
    """Citizens who call one city."""

    rate_per_s: float
    for_s: float
    patience_s: float = 60.0  # Mean; a citizen gives up then, waiting or (SIPp cannot tell) talking.
    seed: int = 0
    voice: str = ""  # An a-law file in the load's folder, said over and over; "" keeps silent.


class Sipp:
    """One SIPp process and its files."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder / "sipp"
        self.name = name
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, text: str, arguments: Iterable[str], rows: Iterable[str] = ()) -> None:
        """Run the scenario in `text`; `rows` are its injection file's. Raises SippFailed."""
        program = shutil.which("sipp")
        if program is None:
            raise SippFailed("SIPp is not installed: run `make setup`, or apt-get install sip-tester")
        self.folder.mkdir(parents=True, exist_ok=True)
        for old in self.folder.glob(f"{self.name}.*"):
            old.unlink()
        self._path("xml").write_text(text, encoding="utf-8")
        injected: list[str] = []
        lines = list(rows)
        if lines:
            self._path("csv").write_text("SEQUENTIAL\n" + "".join(f"{line}\n" for line in lines), encoding="utf-8")
            injected = ["-inf", str(self._path("csv"))]
        setpriv = shutil.which("setpriv", path="/usr/bin:/bin")
        tied = [setpriv, "--pdeathsig", "KILL"] if setpriv else []
        files = ["-trace_stat", "-stf", str(self._path("stat")), "-fd", str(_STAT_EVERY_S)]
        files += ["-trace_err", "-error_file", str(self._path("errors"))]
        command = [*tied, program, "-sf", str(self._path("xml")), *injected, *files, "-nostdin", *arguments]
        with self._path("out").open("wb") as out:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                process_group=0,
            )

    def _path(self, kind: str) -> Path:
        return (self.folder / f"{self.name}.{kind}").absolute()

    @property
    def running(self) -> bool:
        """Whether it still calls."""
        return self._process is not None and self._process.poll() is None

    def count(self) -> SippCount | None:
        """The newest line of its statistics, None before the first."""
        try:
            text = self._path("stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None
        return parse_stat(text)

    async def until_ended(self, on_count: Callable[[SippCount], None] = lambda _: None) -> SippCount:
        """Wait for the end; the last count. Raises SippFailed where SIPp itself failed."""
        assert self._process is not None, "start() comes first"
        while self.running:
            await asyncio.sleep(_STAT_EVERY_S / 2)
            count = self.count()
            if count:
                on_count(count)
        # 0: all calls succeeded, 1: some failed, 97: ended on demand (sipp(1), "Exit codes").
        if self._process.returncode not in {0, 1, 97, -signal.SIGKILL, -signal.SIGTERM}:
            raise SippFailed(f"SIPp ended with {self._process.returncode}: {self.complaint()}")
        return self.count() or SippCount(0, 0, 0, 0, 0.0)

    def complaint(self) -> str:
        """SIPp's last words."""
        for kind in ("errors", "out"):
            path = self._path(kind)
            text = path.read_text(encoding="utf-8", errors="replace").strip() if path.exists() else ""
            if text:
                return text.splitlines()[-1][:200]
        return "it says nothing"

    def stop(self) -> None:
        """End it now."""
        if self._process is not None and self.running:
            Mark.of(self._process.pid).send(signal.SIGKILL)
            self._process.wait()


def parse_stat(text: str) -> SippCount | None:
    """The sums in the last whole line of a -trace_stat file; None before the first."""
    rows = [row for row in csv.DictReader(text.splitlines(), delimiter=";") if row.get("FailedCall(C)")]
    if not rows:
        return None
    last = rows[-1]
    hours, minutes, seconds = last["ElapsedTime(C)"].split(":")[:3]
    return SippCount(
        placed=int(last["TotalCallCreated"]),
        now=int(last["CurrentCall"]),
        succeeded=int(last["SuccessfulCall(C)"]),
        failed=int(last["FailedCall(C)"]),
        elapsed_s=int(hours) * 3600 + int(minutes) * 60 + float(seconds),
    )


def scenario(name: str, **values: object) -> str:
    """The text of scenarios/<name>.xml with its values filled in."""
    templates = Environment(loader=FileSystemLoader(_SCENARIOS), undefined=StrictUndefined, autoescape=True)
    return templates.get_template(f"{name}.xml").render(**values)


def patiences_ms(mean_s: float) -> list[int]:
    """Steps of equal likelihood whose mean is that of the exponential, in milliseconds."""
    edges = [-math.log(1 - n / _PATIENCES) for n in range(_PATIENCES)]
    # The mean of an exponential between its n-th and its (n+1)-th edge: ∫x·e^-x = (a+1)e^-a - (b+1)e^-b.
    parts = [(edge + 1) * math.exp(-edge) for edge in edges] + [0.0]
    return [max(100, round(1000 * mean_s * _PATIENCES * (parts[n] - parts[n + 1]))) for n in range(_PATIENCES)]


def citizens(folder: Path, city: City, load: SippLoad) -> Sipp:
    """Start citizens who call this city. Raises SippFailed."""
    calls = max(1, round(load.rate_per_s * load.for_s))
    sipp = Sipp(folder, f"citizens-{city.code}")
    arguments = [
        f"{city.pbx.host}:{city.pbx.sip_port}",
        *("-i", city.pbx.carrier, "-p", str(_CITIZENS_PORT), "-s", "12345"),
        # SIPp takes whole numbers a period: the rate in calls a 10 s.
        *("-r", str(max(1, round(load.rate_per_s * 10))), "-rp", "10000", "-m", str(calls)),
        *("-l", str(calls)),  # Else SIPp holds callers back when many wait.
    ]
    numbers = (f"13{city.area_code[-3:]:0>3}{load.seed % 10:01d}{number % 100_000:05d};" for number in range(calls))
    sipp.start(scenario("citizen", patiences_ms=patiences_ms(load.patience_s), voice=load.voice), arguments, numbers)
    return sipp


async def agents(folder: Path, city: City, settings: Settings, *, answer_after_s: float, talk_s: float) -> Sipp:
    """Register every seat of this city and let one SIPp answer for all of them. Raises SippFailed."""
    address = str(ipaddress.ip_network(city.pbx.phones).network_address + 2)  # .1 is the scripted phones'.
    pbx = f"{city.pbx.host}:{city.pbx.sip_port}"
    ours = ["-i", address, "-p", str(_AGENTS_PORT)]
    rows = []
    for seat in city.seats:
        password = settings.phone_secret(city.code, seat.id)
        rows.append(f"{seat.id};[authentication username={seat.id} password={password}];{_AGENTS_PORT}")
    registering = Sipp(folder, f"register-{city.code}")
    registering.start(scenario("register"), [pbx, *ours, "-m", str(len(rows)), "-r", "50"], rows)
    count = await registering.until_ended()
    if count.succeeded < len(rows):
        raise SippFailed(
            f"{len(rows) - count.succeeded} of {city.code}'s seats did not register: {registering.complaint()}"
        )
    answering = Sipp(folder, f"agents-{city.code}")
    answer_ms, talk_ms = round(answer_after_s * 1000), min(round(talk_s * 1000), _LONGEST_TALK_MS)
    answering.start(
        scenario("agent", answer_ms=answer_ms, talk_ms=talk_ms), [*ours, "-rtp_echo", "-l", str(_CALLS_AT_ONCE)]
    )
    return answering
