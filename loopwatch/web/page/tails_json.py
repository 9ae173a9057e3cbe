"""`tails.json`: the parts of the latest requests' latency, with bounded work.

Like `what_if`, it holds the GIL for some microseconds for each request looked at: for each route,
the latest 1024 requests, once for each site. So the answer has only the routes that waited most for
stalls, then those with most requests. Queries since nearly the same moment get the same answer.
"""

from __future__ import annotations

import math
import platform
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import parse_qs

from loopwatch.core.guard import log_once
from loopwatch.core.plain import plain
from loopwatch.core.record_types import NONE, RequestReading, Snapshot
from loopwatch.core.request import clock, unix_time
from loopwatch.core.tails import AT, RouteTails, route_tails
from loopwatch.watch.watch import Watch
from loopwatch.web.answering import Body
from loopwatch.web.page.answers import JSON, dumped

ROUTES = 12  # routes and methods
STEP = 0.1  # s: `since` is rounded down to a multiple of it
BEGAN = clock()  # almost no request arrived before


def tails_body(watch: Watch, since: float = 0.0) -> Body:
    """Return what the requests that arrived after `since` (Unix time, s) tell."""
    snapshot = watch.snapshot()
    return Body(
        dumped(tails(snapshot, since, partial(predicted, watch, snapshot, since))).encode(), JSON
    )


def predicted(
    watch: Watch, snapshot: Snapshot, since: float, found: list[RouteTails]
) -> list[RouteTails]:
    """Return tails with what a replay predicts, if loops are recorded, and there is a question."""
    if not watch.records or not found:
        return found
    from loopwatch.web.page.replayed_tails import replayed

    sites = {stall.site.function for stall in snapshot.stalls} - {NONE}
    try:
        return replayed(found, watch.replay(since), sorted(sites))
    except Exception:
        log_once("replay")
        return found


def since(scope: Any) -> float:
    """Return the query's `since` in steps, 0 without one or if it is before every request; raises
    ValueError for what is no time."""
    query = parse_qs(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
    text = query.get("since", ["0"])[-1]
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError("since must be a Unix time in seconds, such as 1700000000.5")
    return round(value // STEP * STEP, 1) if value > unix_time(BEGAN) else 0.0


def tails(
    snapshot: Snapshot,
    since: float,
    better: Callable[[list[RouteTails]], list[RouteTails]] = lambda found: found,
) -> dict[str, Any]:
    """Return the `RouteTails` of each route, and the quantiles of its latencies as `at`."""
    rows = (row_tails(row, since) for row in chosen(snapshot))
    found = better([tails for tails in rows if tails is not None])
    return {
        "taken_at": snapshot.taken_at,
        "since": since,
        "python": platform.python_version(),
        "at": AT,
        "routes": [plain(tails) for tails in found],
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
