"""Requests by route and method. Only the loop's thread writes, once for each request.

A request's steps are added up together when it ends, which costs less than one at a time. Tried and
dropped: batching ended requests. Keeping them cost the garbage collector more than the batch saved.
Later steps of its tasks are not in these sums; their stalls still have its route.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable
from typing import Any

from loopwatch.core.histogram import SECONDS_EDGES
from loopwatch.core.holds import Hold
from loopwatch.core.recent import RecentRequest
from loopwatch.core.record_types import NONE, OTHER, RequestReading
from loopwatch.core.request import Request, clock
from loopwatch.core.safe_text import label
from loopwatch.core.speedups import speedups
from loopwatch.ledger.counts import Table
from loopwatch.ledger.request_row import RequestRow
from loopwatch.ledger.step_table import FIRST, StepTable

ROUTES = 256
ENDPOINTS = 1024  # kept, so that each template is looked up once

METHODS = frozenset(
    ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT", "QUERY")
)
WEBSOCKET = "WEBSOCKET"


def add_request(row: RequestRow, request: Request, now: float, step: float) -> None:
    """Count a request that ends; its latency ends with its complete response."""
    request.row = row
    request.ended = now
    request.scope = None
    if request.rare is not None:
        request.rare.pop("routed", None)
    if step >= FIRST:
        request.add_long_step(step)
    elif step:
        request.steps += 1
        request.seconds += step
        request.stepped = now
    running = request.take_steps(row.steps)
    responded, queued = request.responded, request.queued
    age = (responded or now) - request.started
    latency, whole = age + queued, request.taken + running
    own = request.settled = min(age, whole, request.settled if responded else whole)
    rest = max(0.0, age - own)
    if request.stalled or request.pooled:
        request.stalled = min(request.stalled, rest)
        request.pooled = min(request.pooled, rest - request.stalled)
    row.add_latency(latency)
    row.running += running
    row.background += whole - own - request.charged_background
    row.time += latency - request.charged
    row.queued += 0.0 if request.charged else queued
    row.stalled += request.stalled - request.charged_stalled
    row.pooled += request.pooled
    row.add_recent(request.started - queued, latency, queued, own, request.stalled)
    if row.recorder is not None:
        row.recorder.add_request(row, request)
    if request.waits is not None or request.span is not None:
        row.note(request)


def known_row(rows: dict[Any, RequestRow], request: Request) -> RequestRow | None:
    """Return the row of a request's endpoint, if that has only one and is known."""
    scope = request.scope
    try:
        row = rows[scope["endpoint"]]
        told = request.routed is not None or "path_template" in scope  # the endpoint is not all
        same = row.method == scope["method"] and row.door is request.door
        return row if same and not told else None
    except (KeyError, TypeError):  # new, not routed, a websocket, or not hashable
        return None


def add_to_known(rows: dict[Any, RequestRow], request: Request, now: float, step: float) -> bool:
    """`add_request` to the row of its endpoint; False, and nothing done, if there is none."""
    row = known_row(rows, request)
    if row is None:
        return False
    add_request(row, request, now, step)
    return True


def finish(state: Any, rows: dict[Any, RequestRow], request: Request) -> bool:
    """Count an ordinary request that ends within a step: its endpoint's row is known, it had no
    long step, its last one took some time, and it waited for nothing. Otherwise do nothing and
    return False. The compiled part has its own version."""
    scope = request.scope
    try:
        row = rows[scope["endpoint"]]
        if row.method != scope["method"] or row.door is not request.door:
            return False
        if "path_template" in scope:
            return False
    except (KeyError, TypeError):  # new, not routed, a websocket, or not hashable
        return False
    now, since, started = clock(), state.mark, request.started
    step = now - (since if since > started else started)
    if not 0.0 < step < FIRST or request.rare is not None or request.times or request.queued:
        return False
    if state.limit == 0.0:
        return False
    running = own = request.seconds + step
    responded = request.responded
    if responded:
        age = responded - started
        if request.settled < own:
            own = request.settled
    else:
        age = now - started
    if age < own:
        own = age
    request.row, request.settled, request.scope = row, own, None
    request.ended = request.stepped = now
    steps = row.steps
    steps.steps += request.steps + 1
    steps.seconds += running
    row.running += running
    row.background += running - own
    row.time += age
    bucket = bisect_left(SECONDS_EDGES, age) if age > FIRST else 0
    row.counts[bucket] += 1  # type: ignore[index]
    row.sums[bucket] += age  # type: ignore[index]
    row.latest.append((started, age, 0.0, own, 0.0))
    if row.recorder is not None:
        row.recorder.add_request(row, request)
    return True


