"""The CPU budget: what loopwatch's own threads may spend on finding out about stalls.

Theory: a share of a core is saved up, up to `SAVED` seconds' worth, and spent by what the meter
counts, whoever caused it. `REFILL` of the share is added, so that what was saved up and what is
added in `SPAN` seconds are together no more than the share of `SPAN`: the bound holds for every
window of that length. What is being done when the budget runs out is finished, and paid back first.
A meter may fall, since a collection on a thread of ours is left out before that thread's time is
read: nothing is saved up by that.

A hold of `LONG` seconds or more is what matters most, and is rare. If the budget is spent, each
purpose may still have one a second, which is paid back as well.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

SHARE = 0.05  # of a core
SPAN = 10.0  # s over which the share holds
SAVED = 2.0  # s of the share that can be saved up, and that can be owed
REFILL = (SPAN - SAVED) / SPAN  # of the share
LONG = 1.0  # s of a hold
PLENTY = 0.5  # of what can be saved up

Clock = Callable[[], float]


class CpuBudget:
    """A share of a core; `meter` returns the CPU seconds spent so far, `clock` the time, s.

    Any thread may ask; none waits for another.
    """

    def __init__(
        self, share: float = SHARE, meter: Clock = float, clock: Clock = time.perf_counter
    ) -> None:
        self.share = share
        self._meter, self._clock = meter, clock
        self._most = share * SAVED
        self._left = self._most  # CPU s
        self._at, self._spent = clock(), meter()
        self._lent: dict[str, float] = {}  # when each purpose last had what is kept for long holds
        self._lock = threading.Lock()  # never waited for: a signal handler may ask within

    def allows(self, purpose: str, held_for: float = 0.0) -> bool:
        """Return whether something may be spent on a hold, of so many s until now."""
        if self.left() > 0.0:
            return True
        now = self._clock()
        if held_for < LONG or now - self._lent.get(purpose, -LONG) < LONG:
            return False
        self._lent[purpose] = now
        return True

    def has_plenty(self) -> bool:
        """Return whether there is enough left for what is the first to yield: half of what can be
        saved up."""
        return self.left() > PLENTY * self._most

    def closed_for(self) -> float:
        """Return s until something may be spent again, 0.0 if that is now."""
        return max(0.0, -self.left()) / (self.share * REFILL)

    def left(self) -> float:
        """Return what may be spent now, CPU s; below 0 what was spent too much."""
        if self._lock.acquire(blocking=False):
            try:
                self._settle()
            finally:
                self._lock.release()
        return self._left

    def _settle(self) -> None:
        now, spent = self._clock(), max(self._spent, self._meter())
        left = self._left + (now - self._at) * self.share * REFILL - (spent - self._spent)
        self._left = max(-self._most, min(self._most, left))
        self._at, self._spent = now, spent
