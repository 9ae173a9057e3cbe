"""Where the busy time of a watch's loops goes, by line: samples become seconds.

Theory: samples are taken at random moments, spread evenly over a loop's busy time
(`native/moments.c`). So what a loop was busy since the last reading is shared out among the samples
since then, by the number of moments that each stands for. The sum over all lines is then the busy
time sampled over, whatever the rate was. A sample that was lost keeps its share, which counts as
`_OTHER`: leaving it out would favour what was not lost.

This is the first to yield: while less than half of the CPU budget that may be saved up is left, no
samples are asked for, and what the loop does meanwhile is not counted.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from loopwatch.core.cpu_budget import CpuBudget
from loopwatch.core.evidence import Spot
from loopwatch.core.guard import guarded, log_once
from loopwatch.core.names import callable_name
from loopwatch.core.record_types import OTHER, Frame, LoopTimeReading, Site
from loopwatch.core.request import AFTERLIFE, Request
from loopwatch.core.safe_text import label
from loopwatch.core.stack import above
from loopwatch.explain.site import DEFAULT, SiteRules
from loopwatch.explain.time_place import TimePlace, time_place
from loopwatch.ledger.loop_time_table import LoopTimeTable
from loopwatch.loop.loop_state import clock
from loopwatch.routing.route import NOWHERE, Place, place
from loopwatch.watch.watched_loop import WatchedLoop
from loopwatch.watchdog.time_samples import MEAN

OUTSIDE, STEP_ENDED = 0, 2  # as in native/loop_samples.c
LOOPS_OWN = ("asyncio", "selectors", "uvloop", "loopwatch")  # packages

NOT_KNOWN = TimePlace(Site(OTHER, exact=False), "", ())

RawSample = tuple[int, float, Request | None, int, list[Any]]


@dataclass(slots=True)
class Counted:
    """What one loop had told when its samples were last counted."""

    busy: float = 0.0  # s
    lost: int = 0  # moments
    cost: float = 0.0  # s


class LoopTime:
    """The samples of one watch; any thread may collect, one at a time."""

    def __init__(self, rules: SiteRules = DEFAULT, budget: CpuBudget | None = None) -> None:
        self.table = LoopTimeTable()
        self._cost = 0.0  # s that taking samples has cost the loops' threads
        self.lost = 0  # moments
        self.budget = budget or CpuBudget()
        self._rules = rules
        self._counted: WeakKeyDictionary[WatchedLoop, Counted] = WeakKeyDictionary()
        self._lock = threading.RLock()  # a signal handler may read a snapshot within

    def seconds(self) -> float:
        """Return what taking samples has cost the loops' threads, s."""
        return self._cost

    def readings(self) -> tuple[LoopTimeReading, ...]:
        """Return all lines, most seconds first."""
        with self._lock:
            return self.table.readings()

    def dropped(self) -> dict[str, int]:
        """Return samples without a place in the table, and without one until they were counted."""
        return {"loop_time": self.table.overflow + self.lost}

    def collected(self, loops: Iterable[WatchedLoop]) -> LoopTimeTable:
        """Return the table with all samples up to now."""
        self.collect(loops)
        return self.table

    def pprof(self, loops: Iterable[WatchedLoop]) -> bytes:
        """Return all of it in pprof's format; raises ImportError without the extra for that."""
        from loopwatch.exporters.pprof import pprof

        return pprof(self.collected(loops).stacks())

    @guarded
    def collect(self, loops: Iterable[WatchedLoop]) -> None:
        """Count the samples that the loops have; say whether more of them are wanted."""
        with self._lock:
            for watched in loops:
                self._collect(watched)

    def _collect(self, watched: WatchedLoop) -> None:
        state, last = watched.state, self._counted.setdefault(watched, Counted())
        samples, lost = taken(watched), state.lost_samples - last.lost
        busy, _ = watched.times(clock())
        since = MEAN if busy is None else max(0.0, busy - last.busy)
        moments = lost + sum(sample[0] for sample in samples)
        wanted = self.budget.has_plenty() and not watched.probe.rests()
        if moments or not (wanted and state.sampled):
            last.busy = busy or 0.0
        self._cost += state.sampling - last.cost
        self.lost += lost
        last.lost, last.cost = state.lost_samples, state.sampling
        state.sampled = wanted
        if moments:
            share = since if busy is None else since / moments
            self._add(watched, samples, share)
            self.table.add(None, *NOT_KNOWN, share * lost, lost) if lost else None

    def _add(self, watched: WatchedLoop, samples: list[RawSample], share: float) -> None:
        for count, at, request, where, spots in samples:
            route, found = None, NOT_KNOWN
            try:
                asked = NOWHERE if request is None or is_over(request, at) else place(request)
                route, found = asked.route, self._place(watched, asked, where, spots)
            except Exception:  # code of the app may be anything
                log_once("loopwatch.watch.loop_time")
            self.table.add(route, *found, share * count, count)

    def _place(self, watched: WatchedLoop, asked: Place, where: int, raw: list[Any]) -> TimePlace:
        """Return what a sample stands for; the loop itself if it shows nothing else."""
        spots = above(tuple(map(Spot._make, raw)), watched.probe.floor)
        if where == OUTSIDE and all(s.module.partition(".")[0] in LOOPS_OWN for s in spots):
            return the_loop(watched.loop)
        exact = where != STEP_ENDED
        return time_place(spots, asked.endpoint, exact, self._rules) or the_loop(watched.loop)


def taken(watched: WatchedLoop) -> list[RawSample]:
    """Return a loop's samples since the last call."""
    noted = watched.probe.moments  # by the watchdog itself
    return [*watched.state.take_samples(), *(noted.popleft() for _ in range(len(noted)))]


def is_over(request: Request, at: float) -> bool:
    """Return whether a request had ended so long ago that what runs in its context is not its."""
    return request.scope is None and request.ended + AFTERLIFE < at


def the_loop(loop: asyncio.AbstractEventLoop) -> TimePlace:
    """Return the loop's own work: what it does between steps, and for its transports."""
    name = label(callable_name(type(loop)))
    return TimePlace(Site(name, exact=False), "", (Frame(name, "", 0),))
