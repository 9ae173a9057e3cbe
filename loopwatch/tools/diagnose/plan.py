"""The plan of a load: its requests, rate and duration, and the due time of each request.

Requests are due at even intervals, whatever comes back (an open model). The kind of each is drawn
by weight, from the same seed every time. Taking turns would send each kind at a fixed interval
after another, and that interval would determine how long it waits.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

MOST = 1_000_000  # requests of one load: each is kept
SEED = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """One kind of request."""

    method: str
    path: str  # with its query
    headers: Mapping[str, str]
    body: bytes | None = None
    weight: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`rate` requests a second, changing linearly to `rate_end`, for `duration` seconds."""

    shots: tuple[Shot, ...]
    rate: float
    rate_end: float
    duration: float

    @property
    def count(self) -> int:
        return math.floor((self.rate + self.rate_end) / 2 * self.duration)

    @property
    def ramped(self) -> bool:
        return self.rate != self.rate_end

    def rate_at(self, at: float) -> float:
        """Return the rate `at` seconds after the beginning, requests/s."""
        return self.rate + (self.rate_end - self.rate) * min(1.0, at / self.duration)

    def due(self) -> Iterator[float]:
        """Return when each request is due, s after the beginning."""
        slope = (self.rate_end - self.rate) / self.duration
        for number in range(self.count):
            if abs(slope) < 1e-9:
                yield number / self.rate
            else:  # requests due by time t: rate * t + slope * t² / 2
                root = math.sqrt(max(0.0, self.rate**2 + 2 * slope * number))
                yield (root - self.rate) / slope

    def kinds(self) -> Sequence[int]:
        """Return the kind of each request, as an index of `shots`."""
        weights = [shot.weight for shot in self.shots]
        return random.Random(SEED).choices(range(len(self.shots)), weights, k=self.count)
