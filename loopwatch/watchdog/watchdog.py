"""The watchdog: one thread per process, which sleeps, looks, and samples loops held too long.

Rule: a look needs the GIL, so a C call that keeps the GIL delays a stack sample until the call is
over. Such a sample is marked `late`. A sample counts only if the step is the same before and after.
Each look also reads the clocks (`clocks`), from which causes are found.

Theory: while every loop waits in its poll, no look is needed, and finding that out must not cost
the GIL. So the compiled sleep (`sleep`) itself sees whether a step or a tick has lasted `EARLY` of
the threshold. Only then does Python look, so the first stack sample does not depend on a period.
Each later one is `GROWTH` times as deep into the stall. A step that ends before the threshold costs
a stack sample or two. A loop that does anything is also looked at from time to time, since thread
pools and task factories may be new. One that was held is looked at again after one period, two
and four, since its victims are still counted; each period if a signal handler may hold it in its
poll. Without the compiled part all loops are looked at each period. While the CPU budget is spent
there are no stack samples, and fewer looks.

A loop that returns from its poll may be held too, without a step that shows it: another thread has
the GIL, or the whole process does not run. The watchdog waits then as well. It finds this out from
what the loop's thread did meanwhile.

A look goes over each thing once, however many there are: the loops that have moved, the threads if
one of them is needed, the watches.

Measured, of a core: one idle loop took 0.25 % when each of 12 wakes a second took the GIL; 100
loops took 12 %, since each loop's look went over all loops. Now it is 0.006 % and 0.03 %, at one
wake a second.

Tried and dropped: waking the thread from the loop at each tick (a lock a tick); sampling at the
threshold only (a stall barely longer would have no sample).
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable

from loopwatch.core.cpu_budget import CpuBudget
from loopwatch.core.gil_turns import FOR_WATCHDOG, want_turns
from loopwatch.core.guard import guarded, log_once, say
from loopwatch.core.own_thread import OwnThread
from loopwatch.loop.loop_state import clock
from loopwatch.loop.probe import Probe
from loopwatch.watchdog.clocks import LONGEST, Clocks
from loopwatch.watchdog.collecting_threads import forget_collections
from loopwatch.watchdog.collector import COLLECTOR
from loopwatch.watchdog.other_threads import OtherThreads
from loopwatch.watchdog.outside_samples import OutsideSamples
from loopwatch.watchdog.process_reading import ProcessReader
from loopwatch.watchdog.sampler import Sampler
from loopwatch.watchdog.sleep import COMPILED, Nap, Sleep, Wake

AGAIN = 0.5  # s after which it goes on, if something of its own has failed
REST = 0.2  # s, at most, between two looks while the CPU budget is spent

Attend = Callable[[], float | None]


class Watchdog:
    """Watches loops through their probes; calls `attend` after each look, on its own thread.

    `attend` may return in how many seconds it needs the next call at the latest.
    """

    def __init__(self) -> None:
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._samplers: tuple[Sampler, ...] = ()  # replaced, never changed: read without a lock
        self._lock = threading.RLock()  # a signal handler may stop a watch
        self._sleep: Sleep | Nap | None = None
        self._thread: threading.Thread | None = None
        self.seconds = 0.0  # CPU time of the thread
        self.outside_samples = OutsideSamples()
        self._settled: threading.Event | None = None  # set as the thread has forgotten a loop
        self._up = threading.Event()  # set to end a rest
        self._attend_by = math.inf  # when `attend` needs its next call; clock, s

    def add(
        self,
        probe: Probe,
        clocks: Clocks,
        attend: Attend,
        native: bool = False,
        budget: CpuBudget | None = None,
    ) -> None:
        """Watch a loop from now on; start the thread if it does not run."""
        with self._lock:
            if native:
                self._look_from_outside(clocks)
            self._samplers = (*self._samplers, Sampler(probe, clocks, attend, COMPILED, budget))
            if self._sleep is not None:
                self._alter(self._sleep)
                return
            self._start()

    def _alter(self, sleep: Sleep | Nap) -> None:
        self._up.set()
        sleep.alter()

    def _start(self) -> None:
        """Start the thread. Raises RuntimeError if the process may have no more of them."""
        sleep = Sleep() if COMPILED else Nap()
        thread = OwnThread(self._run, "loopwatch-watchdog", sleep)
        try:
            thread.start()
        except BaseException:
            self._samplers = ()
            sleep.close()
            raise
        self._sleep, self._thread = sleep, thread

    def _look_from_outside(self, clocks: Clocks) -> None:
        try:
            self.outside_samples.add(clocks)
        except (RuntimeError, OSError) as reason:
            say(logging.WARNING, "native=True has no effect: %s", reason)

    def remove(self, probe: Probe, wait: bool = True) -> threading.Event | None:
        """Forget a loop; end the thread with the last one. Without `wait` for that end, return what
        is set once the thread refers to the loop no more."""
        with self._lock:
            for sampler in self._samplers:
                if sampler.probe is probe:
                    self.outside_samples.remove(sampler.clocks)
            self._samplers = tuple(s for s in self._samplers if s.probe is not probe)
            sleep, thread = self._sleep, self._thread
            if sleep is None or thread is None:
                return None
            settled = threading.Event()
            if self._samplers:
                self._settled = settled
                self._alter(sleep)
                return settled
            self._sleep = self._thread = None
            self._up.set()
            sleep.settled = settled
            sleep.end()
        if wait and thread is not threading.current_thread():
            thread.join(timeout=5.0)
        return settled

    def forget_thread(self) -> None:
        """Start afresh after a fork: the child has no such thread, and the lock may stay held."""
        COLLECTOR.let_go()
        self.outside_samples.abandon()
        if self._sleep is not None:
            self._sleep.close()
        self._begin_anew()

    def _run(self, sleep: Sleep | Nap) -> None:
        reader, threads = ProcessReader(sleep.watcher), OtherThreads()
        due: float | None = clock()
        before = self.seconds
        while due is not None:
            try:
                due = self._turn(sleep, due, reader, threads)
            except BaseException:  # SystemExit as well: without this thread nobody watches
                COLLECTOR.let_go()
                log_once("loopwatch.watchdog, which goes on")
                time.sleep(AGAIN)
            self.seconds = before + time.thread_time()
        self.outside_samples.rest()
        reader.close()
        sleep.close()
        sleep.settle()

    def _rest(self, due: float, reader: ProcessReader) -> float:
        """Look at nothing while the CPU budget of every loop is spent: looks cost, too. Return when
        to look next (clock, s), `due` or later."""
        seconds = min((sampler.budget.closed_for() for sampler in self._samplers), default=0.0)
        if seconds > 0.0:
            self.outside_samples.rest()
            began = clock()
            reader.due = began + min(seconds, REST)
            want_turns(FOR_WATCHDOG, after=reader.due - began)
            self._up.wait(reader.due - began)
            now = reader.due = clock()
            for sampler in self._samplers:
                sampler.leave_out(began, now)
            due = max(due, now)
        self._up.clear()
        return due

    def _turn(
        self, sleep: Sleep | Nap, due: float, reader: ProcessReader, threads: OtherThreads
    ) -> float | None:
        """Sleep, then look; return when to look next, None at the end. While it sleeps, this frame
        refers to no loop: one that the app drops could not be collected."""
        due = self._rest(due, reader)
        if self._settled is not None:  # read before the samplers, which were changed before it
            sleep.settled, self._settled = self._settled, None
        wake = sleep.until(due, self._samplers, reader, self.outside_samples.keep_alive)
        if wake is None:
            return None
        reader.due = due = self._look(wake, sleep, reader, threads)
        return due

    def _look(
        self, wake: Wake, sleep: Sleep | Nap, reader: ProcessReader, threads: OtherThreads
    ) -> float:
        """Look at the loops of a wake; return when to look next at the latest (clock, s).

        The order matters: samplers file what has ended, then `attend` collects it, and only then
        are the samples of an ended step dropped.
        """
        now, late = wake.now, wake.late
        reader.woken = wake.due, wake.waited
        for sampler in wake.samplers:
            sampler.sample_stack(now, late, threads)
        sleep.take_missed()
        COLLECTOR.let_go()
        self.outside_samples.wake(now)
        reading = reader.look(wake.due, wake.waited)
        for sampler in wake.samplers:
            sampler.look(now, late, reading, reader)
        reader.woken = None
        self._attend_by = math.inf
        for attend in dict.fromkeys(sampler.attend for sampler in self._samplers):
            self._call(attend, now)
        threads.glance(now, reading.process)
        forget_collections(now)
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
        """Set the keep-alive for the sleep, and return its end (clock, s); the compiled sleep beats
        by itself as it ends."""
        if COMPILED:
            self.outside_samples.rest()
            return due
        due = min(due, now + LONGEST)
        self.outside_samples.sleep(due)
        return due
