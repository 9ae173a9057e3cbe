"""Requests by route and method. Written by the loop's thread only; once a request, not per step."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from typing import Any

from loopwatch.ledger.counts import Counts, Table
from loopwatch.ledger.steps import StepRow, StepTable
from loopwatch.records import NONE, OTHER, SECONDS_EDGES, RequestReading
from loopwatch.request import Request

ROUTES = 256
KEYS = 1024  # route objects remembered, so that a template is looked up once

METHODS = frozenset(
    ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT", "QUERY")
)
WEBSOCKET = "WEBSOCKET"


class RequestRow:
    """The sums of one route and method."""

    __slots__ = ("endpoint", "latency", "method", "route", "running", "steps", "waiting")

    def __init__(self, route: str | None, method: str, endpoint: Any, steps: StepRow) -> None:
        self.route, self.method, self.endpoint, self.steps = route, method, endpoint, steps
        self.running = self.waiting = 0.0
        self.latency = Counts()

    def take(self, request: Request) -> None:
        """Move what a request has run since the last time here."""
        running, long = request.running, request.long
        self.running += running
        steps = self.steps
        steps.steps += request.steps
        steps.seconds += running
        if long is not None:
            for took in long:
                steps.seconds -= took
                steps.long.add(took)
            request.long = None
        request.running = 0.0
        request.steps = 0


class RequestTable:
    """The rows of one loop, and the requests in flight on it."""

    def __init__(self, steps: StepTable, template: Callable[[Any, Any], str | None]) -> None:
        self._steps = steps
        self._template = template
        self._rows: Table[tuple[str | None, str], RequestRow] = Table(ROUTES, self._rest)
        self._by_key: dict[tuple[int, str], tuple[Any, RequestRow]] = {}
        self.in_flight: set[Request] = set()  # bounded by the server's own connections

    def _rest(self) -> RequestRow:
        return RequestRow(OTHER, OTHER, None, self._steps.of_label(OTHER))

    @property
    def overflow(self) -> int:
        return self._rows.overflow

    def row(self, request: Request) -> RequestRow:
        """Return the row of a request in flight, as far as it has been routed by now."""
        scope = request.scope
        key = route_key(scope)
        method = scope.get("method", WEBSOCKET)
        known = self._by_key.get((id(key), method))
        if known is not None and "app_root_path" not in scope:
            return known[1]
        row = self._new_row(scope, request.app)
        if key is not None and "app_root_path" not in scope and len(self._by_key) < KEYS:
            self._by_key[id(key), method] = key, row
        return row

    def _new_row(self, scope: Any, app: Any) -> RequestRow:
        route, endpoint = self._template(scope, app), scope.get("endpoint")
        method = scope.get("method", WEBSOCKET)
        label = method if method in METHODS or method is WEBSOCKET else OTHER
        return self._rows.get(
            (route, label),
            lambda: RequestRow(route, label, endpoint, self._steps.of_endpoint(endpoint)),
        )

    def finish(self, request: Request, now: float, step: float) -> None:
        """Count a request that has ended; its scope is let go.

        `step` is how long its last step has been running, if that is not in `running` yet; who
        ends that step has the row take it.
        """
        row = self.row(request)
        self.in_flight.discard(request)
        end = request.responded or now
        row.waiting += max(0.0, end - request.charged - request.running - step)
        if row.method is not WEBSOCKET:
            latency = end - request.started
            counts = row.latency
            bucket = bisect_left(SECONDS_EDGES, latency)
            counts.counts[bucket] += 1
            counts.sums[bucket] += latency
        request.row, request.scope, request.ended = row, None, now
        if not step:
            row.take(request)

    def charge_in_flight(self, requests: list[Request], now: float) -> None:
        """Charge what long requests (streams, websockets) have used so far; loop thread only."""
        for request in requests:
            if request in self.in_flight:
                row = self.row(request)
                row.waiting += max(0.0, now - request.charged - request.running)
                request.charged = now
                row.take(request)

    def readings(self) -> list[RequestReading]:
        return [
            RequestReading(
                route=row.route or NONE,
                method=row.method,
                latency=row.latency.reading(),
                running=row.running,
                waiting=row.waiting,
            )
            for row in self._rows
        ]


def route_key(scope: Any) -> Any:
    """Return the object that stands for a request's route: FastAPI keeps the one with the
    router's prefix beside the original."""
    fastapi = scope.get("fastapi")
    if fastapi is not None:
        context = fastapi.get("effective_route_context")
        if context is not None:
            return context
    return scope.get("route")
