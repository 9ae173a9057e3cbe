"""Samples of where a loop's time goes, taken by the watchdog, where C cannot ask for them.

That is without the compiled part, and on loops of other makes; else see `native/loop_samples.c`.
The moments are as random, but a sample is taken at the watchdog's next look, and for all moments in
the step that is in progress then. A look needs the GIL. Python code gives it up after 5 ms, C code
that keeps it once it is over, and other C code at once; so a sample shows what gave it up, up to
5 ms late. What has ended by then is not seen at all: with the known mix, pure Python has too
little, and C code that lets the GIL go too much.
"""

from __future__ import annotations

import random

from loopwatch.core.request import REQUEST
from loopwatch.loop.probe import MOMENTS, Held, Probe
from loopwatch.watchdog.stack_sample import running_owner, sample_step

MEAN = 0.05  # s between two moments
IN_STEP = 1  # as in native/loop_samples.c


class TimeSamples:
    """The random moments of one loop, and the samples taken for them."""

    def __init__(self, probe: Probe, now: float) -> None:
        self._probe = probe
        self.due = now + interval()  # clock, s

    def take(self, now: float, held: Held | None) -> None:
        """Take a sample for the moments that lie in the step in progress; plan the next one."""
        passed = 0
        while self.due <= now:
            passed += held is not None and self.due >= held.since
            self.due += interval()
        state, samples = self._probe.state, self._probe.moments
        if not passed or held is None or not state.sampled:
            return
        if len(samples) >= MOMENTS:
            state.lost_samples += passed
            return
        spots = [*sample_step(state, self._probe.floor)]
        context, _ = running_owner(state)
        after = self._probe.held(now)
        if after is not None and after.mark == held.mark:
            request = context.get(REQUEST) if context is not None else None
            samples.append((passed, now, request, IN_STEP, spots))


def interval() -> float:
    return random.expovariate(1.0 / MEAN)
