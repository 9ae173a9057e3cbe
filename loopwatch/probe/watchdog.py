"""The watchdog: one thread a process, that sleeps, glances, and photographs a loop held too long.

Rule: everything here needs the GIL, so a C call that keeps it delays a photograph until it is
over; such a sample says `late`. A sample counts only if the step is the same before and after.
Each wake is also a reading of the clocks (`clocks`), from which causes are told.

Theory: a wake is two attribute reads a loop. If a step is in progress, the next wake is set to
the moment it will have lasted `EARLY` of the threshold, so the first photograph never depends on
the period; later ones are each `GROWTH` times as deep into the stall. A step that ends before the
threshold costs a photograph or two.

A loop on its way back from the poll may be held too, where no step shows it: by a thread that has
the GIL, or because nothing of the process runs. The watchdog, kept waiting itself, finds that by
what the loop's thread did meanwhile.

Tried and dropped: waking the thread from the loop at each tick (a lock a tick); photographing at
the threshold only (a stall barely longer would have no picture).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from loopwatch.evidence import Sample
from loopwatch.guard import guarded, logger
from loopwatch.probe.base import Held, Probe
from loopwatch.probe.clocks import LATE, LONGEST, Clocks, Observer, Witness
from loopwatch.probe.frames import STILL
from loopwatch.probe.lookout import Lookout
from loopwatch.probe.photograph import photograph, running_owner
from loopwatch.probe.pulse import clock
from loopwatch.probe.threads import OtherThreads, Stand, where_threads_stand

EARLY = 0.5  # of the threshold: when the first photograph is due
PERIOD = 0.8  # of the threshold: between two wakes; what began in between is seen in time
GROWTH = 1.5
SHORTEST = 0.002  # s between two wakes


class Watchdog:
    """Looks after probes; `attend` is called after each look, on the watchdog's thread."""

    def __init__(self) -> None:
        self._sentries: list[Sentry] = []  # replaced, never changed: read without a lock
        self._lock = threading.Lock()
        self._bell = threading.Lock()  # rung, by its release, to end the thread
        self._thread: threading.Thread | None = None
        self.seconds = 0.0  # CPU time of the thread
        self.lookout = Lookout()

    def add(
        self, probe: Probe, clocks: Clocks, attend: Callable[[], None], native: bool = False
    ) -> None:
        """Watch a loop from now on; starts the thread if it sleeps."""
        with self._lock:
            if native:
                self._look_from_outside(clocks)
            self._sentries = [*self._sentries, Sentry(probe, clocks, attend)]
            if self._thread is None:
                self._bell = threading.Lock()
                self._bell.acquire()
                self._thread = threading.Thread(
                    target=self._run, args=(self._bell,), name="loopwatch-watchdog", daemon=True
                )
                self._thread.start()

    def _look_from_outside(self, clocks: Clocks) -> None:
        try:
            self.lookout.add(clocks)
        except (RuntimeError, OSError) as reason:
            logger.warning("native=True has no effect: %s", reason)

    def remove(self, probe: Probe) -> None:
        """Forget a loop; ends the thread with the last one."""
        with self._lock:
            for sentry in self._sentries:
                if sentry.probe is probe:
                    self.lookout.remove(sentry.clocks)
            self._sentries = [s for s in self._sentries if s.probe is not probe]
            thread = self._thread
            if self._sentries or thread is None:
                return
            self._thread = None
            self._bell.release()
        if thread is not threading.current_thread():
            thread.join(timeout=5.0)

    def forget_thread(self) -> None:
        """After a fork: the child has no such thread, and the lock may be held by nobody."""
        self.lookout.abandon()
        self.__init__()  # type: ignore[misc]

    def is_here(self) -> bool:
        """Whether this is its own thread."""
        return threading.current_thread() is self._thread

    def _run(self, bell: threading.Lock) -> None:
        observer, threads = Observer(), OtherThreads()
        due, before = clock(), self.seconds
        while not bell.acquire(timeout=max(SHORTEST, due - clock())):
            now = clock()
            late = now - due > LATE
            for sentry in self._sentries:
                sentry.photograph(now, late)
            self.lookout.wake(now)
            witness = observer.look(due)
            next_due = now + LONGEST
            for sentry in self._sentries:
                sentry.look(now, late, witness, observer, threads)
                next_due = min(next_due, sentry.due)
            threads.glance(now, witness.process)
            self.lookout.sleep(next_due)
            observer.due = due = next_due
            self.seconds = before + time.thread_time()
        self.lookout.rest()
        observer.close()


