"""Do the rolling counters keep up? The peak of a day of 1,000,000 calls into a running writer. Figures, no verdicts.

`python bench/live.py [seconds]`; not part of `make bench`. SQLite; writer and counting share one process, which is harder
than in daily life, where `callctl books` counts beside the controller.
"""

import asyncio
import json
import os
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from callctl import clock
from callctl.core.counting import together
from callctl.core.days import BUCKET_S, Span
from callctl.core.events import (
    CallAnswered,
    CallEnded,
    CallLeftQueue,
    CallRinging,
    CallWaiting,
    LentSeat,
    Outcome,
    WaitingCall,
)
from callctl.core.model import SlotRef
from callctl.store.counters import buckets, recount
from callctl.store.history import SqlHistory
from callctl.store.schema import open_engine, prepare
from callctl.store.spool import Spool

CITY = "yangzhou"
CALLS_PER_S = 116  # Ten times the mean of a day of a million.
TICK_S = 0.1
LOOKED_EVERY_S = 0.5
COUNTED_EVERY_S = 5.0  # As `callctl books` does.


def one_call(history: SqlHistory, number: int) -> None:
    """Eight facts of a call that was answered remotely; it begins, is answered and ends now."""
    at, call = clock.now(), f"{CITY}-1790000000.{number}"
    slot, lent = SlotRef("xuzhou", 1), LentSeat("1301", CITY)
    for fact in (
        CallWaiting(CITY, at, WaitingCall(call, f"138{number:08d}", at)),
        CallRinging(CITY, at, call, slot),
        CallRinging("xuzhou", at, call, lent),
        CallAnswered("xuzhou", at, call, lent, 0.0),
        CallLeftQueue(CITY, at, call, Outcome.LEFT),
        CallAnswered(CITY, at, call, slot, 0.0),
        CallEnded("xuzhou", at, call, lent, 0.0),
        CallEnded(CITY, at, call, slot, 0.0),
    ):
        history.record(fact)


async def lag(seconds: float) -> dict[str, str | float]:
    """Feeds, counts every five seconds, and tells how old the counters were at most."""
    with tempfile.TemporaryDirectory() as place:
        url = f"sqlite+aiosqlite:///{place}/live.db"
        engine, history = open_engine(url), SqlHistory(open_engine(url), Spool(Path(place) / "spool"))
        await prepare(engine)
        writing = asyncio.create_task(history.run())
        began, wall = time.monotonic(), clock.now()
        sent = most_held = 0
        oldest_s, look_at, counts = 0.0, began + COUNTED_EVERY_S, []

        async def count() -> None:
            asked = time.monotonic()
            await recount(engine)
            counts.append(time.monotonic() - asked)

        async def watch() -> None:
            nonlocal oldest_s
            while time.monotonic() - began < seconds:
                before = sent  # What came while the counters were read is not late.
                found = await buckets(engine, Span(wall - BUCKET_S, clock.now() + BUCKET_S), [CITY])
                oldest_s = max(oldest_s, (before - together(found.get(CITY, {}).values()).answered_remote) / CALLS_PER_S)
                await asyncio.sleep(LOOKED_EVERY_S)

        watching = asyncio.create_task(watch())
        counting: asyncio.Task[None] | None = None
        while (gone_s := time.monotonic() - began) < seconds:
            while sent < gone_s * CALLS_PER_S:
                one_call(history, sent)
                sent += 1
            most_held = max(most_held, history.health().held)
            if time.monotonic() >= look_at and (counting is None or counting.done()):
                counting, look_at = asyncio.create_task(count()), time.monotonic() + COUNTED_EVERY_S
            await asyncio.sleep(TICK_S)
        if counting:
            await counting
        ended = time.monotonic()
        await watching
        writing.cancel()
        with suppress(asyncio.CancelledError):
            await writing
        await history.close()
        await recount(engine)
        found = await buckets(engine, Span(wall - BUCKET_S, clock.now() + BUCKET_S), [CITY])
        whole = together(found[CITY].values()).answered_remote
        assert whole == sent, (whole, sent)
        behind_s = time.monotonic() - ended
        await engine.dispose()
    return {
        "name": "rolling counters at the peak: oldest when looked at each half second",
        "value": round(oldest_s, 2),
        "unit": "s",
        "against": (
            f"{sent:,} calls in {seconds:g} s, {sent * 8 / seconds:,.0f} facts/s; a count took up to {max(counts):.2f} s, "
            f"{most_held:,} facts held at most, all counted {behind_s:.2f} s after the last; "
            f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
        ),
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(lag(float(sys.argv[1]) if len(sys.argv) > 1 else 60.0)), ensure_ascii=False))
