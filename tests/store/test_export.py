"""Files that other programs read: nothing in them is a formula, and nothing is left of one that could not be begun."""

import asyncio
import csv
import sys
from pathlib import Path

import pytest

from callctl.store.export import Form, each, write_file
from callctl.store.parquet import NoParquet


@pytest.mark.parametrize("blank", ["", " ", "\r", "\n", "\t", "\u3000", "\ufeff", "\u200b ", "\xa0"])
@pytest.mark.parametrize("sign", ["=", "＝", "+", "＋", "-", "－", "@", "＠", "﹦"])
async def test_no_text_becomes_a_formula(tmp_path: Path, blank: str, sign: str) -> None:
    path = tmp_path / "rows.csv"
    await write_file(path, Form.CSV, ["title"], each([{"title": f"{blank}{sign}1+1"}, {"title": "一 = 一"}]))
    with path.open(encoding="utf-8-sig", newline="") as file:
        _, risky, plain = list(csv.reader(file))
    assert risky == [f"'{blank}{sign}1+1"]
    assert plain == ["一 = 一"]


def test_a_file_that_cannot_be_begun_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(NoParquet):
        asyncio.run(write_file(tmp_path / "rows.parquet", Form.PARQUET, ["title"], each([])))
    assert list(tmp_path.iterdir()) == []
