"""The watchdog's use of the outside process: each wake is a beat, and takes in new samples.

A sample belongs to the loop whose thread it shows. A sample of another thread that had the GIL
belongs to every loop, since that thread kept all of them waiting.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from loopwatch.core.evidence import OutsideSample
from loopwatch.core.guard import say
from loopwatch.watchdog.clocks import LONGEST, Clocks

if TYPE_CHECKING:
    from loopwatch.watchdog.keep_alive import KeepAlive
    from loopwatch.watchdog.outside_sampler import Outside


class OutsideSamples:
    """Gives added loops their samples from outside; does nothing while there are none."""

    def __init__(self) -> None:
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._outside: Outside | None = None
        self._clocks: tuple[Clocks, ...] = ()  # replaced, never changed: read without a lock
        self._lost_before = 0  # by outside processes that have ended

    @property
    def lost(self) -> int:
        """Return how many looks from outside gave no sample: no allowance was left, the watchdog
        was back too soon, or the stacks were not readable."""
        outside = self._outside
        return self._lost_before + (sum(dict(outside.lost).values()) if outside is not None else 0)

    @property
    def keep_alive(self) -> KeepAlive | None:
        """The keep-alive, while there is an outside process."""
        return self._outside.keep_alive if self._outside is not None else None

    def add(self, clocks: Clocks) -> None:
        """Add a loop. Raises RuntimeError or OSError where reading from outside cannot work.

        What only `native=True` needs is imported here: as the watch starts, before the process.
        """
        if self._outside is None:
            from loopwatch.watchdog.outside_sampler import Outside

            self._outside = Outside()
        self._outside.watch_thread(clocks.probe.state.native_id)
        self._clocks = (*self._clocks, clocks)
        self._outside.start()

    def remove(self, clocks: Clocks) -> None:
        """Forget a loop; the outside process ends with the last one."""
        if self._outside is None or clocks not in self._clocks:
            return
        self._clocks = tuple(c for c in self._clocks if c is not clocks)
        self._outside.forget_thread(clocks.probe.state.native_id)
        if not self._clocks:
            outside = self._outside
            self._lost_before, self._outside = self.lost, None
            outside.stop()

    def wake(self, now: float) -> None:
        """Beat at `now` (clock, s), and take the samples from the time since the last wake."""
        outside = self._outside
        if outside is None:
            return
        outside.beat(now + LONGEST)
        for sample in map(named, outside.take()):
            for clocks in self._clocks:
                if sample.holds_gil or sample.thread == clocks.probe.state.native_id:
                    clocks.outside.append(sample)
        for clocks in self._clocks:
            clocks.seen_from_outside = outside.ready
        if (problem := outside.take_problem()) is not None:
            say(logging.WARNING, "%s", problem)

    def sleep(self, due: float) -> None:
        if self._outside is not None:
            self._outside.beat(due)

    def rest(self) -> None:
        if self._outside is not None:
            self._outside.rest()

    def abandon(self) -> None:
        """Forget everything, in a forked child: the outside process belongs to the parent."""
        if self._outside is not None:
            self._outside.abandon()
        self._begin_anew()


def named(sample: OutsideSample) -> OutsideSample:
    """Return a sample with its thread's name, or `thread` and its id if it has ended."""
    names = {thread.native_id: thread.name for thread in threading.enumerate()}
    return sample._replace(name=names.get(sample.thread, f"thread {sample.thread}"))
