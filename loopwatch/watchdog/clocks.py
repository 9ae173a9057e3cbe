"""Where a loop thread's time goes, from readings at each look of the watchdog.

Rule: the watchdog's thread takes the readings, never the loop's; each takes a few microseconds.

Theory: wall time = CPU + run queue + throttled + waiting for the GIL + waiting in a call. The
system counts the first three. A thread that waits for the GIL asks again each switch interval
(5 ms), and each time costs a slice of CPU time. So its slices times the interval bound that wait.

The watchdog's own lateness shows whether the GIL was kept. The compiled sleep times its wait for
the GIL. If it was late before it asked, either it had no CPU (its own run queue), or the whole
process did not run (stopped, throttled, or the machine stood still). The sleep in Python only knows
when it meant to look next. If it is late, many slices mean that it waited for the GIL, and few that
it did not run.

A step begins and ends between two readings. The compiled sleep takes one more, from before the tick
that it looks at (`native/glance.c`). The loop's busy time in those gaps bounds what it did there;
the middle of the bounds is reported.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from itertools import pairwise

from loopwatch.core.evidence import OutsideSample, Sample, Slow, Usage
from loopwatch.loop.loop_state import clock
from loopwatch.loop.probe import Probe
from loopwatch.watchdog.collecting_threads import collecting_thread, own_collection
from loopwatch.watchdog.gc_pauses import collecting
from loopwatch.watchdog.kernel import ThreadCall, ThreadSchedule
from loopwatch.watchdog.process_reading import ProcessReader, ProcessReading, Reading

LONGEST = 0.08  # s between two planned wakes of the watchdog, at most
SIGHTINGS = 64  # samples from outside kept
READINGS = 64  # kept; at the watchdog's period they reach back about 4 s
FIRSTS = 4  # readings kept besides, each the last before a step or a tick: that may be longer
IDLE = 0.5  # of a step: with less CPU time its thread waited
BUSY = 0.3  # CPU s of other threads per s from which they are looked at
LATE = 0.02  # s of delay from which a wake of the watchdog counts as late
WAITED = 0.012  # s: Python code gives the GIL up within two switch intervals
ASKED = 4  # slices between two wakes of the watchdog; a wake by itself takes fewer
WORKED = 0.2  # of such a delay: CPU time of other threads from which they may have had the GIL
POLLED = 0.8  # of the time between two wakes from which the loop counts as having been in its poll


class Clocks:
    """Readings of one loop's thread; written by the watchdog's thread, read on any."""

    def __init__(self, probe: Probe) -> None:
        self.probe = probe
        self._schedule = ThreadSchedule(probe.state.native_id)
        self.call = ThreadCall(probe.state.native_id)
        self._readings: deque[Reading] = deque(maxlen=READINGS)
        self._firsts: deque[Reading] = deque(maxlen=FIRSTS)
        self._reader: ProcessReader | None = None
        self.outside: deque[OutsideSample] = deque(maxlen=SIGHTINGS)  # by the outside process
        self.seen_from_outside = False  # the outside process can read stacks

    def close(self) -> None:
        self._schedule.close()
        self.call.close()

    @property
    def schedule_descriptor(self) -> int:
        """The open file of the thread's schedule, -1 if there is none."""
        return self._schedule.descriptor

    def begin(self) -> None:
        """Take the first reading, in the step in which the watch began."""
        reading = self._reading(ProcessReading(None, time.process_time(), 0.0, None, None))
        self._readings.append(reading._replace(at=self.probe.state.installed))

    def read(self, reading: ProcessReading, reader: ProcessReader) -> None:
        """Take a reading at a look of the watchdog, and before it the one from its sleep."""
        self._reader = reader
        self._readings.extend(self._asleep())
        self._keep_first()
        self._readings.append(self._reading(reading))

    def _keep_first(self) -> None:
        """Keep the last reading before the step and before the tick in progress: what they take is
        known only from there on, and they may outlast the others."""
        now = clock()
        held, ticking = self.probe.held(now), self.probe.ticking(now)
        for since in (held.since if held is not None else 0.0, now - ticking if ticking else 0.0):
            found = next((r for r in reversed(self._readings) if r.at <= since), None)
            if found is not None and found not in self._firsts:
                self._firsts.append(found)

    def _asleep(self) -> list[Reading]:
        """Return the reading from the watchdog's sleep, if it is later than all others."""
        found = self._reader.before(self.probe.state) if self._reader is not None else None
        latest = self._readings[-1].at if self._readings else 0.0
        return [found] if found is not None and found.at > latest else []

    def _reading(self, reading: ProcessReading) -> Reading:
        at, state = clock(), self.probe.state
        return Reading(at, reading, self.probe.idle(at), state.cpu(), self._schedule.read())

    def usage(self, started: float, ended: float, cpu_at_end: float | None) -> Usage | None:
        """Return where the time from `started` to `ended` (clock, s) went; None if not watched.

        `cpu_at_end` are the loop thread's CPU seconds at `ended`, where known.
        """
        readings = [*self._readings, *self._asleep()]
        if not readings or self._reader is None:
            return None
        if readings[-1].at < ended:
            readings.append(self._reading(self._reader.overdue()))
        before = next((r for r in reversed(readings) if r.at <= started), None)
        after = next((r for r in readings if r.at >= ended), readings[-1])
        window = [r for r in readings if before is None or r.at >= before.at]
        if before is None:
            firsts = [r for r in self._firsts if 0 <= started - r.at <= ended - started]
            before = max(firsts, key=lambda r: r.at, default=None)
        if before is None or not before.cpu:
            return None
        duration = ended - started
        cpu = (cpu_at_end or after.cpu) - before.cpu
        outside = busy_outside(before, after, duration)
        slack = min(started - before.at, outside)
        cpu = min(duration, max(0.0, cpu - slack / 2))
        usage = Usage(
            cpu=cpu,
            others=other_threads(before, after),
            gc=collecting(started, ended, waiting=cpu < IDLE * duration),
        )
        if usage.gc:
            usage.collector = collecting_thread(started, ended, self.probe.state.thread_id)
        add_schedule(usage, before, after, duration, outside)
        witnessed(usage, window, started, ended)
        return usage

    def collected(self, slow: Slow) -> list[Sample]:
        """Return where the loop's thread stood if it collected garbage most of the time, and nobody
        has seen it in time."""
        if not all(sample.late for sample in slow.samples):
            return []
        thread, floor = self.probe.state.thread_id, self.probe.floor
        return own_collection(slow.started, slow.ended, thread, floor)

    def sightings(self, started: float, ended: float) -> list[OutsideSample]:
        """Return the samples from outside between two moments (clock, s)."""
        own = self.probe.state.native_id
        return [
            s._replace(mine=s.thread == own)
            for s in list(self.outside)
            if started <= s.at and s.until <= ended
        ]

    def others_busy(self) -> bool:
        """Return whether other threads have used the CPU between the last two readings."""
        before, after = self._last_two()
        return other_threads(before, after) >= BUSY * (after.at - before.at)

    def others_at_work(self) -> bool:
        """Return whether they have used it since the last reading. Keeps the GIL."""
        before = next(iter(self._asleep()), self._readings[-1])
        at, process, cpu = clock(), time.process_time(), self.probe.state.cpu()
        ours = cpu - before.cpu + time.thread_time() - before.reading.cpu
        return process - before.reading.process - ours >= BUSY * (at - before.at)

    def held_back(self, until: float) -> float:
        """Return for how long (s) the loop, in its poll from the last wake to `until` (clock, s),
        could not run. What was read as it returned shows nothing of the time before.

        The watchdog began to ask for the GIL at its own next look, the loop's thread as its poll
        had something for it. Its slices since a reading before that say when.
        """
        after = self._readings[-1]
        due = after.reading.due or until
        late = until - due
        before = next((r for r in reversed(self._readings) if r.at <= due), after)
        if before.idle is None or after.idle is None or late < LATE:
            return 0.0
        if after.idle - before.idle < POLLED * (until - before.at):
            return 0.0
        usage = Usage(0.0, other_threads(before, after))
        add_schedule(usage, before, after, late, 0.0)
        waited, frozen = lateness(before, after, late)
        wanted = 0.0
        if usage.others >= WORKED * late:  # between two requests for the GIL it may queue for a CPU
            wanted = min(waited, (usage.gil_wait or 0.0) + (usage.queued or 0.0))
        if wanted >= WAITED:
            wanted = max(wanted, self._asked(after, until))
        return max(wanted, frozen, usage.queued or 0.0, usage.throttled or 0.0)

    def _asked(self, after: Reading, until: float) -> float:
        """Return for how long (s) the loop's thread asked for the GIL to leave its poll, at most
        since that poll began; 0.0 if that is not known.

        A reading from within the poll may be from when it asked already; slices since one from
        before it may be those of other polls. The larger is nearer.
        """
        poll = self._reader.glimpse(self.probe.state).poll if self._reader is not None else 0.0
        if not poll:
            return 0.0
        within = next((r for r in self._readings if r.at > poll), after)
        earlier = next((r for r in reversed(self._readings) if r.at <= poll), within)
        return max(
            middle(asking(before, after), until - poll, max(0.0, poll - before.at))
            for before in (within, earlier)
        )

    def _last_two(self) -> tuple[Reading, Reading]:
        readings = self._readings
        return readings[-2 if len(readings) > 1 else -1], readings[-1]


