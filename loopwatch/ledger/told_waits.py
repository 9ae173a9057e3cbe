"""The waits that a watch has told: never more of a route than its requests waited, and never less
than before.

Theory: the sums of looks at random moments are right on average, but not to the last, and come
before a request's end, which only then has its parts. So what exceeds the route's waiting is told
later, once there is room. Each row of a route gets the same part of what it has to tell.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

from loopwatch.core.record_types import RequestReading, WaitReading
from loopwatch.ledger.wait_table import WaitKey


class ToldWaits:
    """What was told by row; any thread may ask."""

    def __init__(self) -> None:
        self._told: dict[WaitKey, float] = {}  # s
        self._lock = threading.RLock()  # a signal handler may ask within

    def of(
        self, waits: dict[WaitKey, WaitReading], requests: Iterable[RequestReading]
    ) -> tuple[WaitReading, ...]:
        """Return readings with what may be told by now, most seconds first."""
        waiting: defaultdict[str, float] = defaultdict(float)
        for row in requests:
            waiting[row.route] += row.waiting
        with self._lock:
            self._tell(waits, waiting)
            told = [self._as_told(key, reading) for key, reading in waits.items()]
        return tuple(sorted(told, key=lambda reading: -reading.seconds))

    def _tell(self, waits: dict[WaitKey, WaitReading], waiting: dict[str, float]) -> None:
        room, untold = defaultdict[str, float](float, waiting), defaultdict[str, float](float)
        for key, reading in waits.items():
            room[key.route] -= self._told.get(key, 0.0)
            untold[key.route] += max(0.0, reading.seconds - self._told.get(key, 0.0))
        for key, reading in waits.items():
            if untold[key.route] > 0.0 < room[key.route]:
                part = min(1.0, room[key.route] / untold[key.route])
                told = self._told.get(key, 0.0)
                self._told[key] = told + part * max(0.0, reading.seconds - told)

    def _as_told(self, key: WaitKey, reading: WaitReading) -> WaitReading:
        told = self._told.get(key, 0.0)
        part = told / reading.seconds if reading.seconds else 0.0
        return replace(reading, seconds=told, unstarted=min(told, reading.unstarted * part))
