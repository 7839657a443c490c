"""`make bench`: runs every measurement of this folder, prints a table and writes build/bench.json.

A measurement is a file here with `measure() -> list[dict]`; each row is {name, value, unit, against}: `against` says in
words what the value is compared with (another run in the same process, an aim of the issue), or is "". The machine is
shared and noisy: read ratios first. `python bench/run.py plan_time` runs one file alone.
"""

import importlib.util
import json
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
KEYS = {"name", "value", "unit", "against"}
OUT = HERE.parent / "build" / "bench.json"
sys.path.insert(0, str(HERE.parent))


def load(path: Path) -> Any:
    """The measurement module at `path`."""
    spec = importlib.util.spec_from_file_location(f"bench_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def measurements() -> list[Path]:
    """The files that measure; others here are run by hand."""
    return [path for path in sorted(HERE.glob("*.py")) if "\ndef measure(" in "\n" + path.read_text("utf-8")]


def machine() -> str:
    """What the figures were measured on, and how busy it is."""
    lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    cpu = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
    return f"{cpu}, {os.cpu_count()} cores, Python {platform.python_version()}, load {os.getloadavg()[0]:.1f}"


def main(names: list[str]) -> int:
    """Run the named measurements, or all; exit code 1 where one of them failed, 2 where there is none of that name."""
    there = {path.stem for path in measurements()}
    unknown = [name for name in names if name not in there]
    if unknown:
        print(f"no measurement {', '.join(unknown)} in {HERE}; there are: {', '.join(sorted(there))}")
        return 2
    files = [path for path in measurements() if not names or path.stem in names]
    known = {row["name"]: row for row in json.loads(OUT.read_text("utf-8"))} if names and OUT.exists() else {}
    failed, all_started = 0, time.monotonic()
    print(machine(), flush=True)
    for number, path in enumerate(files, 1):
        print(f"[{number}/{len(files)}] {path.stem} …", flush=True)
        started = time.monotonic()
        try:
            rows = load(path).measure()
            wrong = next((row for row in rows if set(row) != KEYS or not isinstance(row["value"], int | float)), None)
            assert wrong is None, f"a row must have {', '.join(sorted(KEYS))}, and a number for its value: {wrong}"
        except Exception as error:  # One broken measurement must not hide the others.
            print(f"    failed: {type(error).__name__}: {error}", flush=True)
            failed += 1
            continue
        for row in rows:
            known[row["name"]] = row
            print(f"    {row['name']:<58} {row['value']:>14,.4g} {row['unit']:<12} {row['against']}", flush=True)
        print(f"    ({time.monotonic() - started:.0f} s)", flush=True)
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(list(known.values()), ensure_ascii=False, indent=2) + "\n", "utf-8")
    print(f"in all {time.monotonic() - all_started:.0f} s, {machine()}")
    print(f"written: {OUT} ({len(known)} rows)")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
