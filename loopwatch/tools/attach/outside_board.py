"""What has been seen from outside, as a snapshot like a watch's, for the same screen and report."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from loopwatch.core.histogram import SECONDS_EDGES, Histogram
from loopwatch.core.record_types import LoopReading, Snapshot, Stall, ThreadPoolReading
from loopwatch.core.version import __version__
from loopwatch.ledger.stall_table import StallTable

LAYERS = ("the poll: its system call, every 5 ms", "stacks: py-spy, 60 ms into a busy time")
BLIND = (
    "routes and requests",
    "victims and what they lost",
    "lag",
    "garbage collections",
    "many short callbacks in one tick",
)


@dataclass(frozen=True, slots=True)
class LoopRow:
    """One loop, as far as it has been seen."""

    kind: str  # asyncio or uvloop
    thread: str
    busy: float  # s
    idle: float  # s

    def plus(self, other: LoopRow) -> LoopRow:
        busy, idle = self.busy + other.busy, self.idle + other.idle
        return LoopRow(self.kind, self.thread, busy, idle)


class OutsideBoard:
    """Counts stalls. Any thread may call it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._table = StallTable()
        self._dropped: Counter[str] = Counter()

    def add(self, stall: Stall) -> None:
        with self._lock:
            self._table.add(stall)

    def drop(self, reason: str, count: int = 1) -> None:
        with self._lock:
            self._dropped[reason] += count

    def snapshot(
        self,
        now: float,
        loops: Sequence[LoopRow],
        past: Sequence[LoopRow] = (),
        holding: Sequence[Stall] = (),
    ) -> Snapshot:
        """Return everything so far; `now` is Unix time (s), and `past` are loops that ended."""
        nothing = Histogram.empty(SECONDS_EDGES)
        with self._lock:
            return Snapshot(
                taken_at=now,
                version=__version__,
                loops=tuple(reading(loop, nothing) for loop in loops or past),
                requests=(),
                steps=(),
                timed=(),
                sites=self._table.sites.readings(),
                gc_pauses=(),
                threadpool=ThreadPoolReading(),
                stalls=self._table.recent(),
                in_progress=tuple(holding),
                stall_count=self._table.count,
                busy=sum(loop.busy for loop in (*loops, *past)),
                idle=sum(loop.idle for loop in (*loops, *past)),
                lag=nothing,
                self_seconds=sum(os.times()[:4]),
                dropped=dict(self._dropped),
            )


def reading(loop: LoopRow, lag: Histogram) -> LoopReading:
    return LoopReading(
        loop=loop.kind,
        thread=loop.thread,
        layers=LAYERS,
        blind=BLIND,
        busy=loop.busy,
        idle=loop.idle,
        lag=lag,
        tasks=0,
    )