if speedups is not None:
    speedups.wire_ledger(SECONDS_EDGES)
    add_request, add_to_known = speedups.add_request, speedups.add_to_known

    def finish(state: Any, rows: dict[Any, RequestRow], request: Request) -> bool:
        return False


class RequestTable:
    """The rows of one loop.

    Most endpoints serve one route with one method: `lone` finds that out once, and from then on the
    endpoint alone finds the row.
    """

    def __init__(
        self,
        steps: StepTable,
        routed: Callable[[Request], tuple[str | None, Any]],
        lone: Callable[[Request], bool],
    ) -> None:
        self._steps = steps
        self.recorder: Any = None  # of the loop
        self.labels: list[tuple[str, str]] = []  # route and method of each row, by its number
        self._routed, self._lone = routed, lone
        self.waited: Callable[[Callable[[], RecentRequest], Iterable[Hold]], None] | None = None
        self._table: Table[tuple[str | None, str], RequestRow] = Table(ROUTES, self._rest)
        self.rows: dict[Any, RequestRow] = {}  # bounded by `ENDPOINTS`
        self._shared: set[int] = set()  # ids of endpoints that have many rows; bounded likewise

    def _waited(self, times: Callable[[], RecentRequest], holds: Iterable[Hold]) -> None:
        if self.waited is not None:
            self.waited(times, holds)

    def _rest(self) -> RequestRow:
        return self._numbered(
            RequestRow(OTHER, OTHER, None, self._steps.of_label(OTHER), self._waited)
        )

    def _numbered(self, row: RequestRow) -> RequestRow:
        row.recorder, row.number = self.recorder, len(self.labels)
        self.labels.append((row.route or NONE, row.method))
        return row

    @property
    def overflow(self) -> int:
        return self._table.overflow

    def row(self, request: Request) -> RequestRow:
        """Return the row of a request in flight, as far as it has been routed by now."""
        known: RequestRow | None = getattr(request, "row", None)
        endpoint = request.scope.get("endpoint")
        if known is None or endpoint is None or known.endpoint is not endpoint:
            known = known_row(self.rows, request) or self._found(request, endpoint)
            request.row = known
        return known

    def _found(self, request: Request, endpoint: Any) -> RequestRow:
        scope = request.scope
        route, told = self._routed(request)
        method = scope.get("method", WEBSOCKET)
        known = method if method in METHODS or method is WEBSOCKET else OTHER
        row = self._table.find((route, known)) or self._new_row(route, known, told)
        self._remember(request, endpoint, row)
        return row

    def _new_row(self, route: str | None, method: str, endpoint: Any) -> RequestRow:
        kept = None if route is None else label(route)
        return self._table.get(
            (kept, method),
            lambda: self._numbered(
                RequestRow(kept, method, endpoint, self._steps.of_endpoint(endpoint), self._waited)
            ),
        )

    def _remember(self, request: Request, endpoint: Any, row: RequestRow) -> None:
        """Have the row found by its endpoint from now on, if that has no other; ask that once."""
        if max(len(self.rows), len(self._shared)) >= ENDPOINTS or id(endpoint) in self._shared:
            return
        if self._lone(request):
            row.door = request.door
            self.rows[endpoint] = row
        elif endpoint is not None:
            self._shared.add(id(endpoint))

    def finish(self, request: Request, now: float, step: float) -> None:
        """Count a request that ends now, and release its scope.

        `step` is the duration so far of its last step, unless its times include it already.
        """
        if not add_to_known(self.rows, request, now, step):
            add_request(self.row(request), request, now, step)

    def take(self, request: Request, now: float) -> None:
        """Count what a long request (a stream, a websocket) has used so far."""
        row, responded = self.row(request), request.responded
        running = request.take_steps(row.steps)
        row.running += running
        request.taken += running
        age = (responded or now) - request.started + request.queued
        own = min(request.settled, age, request.taken)
        background = request.taken - own if responded else 0.0
        row.background += background - request.charged_background
        row.queued += 0.0 if request.charged else request.queued
        row.time += age - request.charged
        row.stalled += request.stalled - request.charged_stalled
        request.charged, request.charged_background = age, background
        request.charged_stalled = request.stalled

    def charge(self, request: Request) -> None:
        """`take` a request, unless it has ended."""
        if request.scope is not None:
            self.take(request, clock())

    def time(self) -> float:
        """Return the latency of all requests, s, as far as accounted for."""
        return sum(row.time for row in self._table)

    def readings(self, recent: bool) -> list[RequestReading]:
        return [row.reading(recent) for row in self._table]
