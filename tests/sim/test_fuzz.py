"""Random provinces with random trouble: a few on every run of the tests, named ones that once failed, and exact replay."""

import asyncio
import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from callctl.cli import fuzz
from callctl.core.wishes import Wishes
from callctl.sim.fuzz import FuzzRun, Verdict, live_through
from callctl.sim.random_province import ASLEEP, ASLEEP_FROM, FREESWITCH_FROM, TROUBLES, draw
from callctl.sim.tally import Tally, code_version, open_log
from callctl.sim.trouble import KINDS
from callctl.sim.virtual_time import run_virtual

ROOT = Path(__file__).resolve().parent.parent.parent
FEW = (*range(20), 110_002, 110_007, 110_011)  # The last three have FreeSWITCH cities.
# What each of them was about, and what was wrong: with callctl, or with what the checkers asked.
NAMED = {
    53: "a PBX that thaws tells many things in one instant: their order is the order of the steps, not of the clock",
    54: "a share lowered in mid-call: who is on an assisted call stays lent until it is over",
    421: "a PBX that started anew: seats that still ring or talk for its old life kept slots open that nobody could answer",
    769: "the same, for a seat that had been called home in mid-ring",
    863: "the same",
    10287: "the same",
    10145: "the same, and with it more slots than the trunk carries",
    10157: "the same",
    10818: "the same",
    727: "a seat called home and lent again before the Recall was obeyed: lent by a token the registry had taken back",
    10598: "the same",
    122: "a slot opened beyond the trunk, after a PBX was dead for two seconds; seats ring together here",
    61665: "the fact of a loan was lost: forgotten three seconds after the PBX had confirmed it, and lent a second time",
    62059: "the same, and with it more seats than the quota",
    61265: "a loan taken back in the registry while its Lend was in a slow link and only the Recall behind it was expected",
    60484: "the same on a slow PBX",
    61014: "the end of 'two controllers' came after everything was mended, and killed the last controller",
    60188: "a ring that a successor found in its first reading, cancelled without a word: its slot counted for 30 s",
    61319: "the same",
    61036: "the same, after a PBX was frozen",
    60937: "a seat promised over a slow link, its slot still on its way: the checker counted it as spare",
    70094: "the registry forgot who led: the standby led half a second before the leader knew, and both opened slots",
    71399: "the same, with a standby that had been stopped and deposed",
    72124: "the same",
    72562: "the same",
    70930: "facts of two loans were lost on the way to a standby: it took over and lent a third seat, the quota being two",
    71286: "a stop in the history alone, a moment before the registry was back: read ten seconds later",
    71786: "an event ended while registry and history were both lost: the desk refuses that, the simulated one did not",
    101823: "lent, taken back and lent again on a slow link: the first loan's fact settled the order that still waited",
    105394: "two seats lent in one ring group on a slow link: for a second caller the one at hand had to move",
    108056: "a caller who came back stood before one whose phone rang at home, and was taken for that one: no help",
    105952: "stopped for less than the lease's life, woken, and a slot opened before the wishes were read: the checker",
    108326: "the same, for a loan",
    109848: "a leg cut off was given up by the simulated PBX for the seat that had the call before: it freed one that rang",
    184109: "six loans called home one after the other on a link that is nearly a second slow: the checker",
    169530: "an assisted PBX and the controller both started anew: the new one took dead talks for calls under way",
    151493: "a trunk flapped for a minute: a seat was lent and called home each time it was up",
    135442: "an order about a slot behind two others and two heartbeats on a link that is a second slow: the checker",
    135618: "a slot open for a talk that the far end alone believes in, where nobody is lent: the checker counted a seat",
    135845: "a ring at a PBX that died and was back soon: its slot counted as open for the seat that was lent next",
    133318: "three slots closed one after the other on a link that is a second slow: the checker waited for one",
    113657: "a supporting PBX started anew: slots of its dead talks counted as open for the seat that was lent next",
    100363: "the registry forgot while the only controller was cut from it: the checker asked for bookings all the same",
}


@pytest.mark.parametrize("seed", [*FEW, *NAMED])
def test_every_promise_is_kept(seed: int) -> None:
    lived = live_through(seed)
    assert lived.violation == "", f"callctl sim replay {seed} --shrink"
    assert lived.calls > 0


def test_there_is_something_to_check() -> None:
    lived = [live_through(seed) for seed in (7, 35, 36)]
    assert all(each.calls > 80 and each.remote > 20 and each.orders > 10 for each in lived)


