"""How the latency of a route's latest requests divides into parts, for slow and typical ones, and
what it would be without the sites that requests waited for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from heapq import nlargest
from typing import TypeVar

from loopwatch.core.foreseeing import weighed
from loopwatch.core.quantiles import Quantiles, quantiles
from loopwatch.core.recent import RecentRequest

T = TypeVar("T")

SLOWEST = 0.01  # of the requests, at least 1
MIDDLE = (0.25, 0.75)  # the typical requests, by rank
SITES = 3  # predicted one by one: those that requests waited for most
BLAMES = 8  # of a tail: those that requests waited for most
AT = (
    *(n / 40 for n in range(36)),
    *(0.9, 0.92, 0.94, 0.95, 0.96, 0.97, 0.98, 0.985, 0.99),
    *(0.9925, 0.995, 0.9975, 0.999, 1.0),
)  # quantiles of a distribution


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The parts of the mean latency, s; they add up to it."""

    queued: float
    running: float
    stalled: float
    waiting: float

    @property
    def total(self) -> float:
        return self.queued + self.running + self.stalled + self.waiting


@dataclass(frozen=True, slots=True, kw_only=True)
class TailBlame:
    """How long requests of a tail waited for one site, including in line behind other victims."""

    site: str
    route: str  # the culprit's
    seconds: float  # per request, on average


@dataclass(frozen=True, slots=True, kw_only=True)
class Tail:
    """Some of a route's latest requests: the slowest, or the typical ones."""

    requests: int
    latency: float  # s, mean
    parts: Parts
    blames: tuple[TailBlame, ...]  # most seconds first


@dataclass(frozen=True, slots=True, kw_only=True)
class Without:
    """What latency would be without the stalls of one site, or of all sites."""

    site: str | None  # None: without the stalls of all sites
    then: Quantiles
    latencies: tuple[float, ...]  # s, at the quantiles `AT`
    reason: str = ""  # why it is only an estimate, though loops are recorded


@dataclass(frozen=True, slots=True, kw_only=True)
class MorePlaces:
    """What latency would be if a semaphore, lock or pool had more places."""

    places: int  # that it has
    then_places: int
    then: Quantiles


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteTails:
    """The latest requests of a route and method."""

    route: str
    method: str
    requests: int
    now: Quantiles
    latencies: tuple[float, ...]  # s, at the quantiles `AT`
    slowest: Tail
    typical: Tail
    without: tuple[Without, ...]  # one per site waited for most; then all sites, if there are any
    more_places: MorePlaces | None = None  # None: its requests do not wait for places, or not known

    def is_of(self, count: int) -> bool:
        """Return whether its latencies are at so many quantiles."""
        without = all(len(one.latencies) == count for one in self.without)
        return without and len(self.latencies) == count


def route_tails(route: str, method: str, latest: Iterable[RecentRequest]) -> RouteTails | None:
    """Return how the latency of requests divides; None without requests."""
    requests = sorted(latest, key=lambda r: r.latency)
    if not requests:
        return None
    latencies = [r.latency for r in requests]
    count = len(requests)
    low, high = (int(q * count) for q in MIDDLE)
    return RouteTails(
        route=route,
        method=method,
        requests=count,
        now=Quantiles.of(latencies),
        latencies=tuple(quantiles(AT, latencies)),
        slowest=tail(requests[-max(1, round(SLOWEST * count)) :]),
        typical=tail(requests[low : high + 1]),
        without=tuple(all_without(requests)),
    )


def tail(requests: Sequence[RecentRequest]) -> Tail:
    """Return the means over one or more requests."""
    count = len(requests)
    blames: defaultdict[tuple[str, str], float] = defaultdict(float)
    for request in requests:
        for blame in request.blames:
            blames[blame.site, blame.route] += blame.seconds + blame.after
    return Tail(
        requests=count,
        latency=sum(r.latency for r in requests) / count,
        parts=Parts(
            queued=sum(r.queued for r in requests) / count,
            running=sum(r.running for r in requests) / count,
            stalled=sum(r.stalled for r in requests) / count,
            waiting=sum(r.waiting for r in requests) / count,
        ),
        blames=tuple(
            TailBlame(site=site, route=route, seconds=seconds / count)
            for (site, route), seconds in most(blames, BLAMES)
        ),
    )


def most(seconds: Mapping[T, float], count: int) -> list[tuple[T, float]]:
    return nlargest(count, seconds.items(), key=lambda item: item[1])


def all_without(requests: Sequence[RecentRequest]) -> list[Without]:
    """Return the predictions without each of the sites waited for most, and without all."""
    waited: defaultdict[str, float] = defaultdict(float)
    for request in requests:
        for blame in request.blames:
            waited[blame.site] += blame.seconds + blame.after
    if not waited:
        return []
    found = [without(requests, site, [site]) for site, _ in most(waited, SITES)]
    return [*found, without(requests, None, [*waited])]


def without(requests: Sequence[RecentRequest], site: str | None, sites: Sequence[str]) -> Without:
    """Return the prediction without `sites`, named `site`; `requests` are ordered by latency."""
    values, weights = weighed(r.without(*sites) for r in requests)
    latencies = [r.latency for r in requests]
    then = quantiles(AT, values, weights)
    return Without(
        site=site,
        then=Quantiles.of(values, weights).at_most(Quantiles.of(latencies)),
        latencies=tuple(map(min, then, quantiles(AT, latencies))),
    )
