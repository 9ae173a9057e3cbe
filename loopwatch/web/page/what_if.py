"""Latency now, and without the stalls of one of the most expensive sites, with bounded work.

Each request looked at holds the GIL, which the loop needs too, for some microseconds, and the
latest 1024 of every route are kept. So the answer covers only the routes that waited most for the
sites that cost most (0.5 s if all of them are full). It is kept for so long that `SHARE` holds.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable
from heapq import nlargest
from itertools import islice
from typing import Any

from loopwatch.core.foreseeing import estimate, foreseen
from loopwatch.core.plain import plain
from loopwatch.core.record_types import NONE, RequestReading, Snapshot, Stall

SITES = 3  # those with most lost request-seconds among the kept stalls
ROUTES = 8  # those that waited longest for one of the sites
SHARE = 0.02  # of the time, at most, goes into making answers


class WhatIfs:
    """Answers of `what_if`, renewed as often as `SHARE` allows."""

    def __init__(self) -> None:
        self._told: list[dict[str, Any]] = []
        self._due = 0.0  # on time.monotonic's clock

    def of(self, snapshot: Snapshot) -> list[dict[str, Any]]:
        if time.monotonic() >= self._due:
            began = time.thread_time()
            self._told = what_if(snapshot)
            self._due = time.monotonic() + (time.thread_time() - began) / SHARE
        return self._told


def what_if(snapshot: Snapshot) -> list[dict[str, Any]]:
    """Return the sites with most lost request-seconds: each has its name as `site`, and as
    `routes` the fields of `WhatIf` for the routes whose latest requests waited for it."""
    return [{"site": site, "routes": routes(snapshot, site)} for site in costliest(snapshot.stalls)]


def costliest(stalls: Iterable[Stall]) -> list[str]:
    lost: defaultdict[str, float] = defaultdict(float)
    for stall in stalls:
        if stall.site.function != NONE and stall.lost_request_seconds > 0:
            lost[stall.site.function] += stall.lost_request_seconds
    return nlargest(SITES, lost, key=lost.__getitem__)


def routes(snapshot: Snapshot, site: str) -> list[dict[str, Any]]:
    victims = most_held(snapshot, site)
    rows = (row for row in snapshot.requests if row.route in victims and waited(row, site))
    found = (estimate(row.recent, row.route, row.method, site) for row in rows)
    return [plain(one) for one in foreseen(found, snapshot.predicting, site)]


def most_held(snapshot: Snapshot, site: str) -> set[str]:
    """Return the routes that waited most for a site; `blames` has most seconds first."""
    found = dict.fromkeys(b.victim_route for b in snapshot.blames if b.site == site)
    return {*islice(found, ROUTES)}


def waited(row: RequestReading, site: str) -> bool:
    return any(blame.site == site for _, blames in row.recent.blames for blame in blames)
