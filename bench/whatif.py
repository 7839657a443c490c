"""How long `callctl plan` takes: the whole command, from its start to its answer, on a saved moment of the province.

Three hours, twenty seeds, as the command runs by itself; the surge of 扬州 is the forecast's.
"""

import asyncio
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from callctl.province import read_province
from callctl.settings import shipped
from callctl.store.embedded import start
from callctl.store.registry import RedisRegistry
from tests.web.published import Scene

QUARTERS = 12
CALLS_A_QUARTER, SURGE = 40, 160
QUESTIONS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("as it is", ()),
    ("three questions", ("--if", "关闭 扬州", "--if", "徐州 +12", "--if", "无锡 8 @+60")),
    ("a proposal, verified", ("--recommend",)),
)


def measure() -> list[dict[str, Any]]:
    """A row a question for the wall clock, and one for CPU time."""
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="bench-whatif-") as folder:
        moment, forecast = Path(folder) / "now.json", Path(folder) / "forecast.json"
        province = read_province(shipped("queues").parent)
        quarters = {city.name_zh: [CALLS_A_QUARTER] * QUARTERS for city in province.cities.values()}
        forecast.write_text(json.dumps({**quarters, "扬州": [SURGE] * QUARTERS}, ensure_ascii=False), "utf-8")
        valkey = start(Path(folder) / "valkey")
        try:
            asyncio.run(_publish(valkey.url, Scene(province).picture(time.time())))
            more = {"CALLCTL_STATE": str(Path(folder) / "state"), "CALLCTL_REDIS_URL": valkey.url}
            _run(more, "--save", str(moment), "--seeds", "2")
        finally:
            valkey.stop()
        for name, words in QUESTIONS:
            wall_s, cpu_s = _run(more, "--from", str(moment), "--forecast", str(forecast), *words)
            what = f"callctl plan, {len(province.cities)} cities, 3 h x 20 seeds, {name}"
            rows.append({"name": what, "value": round(wall_s, 1), "unit": "s", "against": "aim: seconds; wall clock"})
            rows.append({"name": f"{what}, CPU", "value": round(cpu_s, 1), "unit": "CPU s", "against": "all its processes"})
    return rows


async def _publish(url: str, picture: dict[str, Any]) -> None:
    registry = RedisRegistry(url)
    await registry.put_status(picture)
    await registry.close()


def _run(more: dict[str, str], *words: str) -> tuple[float, float]:
    """Seconds of the wall clock and of CPU, children included. Raises what the command said if it fails."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    command = [sys.executable, "-m", "callctl", "plan", *words]
    done = subprocess.run(command, env={**os.environ, **more}, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.monotonic() - began, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    for row in measure():
        print(row)
