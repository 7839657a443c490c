"""Applies every known mutant to a copy of the tree and shows which test or fuzz seed catches it; `make mutants`.

    python -m tests.mutants.run                 every mutant, by the tests and seeds it names
    python -m tests.mutants.run quota reserve   only those whose names hold one of the words
    python -m tests.mutants.run --hunt 200 …    those that name nothing: the seeds 0 to 199, and all quick tests

Exit code 1: a mutant survives, or its anchor is gone, or a witness fails without any mutant.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.mutants.known import MUTANTS, Mutant

ROOT = Path(__file__).resolve().parent.parent.parent
PARTS = ("callctl", "tests", "dialplan", "agents", "queues", "scenarios", "setup.cfg", "pyproject.toml", "docs", "scripts")
QUICK_TESTS = ("tests/core", "tests/test_ledger.py", "tests/sim/test_controller_in_virtual_time.py")
# Schemathesis, which no witness needs, would take half of the time.
PYTEST = ("pytest", "-qx", "--no-header", "-pno:cacheprovider", "-pno:schemathesis", "-ptests.mutants.unshrunk")
CAUGHT = 1  # The exit code of failed tests and seeds; pytest has others for files that cannot be imported.
WORDS_OF_A_WITNESS = ("FAILED", "seed ")  # An ERROR is a fixture's or an import's: such a mutant is only broken.
DEADLINE_S = 600.0  # Of a witness. One that hangs has caught nothing: the machine may only be busy.


class Copy:
    """A copy of the tree that mutants are put into, one after the other."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sound: dict[tuple[str, ...], str] = {}
        for part in PARTS:
            source, target = ROOT / part, folder / part
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(source, target)

    def catch(self, mutant: Mutant, hunt: int) -> tuple[bool, str]:
        """Whether somebody noticed, and who (or what is wrong with the mutant itself)."""
        path = self._folder / mutant.file
        sound = path.read_text(encoding="utf-8")
        wrong = sound
        for anchor, instead in mutant.edits():
            if (found := sound.count(anchor)) != 1:
                return False, f"{anchor!r} stands {found} times in {mutant.file}: the code has moved, write the mutant anew"
            wrong = wrong.replace(anchor, instead)
        witnesses = _witnesses(mutant, hunt)
        try:
            for witness in witnesses:
                if complaint := self._complaint_without(witness):
                    return False, complaint
            path.write_text(wrong, encoding="utf-8")
            for witness in witnesses:
                code, told = self._ask(witness)
                if code == CAUGHT and told.startswith(WORDS_OF_A_WITNESS):
                    return mutant.rule in told, told
                if code:
                    return False, f"broke the witness, which says nothing of the promise: {told}"
        except subprocess.TimeoutExpired:
            return False, f"hangs for {DEADLINE_S:g} s: {' '.join(witness)}"
        finally:
            path.write_text(sound, encoding="utf-8")
        return False, "SURVIVED: nobody noticed"

    def _complaint_without(self, witness: tuple[str, ...]) -> str:
        """What the witness says of the tree as it is; it must say nothing."""
        if witness not in self._sound:
            code, told = self._ask(witness)
            self._sound[witness] = f"its witness fails without it: {told}" if code else ""
        return self._sound[witness]

    def _ask(self, witness: tuple[str, ...]) -> tuple[int, str]:
        """The witness's exit code, and its line that says what it saw."""
        asked = subprocess.run(
            [sys.executable, "-B", "-m", *witness],
            cwd=self._folder, capture_output=True, text=True, check=False, timeout=DEADLINE_S,
        )  # fmt: skip
        lines = asked.stdout.splitlines()
        told = next((line for line in lines if line.startswith(("FAILED", "ERROR", "seed "))), asked.stderr[-200:].strip())
        return asked.returncode, told.partition(" - ")[0][:150]


def _witnesses(mutant: Mutant, hunt: int) -> list[tuple[str, ...]]:
    # A property must find its counterexample every time, not only on lucky days.
    quiet = (*PYTEST, "--hypothesis-seed=0")
    found: list[tuple[str, ...]] = [(*quiet, test) for test in mutant.tests]
    if mutant.seeds:
        found.append(("tests.mutants.hunt", *map(str, mutant.seeds)))
    if not found and hunt:
        found = [("tests.mutants.hunt", *map(str, range(hunt))), *((*quiet, test) for test in QUICK_TESTS)]
    return found


def main() -> int:
    """One line a mutant."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("words", nargs="*")
    asked.add_argument("--hunt", type=int, default=0, metavar="N")
    options = asked.parse_args()
    chosen = [each for each in MUTANTS if not options.words or any(word in each.name for word in options.words)]
    survivors = 0
    with tempfile.TemporaryDirectory(prefix="callctl-mutants-") as folder:
        copy = Copy(Path(folder))
        for mutant in chosen:
            caught, told = copy.catch(mutant, options.hunt)
            survivors += not caught
            print(f"{'caught  ' if caught else 'NOT     '} {mutant.name:58} {told}", flush=True)
    print(f"{len(chosen) - survivors} of {len(chosen)} mutants caught")
    return 1 if survivors or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
