"""One frozen reading of what loops, past and present, have counted."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection

from loopwatch.core.record_types import LoopTimeReading, Snapshot, Stall, ThreadPoolReading
from loopwatch.core.safe_text import label
from loopwatch.core.version import __version__
from loopwatch.explain.wait_advice import advised
from loopwatch.ledger.pause_table import PauseTable
from loopwatch.ledger.stall_table import StallTable
from loopwatch.ledger.told_waits import ToldWaits
from loopwatch.ledger.totals import Totals
from loopwatch.loop.loop_state import clock
from loopwatch.watch.watched_loop import WatchedLoop

OF_LOOPS = ("routes", "coroutines", "labels", "callbacks", "request_start", "victims", "waits")


def take(
    loops: Collection[WatchedLoop],
    past: Totals,
    table: StallTable,
    loop_time: tuple[LoopTimeReading, ...],
    in_progress: tuple[Stall, ...],
    pauses: PauseTable,
    self_seconds: float,
    dropped: Counter[str],
    recent: bool,
    told_waits: ToldWaits,
) -> Snapshot:
    """Return a reading as of now; `dropped` is what was lost outside the loops."""
    now = clock()
    totals = sum((w.totals(now, recent) for w in loops), past)
    return Snapshot(
        taken_at=time.time(),
        version=__version__,
        loops=tuple(w.reading(now) for w in loops),
        requests=tuple(totals.requests.values()),
        steps=tuple(totals.steps.items()),
        timed=tuple(totals.timed.items()),
        sites=table.sites.readings(),
        allowed=table.allowed.readings(),
        blames=table.blames.readings(),
        waits=advised(told_waits.of(totals.waits, totals.requests.values())),
        loop_time=loop_time,
        gc_pauses=pauses.readings(),
        threadpool=threads(loops),
        stalls=table.recent(),
        in_progress=in_progress,
        stall_count=table.count,
        busy=totals.busy,
        idle=totals.idle,
        lag=totals.lag,
        self_seconds=self_seconds,
        dropped=every(totals.dropped, dropped),
    )


def threads(loops: Collection[WatchedLoop]) -> ThreadPoolReading:
    """Return the worker threads of all loops, added up."""
    pools = [w.threads.reading() for w in loops]
    return ThreadPoolReading(
        busy=sum(p.busy for p in pools),
        idle=sum(p.idle for p in pools),
        waiting=sum(p.waiting for p in pools),
    )


def every(*counts: Counter[str]) -> dict[str, int]:
    """Return all counts added up, with those that are zero."""
    whole = Counter(dict.fromkeys(OF_LOOPS, 0))
    for some in counts:
        whole.update(some)
    return {label(reason): count for reason, count in whole.items()}
