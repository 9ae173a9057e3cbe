"""What the latency of routes would be without a site: a replay's prediction, else an estimate.

A snapshot asks for replays of what the loops have recorded. Where nothing is recorded, the latency
is estimated from the latest requests, as `loopwatch.core.recent` says. Where a recording does not
suffice, it is estimated as well, and the reason says so.

Where only bounds of a latency are known, expectations would be enough for a mean, but as latencies
they would be a distribution of their own. So such a request counts in equal shares as each of the
route's certain latencies within its bounds (one step of Turnbull's estimate for censored data,
1976). If there are none, its expectation counts.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Protocol

from loopwatch.core.quantiles import Quantiles
from loopwatch.core.recent import Bounded, Recent

FEWEST = 20  # requests of a route from which a replay tells of it
SURE = 0.001  # s between the bounds below which a latency counts as known


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIf:
    """The latest requests of a route, as they were and as they would have been."""

    route: str
    method: str
    requests: int
    now: Quantiles
    then: Quantiles
    reason: str = ""  # why `then` is only an estimate, though loops are recorded


class Predicted(Protocol):
    """What latency would be, by route."""

    @property
    def reason(self) -> str:
        """Why there is no prediction; empty: there is one."""

    def of(self, route: str, method: str) -> WhatIf | None:
        """Return that of one route and method; None if it has no request."""


class Predicting(Protocol):
    """What can predict latency without some sites; `loopwatch.replay.replay.Replay` does it."""

    def without(self, *sites: str) -> Predicted | None:
        """Return the prediction; None if nothing was recorded."""


def foreseen(
    estimates: Iterable[WhatIf | None], predicting: Predicting | None, *sites: str
) -> tuple[WhatIf, ...]:
    """Return what is predicted of routes without some sites; the estimate of each route if there is
    no prediction."""
    known = [estimate for estimate in estimates if estimate is not None]
    predicted = predicting.without(*sites) if predicting is not None and known else None
    if predicted is None:
        return tuple(known)
    return tuple(better(estimate, predicted) for estimate in known)


def better(estimate: WhatIf, predicted: Predicted) -> WhatIf:
    """Return the prediction of a route, if it is one of enough requests."""
    if predicted.reason:
        return replace(estimate, reason=predicted.reason)
    found = predicted.of(estimate.route, estimate.method)
    count = found.requests if found is not None else 0
    if found is None or count < min(FEWEST, estimate.requests):
        return replace(estimate, reason=f"only {count} of its requests were recorded")
    return found


def estimate(recent: Recent, route: str, method: str, site: str) -> WhatIf | None:
    """Return the latency of recent requests now and without a site; None without requests."""
    requests = [*recent.unpacked(route, method)]
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
