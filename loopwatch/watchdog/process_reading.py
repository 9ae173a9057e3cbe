"""What the watchdog reads of the process and of its own thread at each look."""

from __future__ import annotations

import threading
import time
from typing import Any, NamedTuple

from loopwatch.loop.loop_state import LoopState, clock, cpu_clock, cpu_seconds
from loopwatch.watchdog.kernel import Schedule, ThreadSchedule, Throttling

AT_ONCE = 0.001  # s: who asks for the GIL of busy Python code waits a switch interval, 5 ms


class ProcessReading(NamedTuple):
    """The process and the watchdog's own thread, as of one wake."""

    due: float | None  # when the watchdog meant to wake; None for a reading at another time
    process: float  # CPU s of all threads
    cpu: float  # CPU s of the watchdog
    schedule: Schedule | None  # of the watchdog
    throttled: float | None  # s
    waited: float | None = None  # s for the GIL, until this reading; None: not timed

    @property
    def had_at_once(self) -> bool | None:
        """Return whether nobody had the GIL as the watchdog asked for it; None if not timed."""
        return self.waited < AT_ONCE if self.waited is not None else None

    def asked(self, now: float) -> float:
        """Return when the watchdog asked for the GIL that it has had since `now` (clock, s)."""
        if self.waited is not None:
            return now - self.waited
        return self.due if self.due is not None else now


class Reading(NamedTuple):
    """One loop thread and its process reading at one moment."""

    at: float  # clock, s
    reading: ProcessReading
    idle: float | None  # s the loop has spent in the poll
    cpu: float  # CPU s
    schedule: Schedule | None


class Glimpse(NamedTuple):
    """Where a loop was as the compiled sleep last ended for a look."""

    poll: float = 0.0  # clock, s: when its poll began; 0.0: it ran
    elsewhere: bool = False  # it ran, but its thread waited for something other than the GIL


class ProcessReader:
    """Makes process readings, for the watchdog's thread (where it is made) and for others.

    `watcher` is the watchdog's compiled sleep, or None.
    """

    def __init__(self, watcher: Any = None) -> None:
        self._watcher = watcher
        self._schedule = ThreadSchedule(threading.get_native_id())
        self._throttling = Throttling()
        self._cpu_clock = cpu_clock()
        self.due = clock()  # when the watchdog means to look next
        self.woken: tuple[float, float | None] | None = None  # for `look`, until all loops are read

    def overdue(self) -> ProcessReading:
        """Return a process reading for another thread.

        The watchdog may be late by now, or it was late for a look in which it has not read the
        clocks yet.
        """
        if self.woken is not None:
            return self.look(*self.woken)
        now = clock()
        if self._watcher is None:
            return self.look(self.due if self.due < now else None)
        asked = self._watcher.asked
        return self.look(asked, now - asked) if asked < now else self.look(None)

    def close(self) -> None:
        self._schedule.close()
        self._throttling.close()

    @property
    def descriptors(self) -> tuple[int, tuple[int, ...]]:
        """Open files for the compiled sleep: the thread's schedule, and groups' `cpu.stat`."""
        return self._schedule.descriptor, self._throttling.descriptors

    def look(self, due: float | None, waited: float | None = None) -> ProcessReading:
        return ProcessReading(
            due,
            time.process_time(),
            cpu_seconds(self._cpu_clock),
            self._schedule.read(),
            self._throttling.read(),
            waited,
        )

    def glimpse(self, state: LoopState) -> Glimpse:
        return Glimpse(*self._watcher.glimpse(state)) if self._watcher is not None else Glimpse()

    def before(self, state: LoopState) -> Reading | None:
        """Return the compiled sleep's reading of a loop from before the tick in progress."""
        found = self._watcher.before(state) if self._watcher is not None else None
        if found is None:
            return None
        at, process, throttled, cpu, queued, slices, idle, thread_cpu, *schedule = found
        reading = ProcessReading(
            None,
            process,
            cpu,
            counted(queued, slices),
            self._throttling.total(throttled) if throttled >= 0.0 else None,
        )
        return Reading(at, reading, idle, max(0.0, thread_cpu), counted(*schedule))


def counted(queued: float, slices: int) -> Schedule | None:
    """Return a schedule that the compiled sleep has read; None where it could not read one."""
    return Schedule(queued, slices) if queued >= 0.0 else None
