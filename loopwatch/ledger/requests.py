"""Requests by route and method. Written by the loop's thread only, once a request.

A request's steps are added up when it ends (many at a time cost less than each by itself), and at
once: keeping ended requests for a batch made the garbage collector pay more than the batch saved.
What its tasks still do after that is not in these sums; a stall of theirs keeps its route.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from loopwatch.ledger.counts import Table
from loopwatch.ledger.steps import FIRST, StepRow, StepTable
from loopwatch.records import NONE, OTHER, SECONDS_EDGES, Histogram, RequestReading
from loopwatch.request import NO_TIMES, Request
from loopwatch.speedups import speedups

ROUTES = 256
ENDPOINTS = 1024  # remembered, so that a template is looked up once

METHODS = frozenset(
    ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT", "QUERY")
)
WEBSOCKET = "WEBSOCKET"


if TYPE_CHECKING or speedups is None:

    class RowNumbers:
        """What the end of a request reads and adds to."""

        __slots__ = ("counts", "door", "method", "running", "steps", "sums", "time")

        method: str
        door: Any  # behind which the endpoint has no other row
        running: float  # s
        time: float  # s in flight, as far as accounted for
        counts: list[int]  # of latencies, by bucket
        sums: list[float]
        steps: StepRow

else:
    RowNumbers = speedups.RowNumbers


class RequestRow(RowNumbers):
    """The sums of one route and method."""

    __slots__ = ("endpoint", "route")

    def __init__(self, route: str | None, method: str, endpoint: Any, steps: StepRow) -> None:
        self.route, self.method, self.endpoint, self.steps = route, method, endpoint, steps
        self.door = None
        self.running = self.time = 0.0
        self.counts = [0] * (len(SECONDS_EDGES) + 1)
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


def add_steps(row: StepRow, request: Request) -> float:
    """Count what steps a request has by now; return their seconds."""
    row.steps += request.steps
    row.seconds += request.seconds
    return request.seconds + row.add(request.times) if request.times else request.seconds


def add_request(row: RequestRow, request: Request, now: float, step: float, charged: float) -> None:
    """Count a request that ends; `charged` seconds of it are in the row already."""
    request.row = row
    request.ended = now
    request.scope = None
    if step >= FIRST:
        request.times = [*request.times, step]
    elif step:
        request.steps += 1
        request.seconds += step
    latency = now - request.started
    bucket = bisect_left(SECONDS_EDGES, latency)
    row.counts[bucket] += 1
    row.sums[bucket] += latency
    row.running += add_steps(row.steps, request)
    row.time += latency - charged


def add_to_known(
    rows: dict[Any, RequestRow], request: Request, now: float, step: float, charged: float
) -> bool:
    """`add_request` to the row of its endpoint; False, and nothing done, if there is none."""
    scope = request.scope
    try:
        row = rows[scope["endpoint"]]
        if row.method != scope["method"] or row.door is not request.door:
            return False
    except (KeyError, TypeError):  # new, not routed, a websocket, or not hashable
        return False
    add_request(row, request, now, step, charged)
    return True


if speedups is not None:
    speedups.wire_ledger(SECONDS_EDGES)
    add_request, add_to_known = speedups.add_request, speedups.add_to_known


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
        charged = self._charged.pop(request, 0.0) if self._charged else 0.0
        if not add_to_known(self._by_endpoint, request, now, step, charged):
            add_request(self.row(request), request, now, step, charged)

    def take(self, request: Request, now: float) -> None:
        """Charge a long request (a stream, a websocket) for what it has used so far."""
        row, age = self.row(request), now - request.started
        known, self._charged[request] = self._charged.get(request, 0.0), age
        row.running += add_steps(row.steps, request)
        row.time += age - known
        request.steps, request.seconds, request.times = 0, 0.0, NO_TIMES

    def charge(self, requests: Iterable[Request], now: float) -> None:
        """`take` those of the requests that have not ended."""
        for request in requests:
            if request.scope is not None:
                self.take(request, now)

    def readings(self) -> list[RequestReading]:
        return [row.reading() for row in self._rows]
