"""Where a loop thread's time goes, from readings at each wake of the watchdog.

Rule: readings come from the watchdog's thread, never from the loop's; a few microseconds each.

Theory: wall time = CPU + run queue + throttled + waiting for the GIL + waiting in a call. The
first three are counted by the system. A thread waiting for the GIL asks again each switch interval
(5 ms), which costs it a slice of CPU time each: its slices times the interval bound that wait. The
watchdog itself is the witness of who kept the GIL: it says when it means to look next, and if it
comes late then it waited for the GIL (many slices), or for a CPU (its own run queue), or nothing
of the process ran at all (few slices: stopped, throttled, or a machine that stood still).

A step begins and ends between two readings. What the loop did in those gaps is bounded by its busy
time there; in the middle of the bounds is what is reported.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from itertools import pairwise
from typing import NamedTuple

from loopwatch.evidence import OutsideSample, Usage
from loopwatch.probe.base import Probe
from loopwatch.probe.kernel import Schedule, ThreadCall, ThreadSchedule, Throttling
from loopwatch.probe.pauses import collecting
from loopwatch.probe.pulse import clock, cpu_clock, cpu_seconds

LONGEST = 0.08  # s between two wakes of the watchdog, as it means to
SIGHTINGS = 64  # samples from outside kept
READINGS = 64  # kept; at the watchdog's period they reach back about 4 s
BUSY = 0.3  # CPU s of other threads per s, from which they are worth a look
LATE = 0.02  # s behind its time from which a wake of the watchdog counts as late
WAITED = 0.012  # s: a GIL that Python code holds is had within two switch intervals
ASKED = 4  # slices between two wakes of the watchdog; more than a wake takes by itself
POLLED = 0.8  # of the time between two wakes: then the loop was in its poll


class Witness(NamedTuple):
    """The process and the watchdog's own thread, as of one wake."""

    due: float | None  # when the watchdog meant to wake; None: it is somebody else who asks
    process: float  # CPU s of all threads
    cpu: float  # CPU s of the watchdog
    schedule: Schedule | None  # of the watchdog
    throttled: float | None  # s


class Reading(NamedTuple):
    """One loop thread and its witness at one moment."""

    at: float  # clock, s
    witness: Witness
    idle: float | None  # s the loop has spent in the poll
    cpu: float  # CPU s
    schedule: Schedule | None


class Clocks:
    """Readings of one loop's thread; written by the watchdog's thread, read on any."""

    def __init__(self, probe: Probe) -> None:
        self.probe = probe
        self._schedule = ThreadSchedule(probe.pulse.native_id)
        self.call = ThreadCall(probe.pulse.native_id)
        self._readings: deque[Reading] = deque(maxlen=READINGS)
        self._observer: Observer | None = None
        self.outside: deque[OutsideSample] = deque(maxlen=SIGHTINGS)  # what a helper has seen
        self.seen_from_outside = False  # it can see

    def close(self) -> None:
        self._schedule.close()
        self.call.close()

    def begin(self) -> None:
        """Take a first reading, in the very step that began the watch."""
        reading = self._reading(Witness(None, time.process_time(), 0.0, None, None))
        self._readings.append(reading._replace(at=self.probe.pulse.installed))

    def read(self, witness: Witness, observer: Observer) -> None:
        """Take a reading, at a wake of the watchdog."""
        self._observer = observer
        self._readings.append(self._reading(witness))

    def _reading(self, witness: Witness) -> Reading:
        at, pulse = clock(), self.probe.pulse
        return Reading(at, witness, self.probe.idle(at), pulse.cpu(), self._schedule.read())

    def usage(self, started: float, ended: float, cpu_at_end: float | None) -> Usage | None:
        """Return where the time from `started` to `ended` went; None if that was not watched.

        `cpu_at_end` are the loop thread's CPU seconds then, where they are known.
        """
        readings = [*self._readings]
        if not readings or self._observer is None:
            return None
        if readings[-1].at < ended:
            readings.append(self._reading(self._observer.look(self._observer.overdue())))
        before = next((r for r in reversed(readings) if r.at <= started), None)
        after = next((r for r in readings if r.at >= ended), readings[-1])
        if before is None or not before.cpu:
            return None
        duration = ended - started
        cpu = (cpu_at_end or after.cpu) - before.cpu
        outside = busy_outside(before, after, duration)
        slack = min(started - before.at, outside)
        usage = Usage(
            cpu=min(duration, max(0.0, cpu - slack / 2)),
            others=other_threads(before, after),
            gc=collecting(started, ended),
        )
        add_schedule(usage, before, after, duration, outside)
        window = [r for r in readings if r.at >= before.at]
        witnessed(usage, window, started, ended)
        return usage

    def sightings(self, started: float, ended: float) -> list[OutsideSample]:
        """Return what was seen from outside between two moments."""
        own = self.probe.pulse.native_id
        return [
            s._replace(mine=s.thread == own)
            for s in list(self.outside)
            if started <= s.at and s.until <= ended
        ]

    def others_busy(self) -> bool:
        """Return whether other threads have used the CPU since the wake before this one."""
        before, after = self._last_two()
        return other_threads(before, after) >= BUSY * (after.at - before.at)

    def held_back(self) -> float:
        """Return for how long the loop, in its poll since the last wake, could not have run, s."""
        before, after = self._last_two()
        late = after.at - (after.witness.due or after.at)
        if before.idle is None or after.idle is None or late < LATE:
            return 0.0
        if after.idle - before.idle < POLLED * (after.at - before.at):
            return 0.0
        usage = Usage(0.0, other_threads(before, after))
        add_schedule(usage, before, after, late, 0.0)
        waited, frozen = lateness(before, after, late)
        gil_wait = min(waited, usage.gil_wait or 0.0) if usage.others >= late / 2 else 0.0
        return max(gil_wait, frozen, usage.queued or 0.0, usage.throttled or 0.0)

    def _last_two(self) -> tuple[Reading, Reading]:
        readings = self._readings
        return readings[-2 if len(readings) > 1 else -1], readings[-1]