class Sentry:
    """The watchdog's memory of one loop: which step it saw, and when to look again."""

    def __init__(self, probe: Probe, clocks: Clocks, attend: Callable[[], None]) -> None:
        self.probe = probe
        self.clocks = clocks
        self.attend = attend
        threshold = probe.pulse.threshold
        self.period = min(LONGEST, max(SHORTEST, threshold * PERIOD))
        self.due = clock() + self.period
        self.seen: Held | None = None  # at the last wake
        self.held: Held | None = None  # at this one
        self.next_age = 0.0  # of the step, s, at which the next photograph is due
        self.sample: Sample | None = None  # of this wake
        self.stands: list[Stand] = []  # where the other threads stood at this wake

    @guarded
    def photograph(self, now: float, late: bool) -> None:
        with STILL:
            self._photograph(now, late)

    def _photograph(self, now: float, late: bool) -> None:
        """Look at the loop's thread, and at the others if we are late, before anything moves.

        Nothing here may let the GIL go: C code has just been made to, and its thread wants it back.
        """
        pulse = self.probe.pulse
        self.held = held = self.probe.held(now)
        if not self._same_step():
            self.next_age = pulse.threshold * EARLY
        if late:
            self.stands = where_threads_stand(pulse.thread_id, threading.get_ident())
        if held is not None and now - held.since >= self.next_age:
            self._take_sample(held, late)
            self.next_age = (now - held.since) * GROWTH

    def _same_step(self) -> bool:
        held, seen = self.held, self.seen
        return held is not None and seen is not None and held.mark == seen.mark

    def _take_sample(self, held: Held, late: bool) -> None:
        """Photograph a step, if it is still the same one afterwards."""
        probe, pulse = self.probe, self.probe.pulse
        spots = photograph(pulse.thread_id, probe.floor)
        context, coroutine = running_owner(pulse)
        if not late and self.clocks.others_busy():
            self.stands = where_threads_stand(pulse.thread_id, threading.get_ident())
        cpu, at = pulse.cpu(), clock()
        after = probe.held(at)
        if after is None or after.mark != held.mark:
            return
        self.sample = Sample(at, late, spots, cpu, context, coroutine)
        pulse.samples.append(self.sample)

    @guarded
    def look(
        self, now: float, late: bool, witness: Witness, observer: Observer, threads: OtherThreads
    ) -> None:
        """Read the clocks, have what has ended explained, and set `due`.

        The order matters: what `held` found ended, `glance` files and `attend` explains; only
        then may the samples of an ended step go.
        """
        self.due = now + self.period
        if self.sample is not None:
            self.sample.parked = self.clocks.call.elsewhere()
            self.sample = None
        self.clocks.read(witness, observer)
        if self.stands and (not late or self.clocks.others_busy()):
            pictures = threads.pictures(self.stands)
            self.probe.pulse.samples.append(Sample(now, True, (), 0.0, threads=pictures))
        self.stands = []
        self.probe.glance()
        held = self.held
        if self.seen is None and (held is None or now - held.since < LATE):
            self._look_behind(now)
        self.attend()
        if not self._same_step():
            self._forget_samples(now)
        self.seen = held
        if held is not None:
            self.due = min(self.due, held.since + self.next_age)

    def _look_behind(self, now: float) -> None:
        """Judge the loop's way back from the poll if it was held there."""
        pulse = self.probe.pulse
        wait = self.clocks.held_back()
        if wait < pulse.threshold or pulse.judged > now - wait:
            return
        pulse.put(pulse.slow(now - wait, wait))

    def _forget_samples(self, before: float) -> None:
        samples = self.probe.pulse.samples
        kept = [s for s in samples if s.at >= before]
        samples.clear()
        samples.extend(kept)
