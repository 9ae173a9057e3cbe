"""The latest requests of a route, and what their latency would be if a site had not stalled.

Rule of the prediction: if a request waited for the site, its latency becomes shorter by that wait,
and by the time that it then stood in line behind others that had waited too. Other requests keep
their latency, including the culprit's own: the site's work is still done, elsewhere.

If the moment at which a request was ready is not known, only bounds of its wait are. Expectations
would be enough for a mean, but as latencies they would be a distribution of their own. So such a
request counts in equal shares as each of the route's certain latencies within its bounds (one step
of Turnbull's estimate for censored data, 1976). If there are none, its expectation counts.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

from loopwatch.core.breath import breathe

RECENT = 1024  # requests of a route and method that are remembered
SURE = 0.001  # s between the bounds below which a latency counts as known
PARTS = 5  # doubles of each request: when it arrived; its latency, queued, running, stalled


@dataclass(frozen=True, slots=True, kw_only=True)
class Blame:
    """What one request waited for one stall."""

    site: str  # module.qualname
    route: str  # the culprit's
    seconds: float  # held; the expectation if it is not known exactly
    least: float  # s, the lower bound
    most: float  # s, the upper bound
    after: float  # s it then stood in line behind others, until its step or the next such stall


class Bounded(NamedTuple):
    """A latency, s, of which only the expectation and bounds are known."""

    least: float
    expected: float
    most: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RecentRequest:
    """One request. `queued + running + stalled + waiting` is its latency."""

    route: str
    method: str
    started_at: float  # Unix time, s: when it arrived in the socket, as far as that is known
    latency: float  # s
    queued: float  # s, in the socket before the app began
    running: float  # s, own steps on the loop
    stalled: float  # s, ready to run, while a stall of another request or task held the loop
    waiting: float  # s, everything else
    blames: tuple[Blame, ...] = ()

    @classmethod
    def of(
        cls,
        route: str,
        method: str,
        started_at: float,
        parts: Sequence[float],
        blames: tuple[Blame, ...],
    ) -> RecentRequest:
        """Return a request from its `parts` in seconds: latency, queued, running and stalled. The
        rest of the latency is waiting."""
        latency, queued, running, stalled = parts
        return cls(
            route=route,
            method=method,
            started_at=started_at,
            latency=latency,
            queued=queued,
            running=running,
            stalled=stalled,
            waiting=max(0.0, latency - queued - running - stalled),
            blames=blames,
        )

    def without(self, *sites: str) -> Bounded:
        """Return the latency that it would have had if these sites had not stalled."""
        most = seconds = least = 0.0  # a loop: this is done for thousands of requests at a time
        latency = self.latency
        for blame in self.blames:
            if blame.site in sites:
                latency -= blame.after
                most += blame.most
                seconds += blame.seconds
                least += blame.least
        breathe()
        shortest = self.running
        return Bounded(
            max(shortest, latency - most),
            max(shortest, latency - seconds),
            max(shortest, latency - least),
        )


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Quantiles of latencies, s, by linear interpolation between the two nearest."""

    p50: float
    p90: float
    p99: float

    @classmethod
    def of(cls, latencies: Iterable[float], weights: Sequence[float] = ()) -> Quantiles:
        """Return the quantiles of at least one latency; without weights all count the same."""
        return cls(*quantiles((0.5, 0.9, 0.99), latencies, weights))

    def at_most(self, other: Quantiles) -> Quantiles:
        """Return the smaller one of each quantile."""
        return Quantiles(
            min(self.p50, other.p50), min(self.p90, other.p90), min(self.p99, other.p99)
        )


def quantiles(
    qs: Sequence[float], values: Iterable[float], weights: Sequence[float] = ()
) -> list[float]:
    """Return quantiles of one or more values, interpolated between the middles of their weights."""
    values = [*values]
    ordered = sorted(zip(values, weights or [1.0] * len(values), strict=True))
    sums = accumulate(w for _, w in ordered)
    middles = [a - w / 2 for a, (_, w) in zip(sums, ordered, strict=True)]
    return [_interpolated(ordered, middles, q) for q in qs]


def _interpolated(
    ordered: Sequence[tuple[float, float]], middles: Sequence[float], q: float
) -> float:
    at = middles[0] + q * (middles[-1] - middles[0])
    high = min(bisect_left(middles, at), len(ordered) - 1)
    low = max(0, high - 1)
    width = middles[high] - middles[low]
    share = (at - middles[low]) / width if width else 1.0
    return ordered[low][0] + (ordered[high][0] - ordered[low][0]) * share


def without(latencies: Iterable[Bounded]) -> Quantiles:
    """Return the quantiles of latencies, for some of which only bounds are known."""
    return Quantiles.of(*weighed(latencies))


def weighed(latencies: Iterable[Bounded]) -> tuple[list[float], list[float]]:
    """Return values (s) and weights of latencies, for some of which only bounds are known."""
    certain: list[float] = []
    doubtful: list[Bounded] = []
    for latency in sorted(latencies, key=lambda latency: latency.expected):
        if latency.most - latency.least < SURE:
            certain.append(latency.expected)
        else:
            doubtful.append(latency)
    weights = [1.0] * len(certain)
    alone = []
    for latency in doubtful:
        low, high = bisect_left(certain, latency.least), bisect_right(certain, latency.most)
        for place in range(low, high):
            weights[place] += 1 / (high - low)
        if low == high:
            alone.append(latency.expected)
    return [*certain, *alone], [*weights, *(1.0 for _ in alone)]


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIf:
    """The latest requests of a route, as they were and as they would have been."""

    route: str
    method: str
    requests: int
    now: Quantiles
    then: Quantiles
    reason: str = ""  # why `then` is only an estimate, though loops are recorded


@dataclass(frozen=True, slots=True)
class Recent:
    """The latest requests of one route and method, packed; `unpacked` gives them one by one."""

    numbers: bytes = b""  # `PARTS` doubles per request, oldest first
    to_unix: float = 0.0  # s to add to a request's first double for its Unix time
    blames: tuple[tuple[int, tuple[Blame, ...]], ...] = ()  # by the request's position

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
        """Return the quantiles now and without a site; None without requests."""
        requests = [*self.unpacked(route, method)]
        if not requests:
            return None
        now = Quantiles.of(r.latency for r in requests)
        return WhatIf(
            route=route,
            method=method,
            requests=len(requests),
            now=now,
            then=without([r.without(site) for r in requests]).at_most(now),
        )

    def unpacked(self, route: str, method: str) -> Iterator[RecentRequest]:
        blames = dict(self.blames)
        numbers = array("d", self.numbers)
        for place, at in enumerate(range(0, len(numbers), PARTS)):
            breathe()
            arrived, *parts = numbers[at : at + PARTS]
            started_at = arrived + self.to_unix
            yield RecentRequest.of(route, method, started_at, parts, blames.get(place, ()))