def add_schedule(
    usage: Usage, before: Reading, after: Reading, duration: float, outside: float
) -> None:
    """Add what the system counted of the loop's thread, none of it more than `duration`.

    Up to `outside` s of it may have been counted before the step or after it.
    """
    if before.schedule is not None and after.schedule is not None:
        slices = after.schedule.slices - before.schedule.slices
        queued = after.schedule.queued - before.schedule.queued
        usage.queued = middle(queued, duration - usage.cpu, outside)
        usage.gil_wait = min(duration - usage.cpu, slices * sys.getswitchinterval())
    if before.witness.throttled is not None and after.witness.throttled is not None:
        throttled = after.witness.throttled - before.witness.throttled
        usage.throttled = middle(throttled, duration, outside)


def middle(counted: float, most: float, outside: float) -> float:
    """Return how much of what was counted is a step's: the middle of the least and the most."""
    return (min(most, max(0.0, counted - outside)) + min(most, counted)) / 2


def busy_outside(before: Reading, after: Reading, duration: float) -> float:
    """Return for how long the loop may have been busy between two readings, but for one step."""
    outside = after.at - before.at - duration
    if before.idle is not None and after.idle is not None:
        outside -= after.idle - before.idle
    return max(0.0, outside)


def other_threads(before: Reading, after: Reading) -> float:
    """Return the CPU seconds of all threads but the loop's and the watchdog's."""
    process = after.witness.process - before.witness.process
    ours = after.cpu - before.cpu + after.witness.cpu - before.witness.cpu
    return max(0.0, process - ours)


def witnessed(usage: Usage, readings: list[Reading], started: float, ended: float) -> None:
    """Add what the watchdog's own lateness tells of a step."""
    first_due = ended
    for before, after in pairwise(readings):
        if after.witness.due is None:
            continue
        due = max(before.at, after.witness.due)
        if after.at < started or due > ended:
            continue
        first_due = min(first_due, max(started, due))
        late = min(ended, after.at) - max(started, due)
        waited, frozen = lateness(before, after, after.at - due)
        if min(late, waited) >= WAITED:
            usage.kept += min(late, waited)
        if frozen > 0:
            usage.frozen += max(0.0, min(late, frozen)) + max(0.0, due - max(started, before.at))
    usage.frozen = min(usage.frozen, max(0.0, ended - started - usage.cpu))
    usage.watched = ended - first_due


def lateness(before: Reading, after: Reading, late: float) -> tuple[float, float]:
    """Return how much of a late wake was waiting for the GIL, and how much was not running.

    Where slices are not counted, a process that used the CPU meanwhile was not stopped.
    """
    old, new = before.witness.schedule, after.witness.schedule
    used = after.witness.process - before.witness.process
    if old is None or new is None:
        return (late, 0.0) if used >= late / 2 else (0.0, 0.0)
    slices = new.slices - old.slices
    asking = slices * sys.getswitchinterval()
    frozen = max(0.0, late - asking - used - (new.queued - old.queued))
    return (late - frozen if slices >= ASKED else 0.0), frozen


class Observer:
    """Makes witnesses, for the watchdog's thread (where it is made) and for others."""

    def __init__(self) -> None:
        self._schedule = ThreadSchedule(threading.get_native_id())
        self._throttling = Throttling()
        self._cpu_clock = cpu_clock()
        self.due = clock()  # when the watchdog means to look next

    def overdue(self) -> float | None:
        """Return when the watchdog should have looked, None if it is not late."""
        return self.due if self.due < clock() else None

    def close(self) -> None:
        self._schedule.close()
        self._throttling.close()

    def look(self, due: float | None) -> Witness:
        return Witness(
            due,
            time.process_time(),
            cpu_seconds(self._cpu_clock),
            self._schedule.read(),
            self._throttling.read(),
        )
