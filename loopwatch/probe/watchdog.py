"""The watchdog: one thread a process, that sleeps, glances, and photographs a loop held too long.

Rule: everything here needs the GIL, so a C call that keeps it delays a photograph until it is
over; such a sample says `late`. A sample counts only if the step is the same before and after.

Theory: a wake is two attribute reads a loop. If a step is in progress, the next wake is set to
the moment it will have lasted `EARLY` of the threshold, so the first photograph never depends on
the period; the next is due at the threshold, later ones each `GROWTH` times as deep into the
stall. A step that ends before the threshold costs one photograph and is forgotten.

Tried and dropped: waking the thread from the loop at each tick (a lock a tick); photographing at
the threshold only (a stall barely longer would have no picture).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from loopwatch.evidence import Sample
from loopwatch.guard import guarded
from loopwatch.probe.base import Held, Probe
from loopwatch.probe.photograph import photograph, running_owner
from loopwatch.probe.pulse import clock

EARLY = 0.8  # of the threshold: when the first photograph is due
GROWTH = 1.5
LATE = 0.02  # s behind schedule from which a wake counts as late
LONGEST, SHORTEST = 0.05, 0.002  # s between two wakes


class Watchdog:
    """Looks after probes; `attend` is called after each look, on the watchdog's thread."""

    def __init__(self) -> None:
        self._sentries: list[Sentry] = []  # replaced, never changed: read without a lock
        self._lock = threading.Lock()
        self._bell = threading.Lock()  # rung, by its release, to end the thread
        self._thread: threading.Thread | None = None
        self.seconds = 0.0  # CPU time of the thread

    def add(self, probe: Probe, attend: Callable[[], None]) -> None:
        """Watch a loop from now on; starts the thread if it sleeps."""
        with self._lock:
            self._sentries = [*self._sentries, Sentry(probe, attend)]
            if self._thread is None:
                self._bell = threading.Lock()
                self._bell.acquire()
                self._thread = threading.Thread(
                    target=self._run, args=(self._bell,), name="loopwatch-watchdog", daemon=True
                )
                self._thread.start()

    def remove(self, probe: Probe) -> None:
        """Forget a loop; ends the thread with the last one."""
        with self._lock:
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
        self.__init__()  # type: ignore[misc]

    def _run(self, bell: threading.Lock) -> None:
        due, before = clock(), self.seconds
        while not bell.acquire(timeout=max(SHORTEST, due - clock())):
            now = clock()
            next_due = now + LONGEST
            for sentry in self._sentries:
                sentry.look(now, late=now - due > LATE)
                next_due = min(next_due, sentry.due)
            due = next_due
            self.seconds = before + time.thread_time()


class Sentry:
    """The watchdog's memory of one loop: which step it saw, and when to look again."""

    def __init__(self, probe: Probe, attend: Callable[[], None]) -> None:
        self.probe = probe
        self.attend = attend
        threshold = probe.pulse.threshold
        self.period = min(LONGEST, max(SHORTEST, threshold / 2))
        self.due = clock() + self.period
        self.seen: Held | None = None
        self.next_age = 0.0  # of the step, s, at which the next photograph is due

    @guarded
    def look(self, now: float, late: bool) -> None:
        """Look at the loop, once; set `due`.

        The order matters: what `held` found ended, `glance` files and `attend` explains; only
        then may the samples of an ended step go.
        """
        self.due = now + self.period
        held = self.probe.held(now)
        self.probe.glance()
        self.attend()
        if held is None or self.seen is None or held.mark != self.seen.mark:
            self.probe.pulse.samples.clear()
            self.next_age = self.probe.pulse.threshold * EARLY
        self.seen = held
        if held is not None:
            self._photograph_if_due(held, now, late)
            self.due = min(self.due, held.since + self.next_age)

    def _photograph_if_due(self, held: Held, now: float, late: bool) -> None:
        age = now - held.since
        if age < self.next_age:
            return
        self._photograph(held, late)
        threshold = self.probe.pulse.threshold
        self.next_age = threshold if age < threshold else age * GROWTH

    def _photograph(self, held: Held, late: bool) -> None:
        probe, pulse = self.probe, self.probe.pulse
        picture = photograph(pulse.thread_id, probe.floor, probe.base)
        context, coroutine = running_owner(probe.loop, picture.below)
        cpu, at = pulse.cpu(), clock()
        after = probe.held(at)
        if after is not None and after.mark == held.mark:
            pulse.samples.append(
                Sample(at, late, picture.spots, cpu, context, coroutine, picture.root)
            )
