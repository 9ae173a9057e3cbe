"""Whether requests of a route wait for each other, as our own clients measured it.

Whatever lets only so many requests through at a time (a semaphore, a pool of connections, a service
that takes no more) shows in three numbers: requests take longer the more of them are under way;
fewer are answered than are sent; and what a request takes that meets no other is a small part of
what it takes on average. Their product tells how many are let through: requests answered per
second, times the seconds that one takes alone (Little's law).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import correlation, fmean, pstdev

from loopwatch.tools.diagnose.samples import Sample

FEWEST = 20  # requests of a route
ALONE, RANK = 5, 1  # requests with the fewest others under way: of these, the second quickest
# stands for one that meets no other, since the first one of all may have had more to do
APART = 1.5  # times that: up to this mean, requests hardly wait for each other
IN_LINE = 2.0  # times that: from this mean on they do, if the rest holds
TOGETHER = 0.7  # correlation of latency with the requests under way
BEHIND = 0.05  # of the requests sent: not answered when the last one was sent


@dataclass(frozen=True, slots=True, kw_only=True)
class Concurrency:
    """How requests of one route got through."""

    alone: float  # s that a request takes that meets no other
    latency: float  # s, mean, from sending
    served: float  # requests/s answered while there were any
    limited: bool  # something lets only so many through

    @property
    def at_once(self) -> float:
        """How many requests are let through at a time."""
        return self.served * self.alone

    @property
    def apart(self) -> bool:
        """Whether requests hardly waited for each other."""
        return self.latency < APART * self.alone


def concurrency(samples: Sequence[Sample]) -> Concurrency | None:
    """Return how requests of one route got through; None if too few were answered to say."""
    answered = sorted((s for s in samples if s.outcome.isdigit()), key=lambda s: s.sent)
    if len(answered) < FEWEST:
        return None
    latencies = [s.done - s.sent for s in answered]
    others, latency = under_way(answered), fmean(latencies)
    least = sorted(zip(others, latencies, strict=True), key=lambda pair: pair[0])[:ALONE]
    alone = sorted(latency for _, latency in least)[RANK]
    passed = max(s.done for s in answered) - answered[0].sent
    return Concurrency(
        alone=alone,
        latency=latency,
        served=len(answered) / passed if passed > 0 else 0.0,
        limited=latency >= IN_LINE * alone
        and together(others, latencies) >= TOGETHER
        and behind(answered),
    )


def under_way(sent: Sequence[Sample]) -> list[int]:
    """Return how many others were under way when each request was sent."""
    ends = sorted(s.done for s in sent)
    return [n - bisect_right(ends, s.sent) for n, s in enumerate(sent)]


def together(counts: Sequence[int], latencies: Sequence[float]) -> float:
    """Return the correlation of two series; 0 where one of them does not vary."""
    return correlation(counts, latencies) if pstdev(counts) and pstdev(latencies) else 0.0


def behind(sent: Sequence[Sample]) -> bool:
    """Return whether answers fell behind: more are owed at the end than requests overlap anyway."""
    early, late = (owed(sent[: len(sent) * n // 4]) for n in (1, 4))
    return late >= BEHIND * len(sent) and late > 2 * early


def owed(sent: Sequence[Sample]) -> int:
    """Return how many were under way when the last one was sent."""
    return sum(s.done > sent[-1].sent for s in sent[:-1])
