"""The watchdog: one thread a process, that sleeps, looks, and stack samples a loop held too long.

Rule: everything here needs the GIL, so a C call that keeps it delays a stack sample until it is
over; such a sample says `late`. A sample counts only if the step is the same before and after.
Each look is also a reading of the clocks (`clocks`), from which causes are told.

Theory: while every loop waits in its poll nobody need look, and finding that out must not cost the
GIL. So the compiled sleep (`sleep`) sees for itself whether a step or a tick has lasted `EARLY` of
the threshold, and only then lets Python look: the first stack sample never depends on a period.
Later ones are each `GROWTH` times as deep into the stall. A step that ends before the threshold
costs a stack sample or two. In between, a loop that does anything is looked at now and then, for
what is made meanwhile (thread pools, task factories); one that was held, each period for a while,
since its victims are still counted. Without the compiled part all loops are looked at each period.

A loop on its way back from the poll may be held too, where no step shows it: by a thread that has
the GIL, or because nothing of the process runs. The watchdog, kept waiting itself, finds that by
what the loop's thread did meanwhile.

However many loops and threads there are, a look goes once over each: the loops that have moved,
the threads where one is needed, the watches.

Measured, of a core: one idle loop 0.25 % when each wake took the GIL, 12 a second; with 100 loops
12 %, for each loop's look went over all loops. Now 0.006 % and 0.03 %, at one wake a second.

Tried and dropped: waking the thread from the loop at each tick (a lock a tick); photographing at
the threshold only (a stall barely longer would have no picture).
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable

from loopwatch.core.guard import guarded, say
from loopwatch.loop.loop_state import clock
from loopwatch.loop.probe import Probe
from loopwatch.watchdog.clocks import LONGEST, Clocks
from loopwatch.watchdog.collector import COLLECTOR
from loopwatch.watchdog.other_threads import OtherThreads
from loopwatch.watchdog.outside_samples import OutsideSamples
from loopwatch.watchdog.process_reading import ProcessReader
from loopwatch.watchdog.sampler import Sampler
from loopwatch.watchdog.sleep import COMPILED, Nap, Sleep, Wake

Attend = Callable[[], float | None]


class Watchdog:
    """Looks after probes; `attend` is called after each look, on the watchdog's thread.

    It may return for how long, in s, it can do without being called at the most.
    """

    def __init__(self) -> None:
        self._samplers: tuple[Sampler, ...] = ()  # replaced, never changed: read without a lock
        self._lock = threading.Lock()
        self._sleep: Sleep | Nap | None = None
        self._thread: threading.Thread | None = None
        self.seconds = 0.0  # CPU time of the thread
        self.outside_samples = OutsideSamples()
        self._attend_by = math.inf  # clock, s; of the look in progress

    def add(self, probe: Probe, clocks: Clocks, attend: Attend, native: bool = False) -> None:
        """Watch a loop from now on; starts the thread if it sleeps."""
        with self._lock:
            if native:
                self._look_from_outside(clocks)
            self._samplers = (*self._samplers, Sampler(probe, clocks, attend, COMPILED))
            if self._sleep is not None:
                self._sleep.alter()
                return
            self._sleep = Sleep() if COMPILED else Nap()
            self._thread = threading.Thread(
                target=self._run, args=(self._sleep,), name="loopwatch-watchdog", daemon=True
            )
            self._thread.start()

    def _look_from_outside(self, clocks: Clocks) -> None:
        try:
            self.outside_samples.add(clocks)
        except (RuntimeError, OSError) as reason:
            say(logging.WARNING, "native=True has no effect: %s", reason)

    def remove(self, probe: Probe) -> None:
        """Forget a loop; ends the thread with the last one."""
        with self._lock:
            for sampler in self._samplers:
                if sampler.probe is probe:
                    self.outside_samples.remove(sampler.clocks)
            self._samplers = tuple(s for s in self._samplers if s.probe is not probe)
            sleep, thread = self._sleep, self._thread
            if sleep is None or thread is None:
                return
            if self._samplers:
                sleep.alter()
                return
            self._sleep = self._thread = None
            sleep.end()
        if thread is not threading.current_thread():
            thread.join(timeout=5.0)

    def forget_thread(self) -> None:
        """After a fork: the child has no such thread, and the lock may be held by nobody."""
        COLLECTOR.let_go()
        self.outside_samples.abandon()
        if self._sleep is not None:
            self._sleep.close()
        self.__init__()  # type: ignore[misc]

    def _run(self, sleep: Sleep | Nap) -> None:
        reader, threads = ProcessReader(sleep.watcher), OtherThreads()
        due, before = clock(), self.seconds
        while (
            wake := sleep.until(due, self._samplers, reader, self.outside_samples.keep_alive)
        ) is not None:
            reader.due = due = self._look(wake, reader, threads)
            self.seconds = before + time.thread_time()
        self.outside_samples.rest()
        reader.close()
        sleep.close()

    def _look(self, wake: Wake, reader: ProcessReader, threads: OtherThreads) -> float:
        """Look at what the wake is for; return when to look next at the latest.

        The order matters: what the sentries find ended, they file and `attend` explains; only then
        may the samples of an ended step go.
        """
        now, late = wake.now, wake.late
        reader.woken = wake.due, wake.waited
        threads.wake()
        for sampler in wake.samplers:
            sampler.sample_stack(now, late, threads)
        COLLECTOR.let_go()
        self.outside_samples.wake(now)
        reading = reader.look(wake.due, wake.waited)
        for sampler in wake.samplers:
            sampler.look(now, late, reading, reader, threads)
        reader.woken = None
        self._attend_by = math.inf
        for attend in dict.fromkeys(sampler.attend for sampler in self._samplers):
            self._call(attend, now)
        threads.glance(now, reading.process)
        for sampler in wake.samplers:
            sampler.plan(now)
        due = min((self._attend_by, *(sampler.due for sampler in self._samplers)))
        return self._go_to_sleep(now, due)

    @guarded
    def _call(self, attend: Attend, now: float) -> None:
        seconds = attend()
        if seconds is not None:
            self._attend_by = min(self._attend_by, now + seconds)

    def _go_to_sleep(self, now: float, due: float) -> float:
        """Tell the outside samples; the compiled sleep does as it ends."""
        if COMPILED:
            self.outside_samples.rest()
            return due
        due = min(due, now + LONGEST)
        self.outside_samples.sleep(due)
        return due