def test_a_seed_gives_the_same_facts_and_orders_in_every_process() -> None:
    told = subprocess.run(
        [sys.executable, "-m", "callctl", "sim", "replay", "2"],
        cwd=ROOT, capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "7", "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    here = live_through(2, traced=True)
    assert here.steps > 500
    assert f"trace      {here.trace}" in told.stdout
    assert live_through(3, traced=True).trace != here.trace


def test_the_provinces_differ_and_every_trouble_comes() -> None:
    drawn = [draw(seed) for seed in (*range(300), *range(ASLEEP_FROM, ASLEEP_FROM + 20))]
    assert {trouble.kind for each in drawn for trouble in each.troubles} == {*TROUBLES, ASLEEP} == set(KINDS)
    assert {len(each.province.cities) for each in drawn} >= set(range(2, 9))
    assert max(len(each.province.cities) for each in drawn) > 10
    assert {act.what for each in drawn for act in each.acts} > {
        "switch",
        "quota",
        "stop",
        "share",
        "priority",
        "event ends",
    }
    assert any(each.dead_end for each in drawn)
    mixed = [draw(seed).province.cities.values() for seed in range(FREESWITCH_FROM, FREESWITCH_FROM + 20)]
    assert {len({city.pbx.kind for city in cities}) for cities in mixed} == {1, 2}
    assert draw(5) == drawn[5]


def test_an_act_is_refused_while_the_history_is_lost_but_for_a_stop_that_the_registry_hears() -> None:
    async def whole() -> list[bool]:
        run = FuzzRun(draw(2))
        run.history.lost = True
        told = []
        for lost in (False, True):
            run.registry.lost = lost
            for act in (Wishes(quotas={"ca": 1}), Wishes(stopped=True)):
                before = len(run.checkers.wished)
                run.history.known = None
                run.act(act)
                await asyncio.sleep(1)
                told.append(len(run.checkers.wished) > before)
        return told

    assert run_virtual(whole()) == [False, True, False, False]


def verdict(seed: int, violation: str = "") -> Verdict:
    return Verdict(seed, 100, 10, 20, 3, 4, 99.0, 900, "", violation)


def write(path: Path, *verdicts: Verdict) -> None:
    with open_log(path) as lines:
        for each in verdicts:
            Tally.append(lines, each)


def test_results_are_kept_in_a_file_and_counted_once(tmp_path: Path) -> None:
    path = tmp_path / "build" / "fuzz.jsonl"
    assert Tally.read(path).seeds == set()
    write(path, verdict(1), verdict(2, "quota: too many"), verdict(1))
    tally = Tally.read(path)
    assert tally.seeds == {1, 2}
    assert tally.failing == {2: "quota: too many"}
    assert tally.as_json()["calls"] == 200
    assert "2 provinces, 200 calls" in tally.told()
    assert "1 violations" in tally.told()


@pytest.mark.parametrize("left", ['{"seed": 3, "cal', '{"ver', '{"version": "a", "seed": 3, "violation": "市'])
def test_a_line_that_a_crash_cut_off_is_passed_over_at_every_later_resume(tmp_path: Path, left: str) -> None:
    path = tmp_path / "fuzz.jsonl"
    write(path, verdict(1))
    with path.open("ab") as cut_off:
        cut_off.write(left.encode()[: -1 if left.endswith("市") else None])
    for seed in (3, 4):
        write(path, verdict(seed))
        tally = Tally.read(path)
        assert (seed in tally.seeds, tally.ignored) == (True, 1)
    assert tally.seeds == {1, 3, 4}


def test_verdicts_of_other_code_do_not_count(tmp_path: Path) -> None:
    path = tmp_path / "fuzz.jsonl"
    write(path, verdict(1))
    older = [{**asdict(verdict(2, "lost"))}, {"version": "0123456789abcdef", **asdict(verdict(3)), "no such word": 1}]
    with path.open("a", encoding="utf-8") as lines:
        lines.writelines(json.dumps(row) + "\n" for row in older)
    tally = Tally.read(path)
    assert (tally.seeds, tally.failing, tally.ignored) == ({1}, {}, 2)
    assert tally.as_json()["ignored"] == 2


@pytest.mark.parametrize(
    "text", ["hello\n", "hello", "[1]\n", "{}\n", f'{{"version": "{code_version()}", "seed": "5", "violation": "x"}}\n']
)
def test_a_file_that_is_something_else_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "notes.txt"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match="line 1 is no result"):
        Tally.read(path)


def test_a_file_that_cannot_be_written_is_said_before_the_first_province(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    for path in (tmp_path / "file" / "fuzz.jsonl", tmp_path):
        app = typer.Typer()
        fuzz.register(app)
        told = CliRunner().invoke(app, ["sim", "fuzz", "--seeds", "1000000", "--processes", "1", "--log", str(path)])
        assert told.exit_code == 1
        assert isinstance(told.exception, SystemExit)
        assert told.stderr.startswith(f"callctl: {path}: ")


def test_the_command_prints_what_it_lived_through(tmp_path: Path) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "callctl", "sim", "fuzz", "--seeds", "2", "--from", "2", "--json", "--processes", "1",
         "--log", str(tmp_path / "new" / "fuzz.jsonl")],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert Tally.read(tmp_path / "new" / "fuzz.jsonl").seeds == {2, 3}
    figures = json.loads(told.stdout)
    assert figures["provinces"] == 2
    assert figures["violations"] == 0
    assert figures["calls"] > 100
