"""What loopwatch itself has cost and lost since a watch began to count, on threads of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from loopwatch.watch.delivery import Delivery
from loopwatch.watchdog.gc_pauses import OWN_COLLECTIONS
from loopwatch.watchdog.watchdog import Watchdog


class Elsewhere:
    """CPU seconds of explaining stalls on threads of others, such as one that reads them."""

    def __init__(self) -> None:
        self.seconds = 0.0

    @contextmanager
    def counted(self, delivery: Delivery) -> Iterator[None]:
        """Count the time within as it is spent, on the delivery's thread as its own."""
        began = time.thread_time()
        try:
            yield
        finally:
            if not delivery.note_time():
                self.seconds += time.thread_time() - began


class OwnCost:
    """CPU seconds, and stack samples from outside that came to nothing."""

    def __init__(
        self,
        watchdog: Watchdog,
        delivery: Delivery,
        elsewhere: Elsewhere,
        *others: Callable[[], float],
    ) -> None:
        self._watchdog, self._delivery, self._elsewhere = watchdog, delivery, elsewhere
        self._others = others  # CPU seconds of other threads of the watch
        self._seconds_before = watchdog.seconds
        self._samples_before = watchdog.outside_samples.lost
        self._collections_before = OWN_COLLECTIONS.seconds
        self._readings = 0.0  # s, of threads that asked for a snapshot

    def seconds(self) -> float:
        """Return all that was spent, snapshots included."""
        return self.of_stalls() + self._readings

    def budgeted(self) -> float:
        """Return what the CPU budget is about: `of_stalls`, but for collections of garbage."""
        return self.of_stalls() - (OWN_COLLECTIONS.seconds - self._collections_before)

    def of_stalls(self) -> float:
        """Return what was spent on finding, explaining and delivering stalls, and by the other
        threads."""
        watchdog = self._watchdog.seconds - self._seconds_before
        of_others = sum(seconds() for seconds in self._others)
        return watchdog + self._delivery.seconds + self._elsewhere.seconds + of_others

    def lost_samples(self) -> int:
        return self._watchdog.outside_samples.lost - self._samples_before

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Count the time within, unless this is the delivery's thread, whose time counts anyway;
        explaining is counted elsewhere."""
        began, explaining = time.thread_time(), self._elsewhere.seconds
        try:
            yield
        finally:
            spent = 0.0 if self._delivery.is_here() else time.thread_time() - began
            spent = max(0.0, spent - (self._elsewhere.seconds - explaining))
            self._readings += spent  # no call within: what another thread adds is not lost
