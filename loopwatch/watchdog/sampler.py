"""What the watchdog remembers of one loop: the step it saw, and when to look again."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from loopwatch.core.breath import gave_way_since
from loopwatch.core.cpu_budget import CpuBudget
from loopwatch.core.evidence import Sample, ThreadPicture, ThreadWait
from loopwatch.core.frames import STILL
from loopwatch.core.guard import guarded
from loopwatch.core.stack import Spots, Stack
from loopwatch.loop.loop_state import clock
from loopwatch.loop.probe import Held, Probe
from loopwatch.watchdog.blockers import blocker
from loopwatch.watchdog.clocks import LONGEST, Clocks
from loopwatch.watchdog.other_threads import OtherThreads
from loopwatch.watchdog.process_reading import ProcessReader, ProcessReading
from loopwatch.watchdog.stack_sample import running_owner, sample_step
from loopwatch.watchdog.time_samples import TimeSamples

EARLY = 0.5  # of the threshold at which the first stack sample is due
PERIOD = 0.8  # of the threshold between two wakes, so that a step between them is seen in time
GROWTH = 1.5
SHORTEST = 0.002  # s between two wakes, at least
LIVELY = 1.2  # s for which a loop that was held is looked at each period
KNOWN = (
    "asyncio",
    "uvloop",
)  # kinds of loops whose loop state has all that the compiled sleep reads


class Sampler:
    """Samples one loop. `compiled`: the watchdog has the compiled sleep, which sees some loops.

    `due` (clock, s) is when to look at the latest, whatever the sleep sees.
    """

    def __init__(
        self,
        probe: Probe,
        clocks: Clocks,
        attend: Callable[[], float | None],
        compiled: bool = False,
        budget: CpuBudget | None = None,
    ) -> None:
        self.probe = probe
        self.budget = budget or CpuBudget()
        self.clocks = clocks
        self.attend = attend
        self.seen_asleep = compiled and probe.kind in KNOWN
        self.descriptor = polled_by(probe.loop)
        threshold = probe.state.threshold
        self.early = threshold * EARLY
        self.period = min(LONGEST, max(SHORTEST, threshold * PERIOD))
        self.due = clock() + self.period
        self._lively_until = self.due + LIVELY
        self._pause = self.period  # s until it is looked at again while it is lively
        self._time = None if self.seen_asleep else TimeSamples(probe, self.due)
        self._seen: Held | None = None  # at the last look
        self._held: Held | None = None  # at this one
        self._moved = 0.0  # when a look last saw that the step had changed; clock, s
        self._next_age = 0.0  # s of the step at which the next stack sample is due
        self._sample: Sample | None = None  # of this look
        self._pictures: tuple[ThreadPicture, ...] | None = None  # of the other threads, if taken

    @guarded
    def sample_stack(self, now: float, late: bool, threads: OtherThreads) -> None:
        with STILL:
            self._sample_stack(now, late, threads)

    def _sample_stack(self, now: float, late: bool, threads: OtherThreads) -> None:
        """Sample the loop's thread, and the others if we are late, before any of them moves.

        Nothing here may release the GIL: C code has just released it, and its thread wants it back.
        """
        probe = self.probe
        self._held = held = probe.held(now) if probe.loop.is_running() else None
        if self._time is not None:
            self._time.take(now, held)
        is_stall = held is not None and now - held.since >= probe.state.threshold
        probe.holding = held if is_stall else None
        if not self._same_step():
            self._next_age = self.early
        age = now - held.since if held is not None else 0.0
        is_due = held is not None and age >= self._next_age
        if not (late or is_due):
            return
        if is_due:
            self._next_age = age * GROWTH
        if not self.budget.allows("sample", age):
            self.leave_out(now, now)
            return
        if late:
            self._look_around(now, threads)
        if held is not None and is_due:
            self._take_sample(held, late, threads)

    def leave_out(self, since: float, until: float) -> None:
        """Note that no stack samples were taken meanwhile, since they would have cost too much."""
        before, last = self.probe.state.unseen
        self.probe.state.unseen = before if since - last < self.period else since, until

    def _same_step(self) -> bool:
        held, seen = self._held, self._seen
        return held is not None and seen is not None and held.mark == seen.mark

    def _look_around(self, now: float, threads: OtherThreads) -> None:
        since = self._held.since if self._held is not None else now - self.period
        probe = self.probe
        self._pictures = threads.pictures(now, since, probe.state.native_id, probe.loop)

    def _take_sample(self, held: Held, late: bool, threads: OtherThreads) -> None:
        """Take a stack sample of a step; keep it if the step is the same afterwards."""
        probe, state = self.probe, self.probe.state
        spots = self._shared(sample_step(state, probe.floor))
        context, coroutine = running_owner(state)
        if not late and self.clocks.others_at_work():
            self._look_around(clock(), threads)
        cpu, at = state.cpu(), clock()
        after = probe.held(at)
        if after is None or after.mark != held.mark:
            return
        self._sample = Sample(at, late, spots, cpu, context, coroutine)
        state.samples.append(self._sample)

    def _shared(self, spots: Spots) -> Spots:
        """Return the stack of the sample before if this one is equal: it need not be read twice."""
        samples = self.probe.state.samples
        before = samples[-1].spots if samples else ()
        return before if spots == before else Stack(spots)

    @guarded
    def look(
        self,
        now: float,
        late: bool,
        reading: ProcessReading,
        reader: ProcessReader,
    ) -> None:
        """Read the clocks, and file what `sample_stack` found, before `attend` collects it."""
        state, held = self.probe.state, self._held
        if self._sample is not None:
            self._sample.parked = self.clocks.call.elsewhere()
            self._sample.free = reading.had_at_once
            self._sample.doubtful = late and gave_way_since(reading.asked(now))
            self._sample.kept = late and reader.glimpse(state).elsewhere
            if self.probe.holding is not None and not self._sample.parked:  # no lock, no future
                self._sample.wait = self._wait()
        self.clocks.read(reading, reader)
        if self._pictures and (not late or self.clocks.others_busy()):
            state.samples.append(Sample(now, True, (), 0.0, threads=self._pictures))
        self._pictures = None
        self.probe.glance()
        was_idle = self._seen is None or (self.seen_asleep and not self._same_step())
        if was_idle:
            self._look_behind(held.since if held is not None else now)
        if self._sample is not None or state.pending or self._is_held(now):
            self.stay_lively(now)
        self._sample = None

    def _wait(self) -> ThreadWait | None:
        """Return what the loop's thread waits for, if its step is still the same afterwards."""
        probe, held = self.probe, self._held
        with STILL:
            found = blocker(probe.loop, probe.state.thread_id)
        after = probe.held(clock()) if found is not None else None
        return found if after is not None and held is not None and after.mark == held.mark else None

    def _is_held(self, now: float) -> bool:
        """Return whether a step or a tick is old enough for a stack sample."""
        held = self._held
        since = now - held.since if held is not None else 0.0
        return held is not None and max(since, self.probe.ticking(now)) >= self.early

    def _look_behind(self, until: float) -> None:
        """Judge the loop's return from the poll, if it was held there until then (clock, s)."""
        state = self.probe.state
        began = max(until - self.clocks.held_back(until), state.judged)
        if until - began >= state.threshold:
            state.put(state.slow(began, until - began))

    def stay_lively(self, now: float) -> None:
        """Have the loop looked at for a while: after a period, and then after twice the time each;
        if a signal handler may hold it, each period."""
        self._lively_until, self._pause = now + LIVELY, self.period

    @guarded
    def plan(self, now: float) -> None:
        """Set `due`, and drop the samples of a step that had ended by the look before this one.

        A step that has ended since then may not be filed yet: its thread may wait for the GIL, or
        for a CPU, in the middle of that. So they are kept for one more period, with what is the
        app's in their contexts.
        """
        held = self._held
        if not self._same_step():
            self._forget_samples(self._moved)
            self._moved = now
        self._seen = held
        left = max(self.period, self._lively_until - now)  # s; after that it may sleep
        self.due = now + min(self._pause, left)
        if self.seen_asleep and not self.probe.state.samples and not self._may_be_interrupted():
            self._pause *= 2
        if self.seen_asleep and now >= self._lively_until:
            self.due = math.inf
        elif held is not None:
            self.due = min(self.due, held.since + self._next_age)

    def _may_be_interrupted(self) -> bool:
        """Return whether a signal handler may hold the loop in its poll, which only looks show."""
        on_main_thread = self.probe.state.thread_id == threading.main_thread().ident
        return on_main_thread and self.probe.kind == "asyncio"

    def _forget_samples(self, before: float) -> None:
        samples = self.probe.state.samples
        kept = [s for s in samples if s.at >= before]
        samples.clear()
        samples.extend(kept)


def polled_by(loop: Any) -> int:
    """Return the descriptor that a loop polls; -1 if it is not available."""
    with suppress(Exception):  # a selector without one, a loop of unknown make
        selector = getattr(loop, "_selector", None)
        found = loop._get_backend_id() if selector is None else selector.fileno()
        return found if isinstance(found, int) else -1
    return -1
