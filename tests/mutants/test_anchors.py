"""The mutants can still be put in: every anchor stands once in its file. Whether they die is `make mutants`."""

from pathlib import Path

import pytest

from tests.mutants.known import MUTANTS, Mutant

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_code_still_has_the_place_where_the_mutant_goes(mutant: Mutant) -> None:
    text = (ROOT / mutant.file).read_text(encoding="utf-8")
    for anchor, wrong in mutant.edits():
        found = text.count(anchor)
        assert found == 1, f"{anchor!r} stands {found} times in {mutant.file}: the code has moved, write the mutant anew"
        assert wrong != anchor
    assert mutant.tests or mutant.seeds


def test_every_witness_that_is_a_test_exists() -> None:
    for mutant in MUTANTS:
        for test in mutant.tests:
            path, _, name = test.partition("::")
            assert f"def {name}(" in (ROOT / path).read_text(encoding="utf-8") or not name, test
