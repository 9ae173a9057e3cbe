"""Requests by route and method.

Written by the loop's thread only, once a request. A request that ends is put into its row's batch,
no more; the batch is tallied when it is full, or by whoever reads (without changing it), since
adding up many at a time takes a third of the instructions of adding each.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from loopwatch.ledger.counts import Table
from loopwatch.ledger.steps import StepRow, StepTable
from loopwatch.records import NONE, OTHER, SECONDS_EDGES, Histogram, RequestReading
from loopwatch.request import Request

ROUTES = 256
ENDPOINTS = 1024  # remembered, so that a template is looked up once
BATCH = 64  # requests

METHODS = frozenset(
    ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT", "QUERY")
)
WEBSOCKET = "WEBSOCKET"

clock = time.perf_counter


class Tally(NamedTuple):
    """What a batch adds up to."""

    times: list[float]  # s each, of all steps
    running: float
    waiting: float
    latency: Histogram


def tally(batch: list[Request]) -> Tally:
    """Add up requests that have ended."""
    times: list[float] = []
    for request in batch:
        times += request.times
    latencies = sorted([r.ended - r.started for r in batch])
    counts, sums, low = [], [], 0
    for edge in (*SECONDS_EDGES, float("inf")):
        high = bisect_right(latencies, edge, low)
        counts.append(high - low)
        sums.append(sum(latencies[low:high]))
        low = high
    running = sum(times)
    histogram = Histogram(SECONDS_EDGES, tuple(counts), tuple(sums))
    return Tally(times, running, max(0.0, sum(latencies) - running), histogram)


class RequestRow:
    """The sums of one route and method, and the batch not in them yet."""

    __slots__ = (
        "batch",
        "changes",
        "door",
        "endpoint",
        "latency",
        "method",
        "route",
        "running",
        "steps",
        "waiting",
    )

    def __init__(self, route: str | None, method: str, endpoint: Any, steps: StepRow) -> None:
        self.route, self.method, self.endpoint, self.steps = route, method, endpoint, steps
        self.door: Any = None  # behind which the endpoint has no other row
        self.running = self.waiting = 0.0
        self.latency = Histogram.empty(SECONDS_EDGES)
        self.batch: list[Request] = []
        self.changes = 0  # odd while the sums are being changed

    def settle(self) -> None:
        """Move the batch into the sums."""
        self.changes += 1
        batch, self.batch = self.batch, []
        total = tally(batch)
        self.running += total.running
        self.waiting += total.waiting
        self.latency += total.latency
        self.steps.add(total.times)
        self.changes += 1

    def take(self, request: Request) -> float:
        """Take over what a request has run since the last time here; return the seconds."""
        self.changes += 1
        times, request.times = request.times, []
        running = sum(times)
        self.running += running
        self.steps.add(times)
        self.changes += 1
        return running

    def ended(self, upto: float) -> list[Request]:
        """Return the part of the batch that ended by `upto`."""
        return [request for request in list(self.batch) if request.ended <= upto]

    def reading(self, upto: float) -> RequestReading:
        """Return the sums and those of the batch that ended by `upto`."""
        total = tally(self.ended(upto))
        return RequestReading(
            route=self.route or NONE,
            method=self.method,
            latency=self.latency + total.latency,
            running=self.running + total.running,
            waiting=self.waiting + total.waiting,
        )


class RequestTable:
    """The rows of one loop.

    Most endpoints serve one route with one method: `lone` says so once, and from then on the row
    is found by the endpoint alone.
    """

    def __init__(
        self,
        steps: StepTable,
        template: Callable[[Any, Any], str | None],
        lone: Callable[[Any, Any], bool],
    ) -> None:
        self._steps = steps
        self._template, self._lone = template, lone
        self._rows: Table[tuple[str | None, str], RequestRow] = Table(ROUTES, self._rest)
        self._by_endpoint: dict[Any, RequestRow] = {}  # bounded by `ENDPOINTS`
        self._charged: dict[Request, float] = {}  # s accounted for, of long ones still in flight

    def _rest(self) -> RequestRow:
        return RequestRow(OTHER, OTHER, None, self._steps.of_label(OTHER))

    @property
    def overflow(self) -> int:
        return self._rows.overflow

    def row(self, request: Request) -> RequestRow:
        """Return the row of a request in flight, as far as it has been routed by now."""
        scope = request.scope
        route, endpoint = self._template(scope, request.door), scope.get("endpoint")
        method = scope.get("method", WEBSOCKET)
        label = method if method in METHODS or method is WEBSOCKET else OTHER
        row = self._rows.get(
            (route, label),
            lambda: RequestRow(route, label, endpoint, self._steps.of_endpoint(endpoint)),
        )
        if len(self._by_endpoint) < ENDPOINTS and self._lone(scope, request.door):
            row.door = request.door
            self._by_endpoint[endpoint] = row
        return row

    def finish(self, request: Request) -> None:
        """Note that a request ends now; its scope is let go. Its last step may still be running."""
        scope = request.scope
        try:
            row = self._by_endpoint[scope["endpoint"]]
            if row.method != scope["method"] or row.door is not request.door:
                row = self.row(request)
        except (KeyError, TypeError):  # new, not routed, a websocket, or not hashable
            row = self.row(request)
        request.row = row
        request.ended = clock()
        request.scope = None
        if len(row.batch) >= BATCH:
            row.settle()
        row.batch.append(request)
        if self._charged:
            row.waiting -= self._charged.pop(request, 0.0)

    def charge(self, requests: Iterable[Request], now: float) -> None:
        """Charge long requests (streams, websockets) for what they have used so far."""
        for request in requests:
            if request.scope is None:  # it has ended meanwhile
                continue
            row, age = self.row(request), now - request.started
            known = self._charged.get(request, 0.0)
            row.waiting += max(0.0, age - known - row.take(request))
            self._charged[request] = age

    def settle(self) -> None:
        """Settle all rows; loop thread only, or after it has ended."""
        for row in self._rows:
            row.settle()

    def changes(self) -> list[int]:
        """Return what must be even, and the same after as before, for readings to agree."""
        return [row.changes for row in self._rows]

    def readings(self, upto: float) -> list[RequestReading]:
        return [row.reading(upto) for row in self._rows]

    def unsettled(self, upto: float) -> list[tuple[StepRow, list[float]]]:
        """Return the steps, s each, that are in batches and so not in their rows yet."""
        return [(row.steps, tally(row.ended(upto)).times) for row in self._rows]
