"""What `make bench` runs: every file of bench/ can be loaded and measures, and a broken one does not hide the others."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

BENCH = Path(__file__).resolve().parent.parent / "bench"
GOOD = 'def measure():\n    return [{"name": "蛙", "value": 1.5, "unit": "s", "against": "aim 2 s"}]\n'


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"bench_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The program, with a folder of measurements of its own."""
    program = load(BENCH / "run.py")
    monkeypatch.setattr(program, "HERE", tmp_path / "bench")
    monkeypatch.setattr(program, "OUT", tmp_path / "build" / "bench.json")
    program.HERE.mkdir()
    (program.HERE / "good.py").write_text(GOOD, encoding="utf-8")
    return program


@pytest.mark.parametrize("path", load(BENCH / "run.py").measurements(), ids=lambda path: path.stem)
def test_every_measurement_can_be_loaded_by_the_program(path: Path) -> None:
    assert callable(load(BENCH / "run.py").load(path).measure)


def test_what_does_not_measure_is_not_run(bench: ModuleType) -> None:
    (bench.HERE / "tables.py").write_text("raise SystemExit('run by hand')\n", encoding="utf-8")
    assert [path.stem for path in bench.measurements()] == ["good"]


def test_rows_are_printed_and_written_with_their_four_keys(bench: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.main([]) == 0
    assert json.loads(bench.OUT.read_text("utf-8")) == [{"name": "蛙", "value": 1.5, "unit": "s", "against": "aim 2 s"}]
    said = capsys.readouterr().out
    assert "[1/1] good" in said
    assert "aim 2 s" in said


def test_a_broken_measurement_is_told_and_the_others_are_kept(
    bench: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    (bench.HERE / "broken.py").write_text("def measure():\n    raise OSError('no disk')\n", encoding="utf-8")
    assert bench.main([]) == 1
    assert "OSError: no disk" in capsys.readouterr().out
    assert len(json.loads(bench.OUT.read_text("utf-8"))) == 1


def test_a_row_without_its_four_keys_is_a_broken_measurement(bench: ModuleType) -> None:
    (bench.HERE / "short.py").write_text('def measure():\n    return [{"name": "x", "value": 1}]\n', encoding="utf-8")
    assert bench.main([]) == 1


def test_one_file_alone_leaves_the_other_figures_in_the_table(bench: ModuleType) -> None:
    bench.main([])
    (bench.HERE / "more.py").write_text(GOOD.replace("蛙", "蝉"), encoding="utf-8")
    assert bench.main(["more"]) == 0
    assert [row["name"] for row in json.loads(bench.OUT.read_text("utf-8"))] == ["蛙", "蝉"]


def test_a_file_that_is_not_there_is_told(bench: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.main(["gone"]) == 2
    assert "gone" in capsys.readouterr().out