def add_schedule(
    usage: Usage, before: Reading, after: Reading, duration: float, outside: float
) -> None:
    """Add what the system counted for the loop's thread, each at most `duration` s.

    Up to `outside` s of it may belong to the time before or after the step.
    """
    if before.schedule is not None and after.schedule is not None:
        slices = after.schedule.slices - before.schedule.slices
        queued = after.schedule.queued - before.schedule.queued
        usage.queued = middle(queued, duration - usage.cpu, outside)
        usage.gil_wait = min(duration - usage.cpu, slices * sys.getswitchinterval())
    if before.reading.throttled is not None and after.reading.throttled is not None:
        throttled = after.reading.throttled - before.reading.throttled
        usage.throttled = middle(throttled, duration, outside)


def asking(before: Reading, after: Reading) -> float:
    """Return for how long (s) a thread asked for the GIL at most, or queued for a CPU in between;
    0.0 if that is not known."""
    if before.schedule is None or after.schedule is None:
        return 0.0
    slices = after.schedule.slices - before.schedule.slices
    return slices * sys.getswitchinterval() + after.schedule.queued - before.schedule.queued


def middle(counted: float, most: float, outside: float) -> float:
    """Return a step's share (s) of what was counted: the middle of the least and the most."""
    return (min(most, max(0.0, counted - outside)) + min(most, counted)) / 2


