"""What loopwatch itself has cost and lost since a watch began to count, on threads of its own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from loopwatch.watch.delivery import Delivery
from loopwatch.watchdog.watchdog import Watchdog


class OwnCost:
    """CPU seconds, and stack samples from outside that came to nothing."""

    def __init__(self, watchdog: Watchdog) -> None:
        self._watchdog = watchdog
        self._seconds_before = watchdog.seconds
        self._samples_before = watchdog.outside_samples.lost
        self._readings = 0.0  # s, of threads that asked for a snapshot

    def seconds(self, delivery: Delivery) -> float:
        watchdog = self._watchdog.seconds - self._seconds_before
        return watchdog + delivery.seconds + self._readings

    def lost_samples(self) -> int:
        return self._watchdog.outside_samples.lost - self._samples_before

    @contextmanager
    def reading(self, delivery: Delivery) -> Iterator[None]:
        """Count the time within, unless this is the delivery's thread, whose time counts anyway."""
        began = time.thread_time()
        try:
            yield
        finally:
            spent = 0.0 if delivery.is_here() else time.thread_time() - began
            self._readings += spent  # no call within: what another thread adds is not lost
