"""Requests by route and method. Written by the loop's thread only, once a request.

A request's steps are added up when it ends (many at a time cost less than each by itself), and at
once: keeping ended requests for a batch made the garbage collector pay more than the batch saved.
What its tasks still do after that is not in these sums; a stall of theirs keeps its route.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable
from typing import Any

from loopwatch.ledger.counts import Table
from loopwatch.ledger.steps import FIRST, StepRow, StepTable
from loopwatch.records import NONE, OTHER, SECONDS_EDGES, Histogram, RequestReading
from loopwatch.request import Request

ROUTES = 256
ENDPOINTS = 1024  # remembered, so that a template is looked up once

METHODS = frozenset(
    ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT", "QUERY")
)
WEBSOCKET = "WEBSOCKET"


class RequestRow:
    """The sums of one route and method."""

    __slots__ = (
        "counts",
        "door",
        "endpoint",
        "method",
        "route",
        "running",
        "steps",
        "sums",
        "time",
    )

    def __init__(self, route: str | None, method: str, endpoint: Any, steps: StepRow) -> None:
        self.route, self.method, self.endpoint, self.steps = route, method, endpoint, steps
        self.door: Any = None  # behind which the endpoint has no other row
        self.running = 0.0  # s
        self.time = 0.0  # s in flight, as far as accounted for
        self.counts = [0] * (len(SECONDS_EDGES) + 1)  # of latencies, by bucket
        self.sums = [0.0] * (len(SECONDS_EDGES) + 1)

    def reading(self) -> RequestReading:
        running, time = self.running, self.time  # no call between the two: they agree
        return RequestReading(
            route=self.route or NONE,
            method=self.method,
            latency=Histogram(SECONDS_EDGES, tuple(self.counts), tuple(self.sums)),
            running=running,
            waiting=max(0.0, time - running),
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

    def finish(self, request: Request, now: float, step: float) -> None:
        """Count a request that ends now; its scope is let go.

        `step` is how long its last step has been running, if that is not among its times yet.
        """
        scope = request.scope
        try:
            row = self._by_endpoint[scope["endpoint"]]
            if row.method != scope["method"] or row.door is not request.door:
                row = self.row(request)
        except (KeyError, TypeError):  # new, not routed, a websocket, or not hashable
            row = self.row(request)
        request.row = row
        request.ended = now
        request.scope = None
        times = request.times
        if step:
            times.append(step)
        latency = now - request.started
        bucket = bisect_left(SECONDS_EDGES, latency)
        row.counts[bucket] += 1
        row.sums[bucket] += latency
        if self._charged:
            row.time -= self._charged.pop(request, 0.0)
        running = sum(times)
        row.running += running
        row.time += latency
        steps = row.steps
        if running < FIRST:
            steps.steps += len(times)
            steps.seconds += running
        else:
            steps.add(times)

    def take(self, request: Request, now: float) -> None:
        """Charge a long request (a stream, a websocket) for what it has used so far."""
        row, age = self.row(request), now - request.started
        known, times = self._charged.get(request, 0.0), request.times
        self._charged[request] = age
        request.times = []
        running = sum(times)
        row.running += running
        row.time += age - known
        row.steps.add(times)

    def charge(self, requests: Iterable[Request], now: float) -> None:
        """`take` those of the requests that have not ended."""
        for request in requests:
            if request.scope is not None:
                self.take(request, now)

    def readings(self) -> list[RequestReading]:
        return [row.reading() for row in self._rows]
