"""The latest requests of a route, and what their latency would be if a site had not stalled.

Rule of the prediction: a request that waited for the site is taken back by what it waited, and by
the time it then stood in line behind others that had waited too. Whoever waited for nobody, the
culprit's own requests included, stays as it was: the work of the site is still done, elsewhere.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

RECENT = 1024  # requests of a route and method that are remembered
PARTS = 5  # doubles of each: when it arrived; its latency, queued, running, stalled


@dataclass(frozen=True, slots=True, kw_only=True)
class Blame:
    """What one request waited for one stall."""

    site: str  # module.qualname
    route: str  # the culprit's
    seconds: float  # held; the expectation where it is not known exactly
    after: float  # s it then stood in line, behind others that had waited


@dataclass(frozen=True, slots=True, kw_only=True)
class RecentRequest:
    """One request. `queued + running + stalled + waiting` is its latency."""

    route: str
    method: str
    started_at: float  # Unix time, s: when it arrived in the socket, as far as that is known
    latency: float  # s
    queued: float  # s, in the socket before the app began
    running: float  # s, own steps on the loop
    stalled: float  # s, ready to run, while somebody else's stall held the loop
    waiting: float  # s, everything else
    blames: tuple[Blame, ...] = ()

    def without(self, site: str) -> float:
        """Return its latency in seconds if a site had not stalled."""
        less = sum(b.seconds + b.after for b in self.blames if b.site == site)
        return max(self.running, self.latency - less)


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Of latencies, s; by linear interpolation between the two nearest."""

    p50: float
    p90: float
    p99: float

    @classmethod
    def of(cls, latencies: Iterable[float]) -> Quantiles:
        """Return the quantiles of at least one latency."""
        ordered = sorted(latencies)
        return cls(*(quantile(ordered, q) for q in (0.5, 0.9, 0.99)))


def quantile(ordered: Sequence[float], q: float) -> float:
    at = q * (len(ordered) - 1)
    low = int(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (at - low)


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIf:
    """The latest requests of a route, as they were and as they would have been."""

    route: str
    method: str
    requests: int
    now: Quantiles
    then: Quantiles


@dataclass(frozen=True, slots=True)
class Recent:
    """The latest requests of one route and method, packed; `unpacked` gives them one by one."""

    numbers: bytes = b""  # `PARTS` doubles a request, oldest first
    to_unix: float = 0.0  # s to add to the first of these
    blames: tuple[tuple[int, tuple[Blame, ...]], ...] = ()  # by place

    def __len__(self) -> int:
        return len(self.numbers) // (8 * PARTS)

    def __add__(self, other: Recent) -> Recent:
        """Return the latest of both; `other` is the later one."""
        if not len(self) or len(other) >= RECENT:
            return other
        shift = other.to_unix - self.to_unix
        first = max(0, len(self) + len(other) - RECENT)
        kept = array("d", self.numbers[first * 8 * PARTS :])
        for at in range(0, len(kept), PARTS):
            kept[at] -= shift
        mine = ((place - first, b) for place, b in self.blames if place >= first)
        theirs = ((place + len(self) - first, b) for place, b in other.blames)
        return Recent(kept.tobytes() + other.numbers, other.to_unix, (*mine, *theirs))

    def what_if(self, route: str, method: str, site: str) -> WhatIf | None:
        """Return the quantiles now and without a site; None if there were no requests."""
        requests = [*self.unpacked(route, method)]
        if not requests:
            return None
        return WhatIf(
            route=route,
            method=method,
            requests=len(requests),
            now=Quantiles.of(r.latency for r in requests),
            then=Quantiles.of(r.without(site) for r in requests),
        )

    def unpacked(self, route: str, method: str) -> Iterator[RecentRequest]:
        blames = dict(self.blames)
        numbers = array("d", self.numbers)
        for place, at in enumerate(range(0, len(numbers), PARTS)):
            arrived, latency, queued, running, stalled = numbers[at : at + PARTS]
            yield RecentRequest(
                route=route,
                method=method,
                started_at=arrived + self.to_unix,
                latency=latency,
                queued=queued,
                running=running,
                stalled=stalled,
                waiting=max(0.0, latency - queued - running - stalled),
                blames=blames.get(place, ()),
            )
