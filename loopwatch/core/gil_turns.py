"""Turns at the GIL for threads of ours, beside a loop that never waits.

A loop with something ready all the time lets the GIL go and takes it back at each poll, before a
thread that waits for it runs. So while its ticks are shorter than 5 ms, no other thread may ever
get the GIL. A thread of ours that has something to do therefore asks for turns: the loop's thread
then sleeps for a moment, once in `INTERVAL`. Whoever gives a thread of ours something to do asks in
its place, since that thread needs the GIL to ask. The theory is in `native/gil_turns.c`, which
gives the turns as steps end; here loops in Python do so, as their ticks end.
"""

from __future__ import annotations

import math
import time

from loopwatch.core.speedups import speedups

FOR_WATCHDOG, FOR_WAITS, FOR_DELIVERY, FOR_PORT, FOR_ANSWERS = range(5)  # as in native/gil_turns.h

LASTING = 1.0  # s for which turns are asked for, at most: who has done its work says so before
INTERVAL = 0.005  # s between two turns
TURN = 0.0001  # s

clock = time.perf_counter


class Turns:
    """Who wants turns, and when the next one is due."""

    due = math.inf  # clock, s

    def __init__(self) -> None:
        self._wanted: dict[int, tuple[float, float]] = {}  # who -> from when, until when; clock, s
        self._idle = 0.0  # s, of the loop that was asked last

    def want(self, who: int, seconds: float, after: float = 0.0) -> None:
        began = clock() + after
        self._wanted[who] = began, began + seconds
        self.due = min(self.due, began + INTERVAL)

    def want_none(self, who: int) -> None:
        self._wanted.pop(who, None)

    def give(self, now: float, idle: float) -> float:
        """Give a turn, if it is still wanted, and if the loop, `idle` for so many s until now,
        has not just waited for as long; return the time afterwards (clock, s)."""
        waited, self._idle = idle - self._idle, idle
        self.due = math.inf  # first: whoever wants one from here on sets it again
        if self._first(now) <= now and waited < TURN:
            time.sleep(TURN)
            now = clock()
        self.due = min(self.due, self._first(now) + INTERVAL)
        return now

    def _first(self, now: float) -> float:
        """Return from when on one is wanted (clock, s): `now`, or later."""
        wanted = [*self._wanted.values()]
        return min((max(now, began) for began, until in wanted if now < until), default=math.inf)


TURNS = Turns()


def want_turns(who: int, seconds: float = LASTING, after: float = 0.0) -> None:
    """Ask for turns for so many s, which begin `after` s from now; any thread may."""
    if speedups is None:
        TURNS.want(who, seconds, after)
    else:
        speedups.want_turns(who, seconds, after)


def want_no_turns(who: int) -> None:
    """Ask for no more: there is nothing to do."""
    if speedups is None:
        TURNS.want_none(who)
    else:
        speedups.want_no_turns(who)
