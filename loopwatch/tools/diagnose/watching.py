"""Reads a live page periodically, on a thread, during a measurement."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from loopwatch.core.record_types import Snapshot, Stall
from loopwatch.core.tails import RouteTails
from loopwatch.tools.diagnose.checking import checked, finite
from loopwatch.tools.diagnose.diagnosis_error import DiagnosisError
from loopwatch.tools.diagnose.reading import read

PERIOD = 1.0  # s between two readings
STALLS = 1024  # kept; the longest of each culprit are dropped last
MOMENTS = 3600  # beyond this, every second one is dropped and the period doubled

Ask = Callable[[str], Any]  # returns a file beside the live page, by name, as plain data


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading of a live page."""

    at: float  # when it was read, on time.monotonic's clock
    snapshot: Snapshot  # with stalls only in the first reading


@dataclass(frozen=True, slots=True, kw_only=True)
class TailsReading:
    """The content of `tails.json`."""

    python: str
    at: tuple[float, ...]
    routes: tuple[RouteTails, ...]


class Watching:
    """Readings of one live page. Missing answers are skipped and counted.

    Args:
        ask: reads from the page; its error at the first reading reaches the caller.
        failure: the exception it raises.
        period: s between two readings.
    """

    def __init__(self, ask: Ask, failure: type[Exception], period: float = PERIOD) -> None:
        self._ask, self._failure, self._period = ask, failure, period
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._go_on, name="watching", daemon=True)
        self._stalls: dict[tuple[float, float], Stall] = {}
        self._longest: dict[tuple[str, str | None], tuple[float, float]] = {}
        self.missed = 0
        self.first = self._take()
        self.readings = [self.first]
        self._known: set[tuple[float, float]] = set()

    def start(self) -> None:
        """Start the measurement now; earlier data does not count."""
        self.first = self._take()
        self.readings = [self.first]
        self._known = {key(stall) for stall in self.first.snapshot.stalls}
        self._thread.start()

    def stop(self) -> None:
        """Take the last reading, if the page still answers."""
        self._stopped.set()
        self._thread.join()
        self._try()

    @property
    def latest(self) -> Reading:
        return self.readings[-1]

    @property
    def stalls(self) -> tuple[Stall, ...]:
        """The stalls since `start`, oldest first."""
        return tuple(stall for _, stall in sorted(self._stalls.items()))

    def tails(self) -> TailsReading | None:
        """Return the tails of the requests since `start`; None if the page has no tails.json."""
        try:
            answer = self._ask(f"tails.json?since={self.first.snapshot.taken_at}")
        except self._failure:
            return None
        what = "tails.json must be from loopwatch"
        found = finite(read(TailsReading, answer, what), what)
        if not all(row.is_of(len(found.at)) for row in found.routes):
            raise DiagnosisError(f"{what}: each route must have a latency for each quantile")
        return found

    def _take(self) -> Reading:
        found = self._ask("snapshot.json")
        at = time.monotonic()
        return Reading(at, checked(read(Snapshot, found, "snapshot.json must be from loopwatch")))

    def _go_on(self) -> None:
        while not self._stopped.wait(self._period):
            self._try()

    def _try(self) -> None:
        try:
            self._keep(self._take())
        except (self._failure, DiagnosisError):
            self.missed += 1

    def _keep(self, reading: Reading) -> None:
        for stall in reading.snapshot.stalls:
            if key(stall) not in self._known:
                self._remember(stall)
        while len(self._stalls) > STALLS:
            spare = self._stalls.keys() - self._longest.values()
            del self._stalls[min(spare or self._stalls)]
        self.readings.append(replace(reading, snapshot=replace(reading.snapshot, stalls=())))
        if len(self.readings) > MOMENTS:
            del self.readings[1::2]
            self._period *= 2

    def _remember(self, stall: Stall) -> None:
        self._stalls[key(stall)] = stall
        culprit = stall.site.function, stall.route
        longest = self._longest.get(culprit)
        if longest is None or stall.duration >= longest[1]:
            self._longest[culprit] = key(stall)


def key(stall: Stall) -> tuple[float, float]:
    return stall.started_at, stall.duration
