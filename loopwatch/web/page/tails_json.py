"""`tails.json`: the parts of the latest requests' latency, with bounded work.

Like `what_if`, it holds the GIL for some microseconds for each request looked at: for each route,
the latest 1024 requests, once for each site. So the answer has only the routes that waited most for
stalls, then those with most requests. It is kept for so long that `SHARE` holds.
"""

from __future__ import annotations

import math
import platform
import time
from collections import defaultdict
from typing import Any
from urllib.parse import parse_qs

from loopwatch.core.plain import plain
from loopwatch.core.record_types import RequestReading, Snapshot
from loopwatch.core.tails import AT, RouteTails, route_tails
from loopwatch.watch.watch import Watch
from loopwatch.web.answering import Body
from loopwatch.web.page.answers import JSON, dumped

ROUTES = 12  # routes and methods
SHARE = 0.05  # of the time, at most, goes into answers to one query


class Tails:
    """Answers of `tails.json`; one thread at a time calls it."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._told = Body(b"", JSON)
        self._since = -1.0
        self._due = 0.0  # on time.monotonic's clock

    def body(self, since: float = 0.0) -> Body:
        """Return the tails of the requests that arrived after `since` (Unix time, s)."""
        if since != self._since or time.monotonic() >= self._due:
            began = time.thread_time()
            self._told = Body(dumped(tails(self._watch.snapshot(), since)).encode(), JSON)
            self._since = since
            self._due = time.monotonic() + (time.thread_time() - began) / SHARE
        return self._told


def since(scope: Any) -> float:
    """Return the query's `since`, by default 0; raises ValueError if it is not a time."""
    query = parse_qs(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
    text = query.get("since", ["0"])[-1]
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError("since must be a Unix time in seconds, such as 1700000000.5")
    return value


def tails(snapshot: Snapshot, since: float) -> dict[str, Any]:
    """Return the `RouteTails` of each route, and the quantiles of its latencies as `at`."""
    found = (row_tails(row, since) for row in chosen(snapshot))
    return {
        "taken_at": snapshot.taken_at,
        "since": since,
        "python": platform.python_version(),
        "at": AT,
        "routes": [plain(tails) for tails in found if tails is not None],
    }


def row_tails(row: RequestReading, since: float) -> RouteTails | None:
    latest = row.recent.unpacked(row.route, row.method)
    return route_tails(row.route, row.method, (r for r in latest if r.started_at >= since))


def chosen(snapshot: Snapshot) -> list[RequestReading]:
    """Return the rows that waited most for stalls, then those with most requests."""
    waited: defaultdict[str, float] = defaultdict(float)
    for blame in snapshot.blames:
        waited[blame.victim_route] += blame.seconds
    rows = (row for row in snapshot.requests if len(row.recent))
    order = sorted(rows, key=lambda row: (-waited[row.route], -row.latency.count))
    return order[:ROUTES]