def busy_outside(before: Reading, after: Reading, duration: float) -> float:
    """Return for how long (s) the loop may have been busy between two readings, without a step of
    `duration` s."""
    outside = after.at - before.at - duration
    if before.idle is not None and after.idle is not None:
        outside -= after.idle - before.idle
    return max(0.0, outside)


def other_threads(before: Reading, after: Reading) -> float:
    """Return the CPU seconds of all threads but the loop's and the watchdog's."""
    process = after.reading.process - before.reading.process
    ours = after.cpu - before.cpu + after.reading.cpu - before.reading.cpu
    return max(0.0, process - ours)


def witnessed(usage: Usage, readings: list[Reading], started: float, ended: float) -> None:
    """Add what the watchdog's own lateness shows about a step."""
    first_asked = ended
    for before, after in pairwise(readings):
        reading = after.reading
        if reading.due is None:
            continue
        due = max(before.at, reading.due)
        if after.at < started or due > ended:
            continue
        asked = due if reading.waited is None else max(due, after.at - reading.waited)
        first_asked = min(first_asked, max(started, asked))
        late, kept = (min(ended, after.at) - max(started, since) for since in (due, asked))
        waited, frozen = lateness(before, after, after.at - due)
        if min(kept, waited) >= WAITED:
            usage.kept += min(kept, waited)
        if frozen > 0:
            usage.frozen += max(0.0, min(late, frozen)) + max(0.0, due - max(started, before.at))
    usage.frozen = min(usage.frozen, max(0.0, ended - started - usage.cpu))
    usage.watched = ended - first_asked


def lateness(before: Reading, after: Reading, late: float) -> tuple[float, float]:
    """Return for how long (s) a late watchdog waited for the GIL, and for how long it did not run.

    Without slice counts, a process that used the CPU meanwhile counts as not stopped.
    """
    old, new, timed = before.reading.schedule, after.reading.schedule, after.reading.waited
    used = after.reading.process - before.reading.process
    if old is None or new is None:
        if timed is not None:
            return min(late, timed), max(0.0, late - timed - used)
        return (late, 0.0) if used >= late / 2 else (0.0, 0.0)
    slices = new.slices - old.slices
    asking = slices * sys.getswitchinterval()
    frozen = max(0.0, late - asking - used - (new.queued - old.queued))
    if timed is not None:
        return max(0.0, min(timed, late - frozen)), frozen
    return (late - frozen if slices >= ASKED else 0.0), frozen
