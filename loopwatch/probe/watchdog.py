"""The watchdog: one thread a process, that sleeps, looks, and photographs a loop held too long.

Rule: everything here needs the GIL, so a C call that keeps it delays a photograph until it is
over; such a sample says `late`. A sample counts only if the step is the same before and after.
Each look is also a reading of the clocks (`clocks`), from which causes are told.

Theory: while every loop waits in its poll nobody need look, and finding that out must not cost the
GIL. So the compiled sleep (`sleep`) sees for itself whether a step or a tick has lasted `EARLY` of
the threshold, and only then lets Python look: the first photograph never depends on a period. Later
ones are each `GROWTH` times as deep into the stall. A step that ends before the threshold costs a
photograph or two. In between, a loop that does anything is looked at now and then, for what is
made meanwhile (thread pools, task factories); one that was held, each period for a while, since
its victims are still counted. Without the compiled part all loops are looked at each period.

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

from loopwatch.guard import guarded, say
from loopwatch.probe.base import Probe
from loopwatch.probe.clocks import LONGEST, Clocks
from loopwatch.probe.collector import COLLECTOR
from loopwatch.probe.lookout import Lookout
from loopwatch.probe.pulse import clock
from loopwatch.probe.sentry import Sentry
from loopwatch.probe.sleep import COMPILED, Nap, Sleep, Wake
from loopwatch.probe.threads import OtherThreads
from loopwatch.probe.witness import Observer

Attend = Callable[[], float | None]


class Watchdog:
    """Looks after probes; `attend` is called after each look, on the watchdog's thread.

    It may return for how long, in s, it can do without being called at the most.
    """

    def __init__(self) -> None:
        self._sentries: tuple[Sentry, ...] = ()  # replaced, never changed: read without a lock
        self._lock = threading.Lock()
        self._sleep: Sleep | Nap | None = None
        self._thread: threading.Thread | None = None
        self.seconds = 0.0  # CPU time of the thread
        self.lookout = Lookout()
        self._attend_by = math.inf  # clock, s; of the look in progress

    def add(self, probe: Probe, clocks: Clocks, attend: Attend, native: bool = False) -> None:
        """Watch a loop from now on; starts the thread if it sleeps."""
        with self._lock:
            if native:
                self._look_from_outside(clocks)
            self._sentries = (*self._sentries, Sentry(probe, clocks, attend, COMPILED))
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
            self.lookout.add(clocks)
        except (RuntimeError, OSError) as reason:
            say(logging.WARNING, "native=True has no effect: %s", reason)

    def remove(self, probe: Probe) -> None:
        """Forget a loop; ends the thread with the last one."""
        with self._lock:
            for sentry in self._sentries:
                if sentry.probe is probe:
                    self.lookout.remove(sentry.clocks)
            self._sentries = tuple(s for s in self._sentries if s.probe is not probe)
            sleep, thread = self._sleep, self._thread
            if sleep is None or thread is None:
                return
            if self._sentries:
                sleep.alter()
                return
            self._sleep = self._thread = None
            sleep.end()
        if thread is not threading.current_thread():
            thread.join(timeout=5.0)

    def forget_thread(self) -> None:
        """After a fork: the child has no such thread, and the lock may be held by nobody."""
        COLLECTOR.let_go()
        self.lookout.abandon()
        if self._sleep is not None:
            self._sleep.close()
        self.__init__()  # type: ignore[misc]

    def _run(self, sleep: Sleep | Nap) -> None:
        observer, threads = Observer(sleep.watcher), OtherThreads()
        due, before = clock(), self.seconds
        while (wake := sleep.until(due, self._sentries, observer, self.lookout.heart)) is not None:
            observer.due = due = self._look(wake, observer, threads)
            self.seconds = before + time.thread_time()
        self.lookout.rest()
        observer.close()
        sleep.close()

    def _look(self, wake: Wake, observer: Observer, threads: OtherThreads) -> float:
        """Look at what the wake is for; return when to look next at the latest.

        The order matters: what the sentries find ended, they file and `attend` explains; only then
        may the samples of an ended step go.
        """
        now, late = wake.now, wake.late
        observer.woken = wake.due, wake.waited
        threads.wake()
        for sentry in wake.sentries:
            sentry.photograph(now, late, threads)
        COLLECTOR.let_go()
        self.lookout.wake(now)
        witness = observer.look(wake.due, wake.waited)
        for sentry in wake.sentries:
            sentry.look(now, late, witness, observer, threads)
        observer.woken = None
        self._attend_by = math.inf
        for attend in dict.fromkeys(sentry.attend for sentry in self._sentries):
            self._call(attend, now)
        threads.glance(now, witness.process)
        for sentry in wake.sentries:
            sentry.plan(now)
        due = min((self._attend_by, *(sentry.due for sentry in self._sentries)))
        return self._go_to_sleep(now, due)

    @guarded
    def _call(self, attend: Attend, now: float) -> None:
        seconds = attend()
        if seconds is not None:
            self._attend_by = min(self._attend_by, now + seconds)

    def _go_to_sleep(self, now: float, due: float) -> float:
        """Tell the lookout; the compiled sleep does as it ends."""
        if COMPILED:
            self.lookout.rest()
            return due
        due = min(due, now + LONGEST)
        self.lookout.sleep(due)
        return due
