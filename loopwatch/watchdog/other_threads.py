"""The other threads: which of them use the CPU, where each stands, and for whom it works.

A thread that makes the loop wait for the GIL is found by its CPU time. The kernel has a clock for
each thread, so reading them takes half a microsecond a thread and keeps the GIL (elsewhere than on
Linux no thread is named). The watchdog reads all of them at its looks, while the process does
anything. The CPU time since the step began says which thread it was, and its frame says where. The
watchdog reads the frame when it gets the GIL: C code that keeps the GIL releases it at the end of
its call, so the frame is still on that call.

Nothing here may release the GIL: beside busy threads the watchdog would get it back tens of
milliseconds later, and then they may have ended. A thread that only used the CPU before the step
has a good reading from within it, and so counts as idle.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from types import FrameType
from typing import Any

from loopwatch.core.evidence import Spot, ThreadPicture
from loopwatch.core.frames import running_frame
from loopwatch.core.own_thread import OwnThread
from loopwatch.watchdog.finished_work import with_finished_work
from loopwatch.watchdog.given_work import Work, given_work
from loopwatch.watchdog.stack_sample import COLLECTED

THREADS = 64  # other threads read
NAMED = 3  # of these, threads that a stall names
DEPTH = 32  # frames of each
READINGS = 32  # kept; they reach back 3 s at least
PERIOD = 0.1  # s between two of them, at least
SETTLED = 0.02  # s after which a reading is old enough to show who works
QUIET = 0.01  # CPU s of the process since the last reading below which it stays valid
LEAST = 0.002  # CPU s from which a thread counts as busy
SHARE = 0.1  # of the busiest thread's CPU time from which another one counts as busy beside it

Times = dict[int, float]  # CPU s of threads, by native id


class OtherThreads:
    """Knows each thread's CPU time of the last seconds; belongs to the watchdog's thread."""

    def __init__(self) -> None:
        self._process = 0.0
        self._readings: deque[tuple[float, Times]] = deque(maxlen=READINGS)

    def glance(self, now: float, process: float) -> None:
        """Read the threads' CPU times if due; `now` is clock, `process` the CPU time of all, s."""
        if self._readings and now - self._readings[-1][0] < PERIOD:
            return
        if not self._readings or process - self._process >= QUIET:
            self._process = process
            self._readings.append((now, cpu_times(app_threads())))

    def pictures(
        self, now: float, since: float, own: int, loop: Any = None
    ) -> tuple[ThreadPicture, ...]:
        """Return the threads that have used the CPU since `since` (clock, s), most first, without
        the loop's own thread (native id `own`)."""
        threads = app_threads()
        threads.pop(own, None)
        before, used = self._before(now, since), list[tuple[float, int]]()
        for native_id, cpu in cpu_times(threads).items():
            used.append((cpu - before.get(native_id, 0.0), native_id))
        used.sort(reverse=True)
        least = max(LEAST, SHARE * used[0][0]) if used else 0.0
        found = [picture(threads[key], cpu) for cpu, key in used[:NAMED] if cpu >= least]
        return (with_finished_work(found[0], loop), *found[1:]) if found else ()

    def _before(self, now: float, since: float) -> Times:
        """Return the first reading since then, if it is old enough; else the last one before."""
        found: Times = {}
        for at, times in self._readings:
            if at <= since or now - at >= SETTLED:
                found = times
            if at >= since:
                break
        return found


def app_threads() -> dict[int, threading.Thread]:
    """Return Python's threads but loopwatch's own, by native id."""
    threads = [t for t in threading.enumerate() if not isinstance(t, OwnThread)][:THREADS]
    return {thread.native_id or 0: thread for thread in threads}


def picture(thread: threading.Thread, cpu: float) -> ThreadPicture:
    """Return where a thread stands, and what it was given to do; no thread runs meanwhile."""
    return pictured(thread.name, running_frame(thread.ident or 0), cpu)


def pictured(name: str, frame: FrameType | None, cpu: float) -> ThreadPicture:
    """Return the same of a thread whose innermost frame is known."""
    spots, work = list[Spot](), None
    while frame is not None and len(spots) < DEPTH:
        if frame.f_code is COLLECTED:  # ours; a collection began in the code that it runs within
            spots.clear()
        else:
            spots.append(Spot.of(frame))
        work = work or given_work(frame)
        frame = frame.f_back
    return ThreadPicture(name, cpu, tuple(spots), *(work or Work()))


def cpu_times(threads: dict[int, threading.Thread]) -> Times:
    """Return the CPU seconds of threads by native id; empty outside Linux. Keeps the GIL."""
    found: Times = {}
    if sys.platform != "linux":
        return found
    for native_id in threads:
        try:
            found[native_id] = time.clock_gettime((~native_id << 3) | 6)
        except (OSError, OverflowError):  # it has ended, or is no thread (a greenlet)
            continue
    return found
