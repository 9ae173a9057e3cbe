"""The sums of one route and method. Only the loop's thread writes; any thread reads."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

from loopwatch.core.breath import breathe
from loopwatch.core.exemplars import Exemplar, Exemplars
from loopwatch.core.histogram import SECONDS_EDGES, Histogram
from loopwatch.core.holds import Hold, Wait, blames
from loopwatch.core.recent import PARTS, RECENT, Recent, RecentRequest
from loopwatch.core.record_types import NONE, RequestReading
from loopwatch.core.request import Request, unix_time
from loopwatch.core.speedups import speedups
from loopwatch.ledger.step_table import StepRow

if TYPE_CHECKING or speedups is None:

    class RowNumbers:
        """The part of a row that the end of a request reads and updates."""

        __slots__ = (
            *("background", "counts", "door", "method", "number", "pooled", "queued"),
            *("latest", "recorder", "running", "stalled", "steps", "sums", "time"),
        )

        method: str
        door: Any  # behind which the endpoint has no other row
        running: float  # s in steps, those after the response included
        background: float  # s of those
        queued: float  # s
        stalled: float  # s
        pooled: float  # s
        time: float  # s of latency, as far as accounted for
        counts: Sequence[int]  # of latencies, by bucket
        sums: Sequence[float]
        steps: StepRow
        latest: deque[tuple[float, ...]]  # `PARTS` of each
        recorder: Any  # of its loop, None: nothing is recorded
        number: int  # of this row in it

        def __init__(self) -> None:
            self.latest = deque(maxlen=RECENT)
            self.recorder, self.number = None, 0
            self.running = self.time = self.background = 0.0
            self.queued = self.stalled = self.pooled = 0.0
            self.counts = [0] * (len(SECONDS_EDGES) + 1)
            self.sums = [0.0] * (len(SECONDS_EDGES) + 1)

        @property
        def finished(self) -> int:
            """The number of requests."""
            return sum(self.counts)

        def add_latency(self, latency: float) -> None:
            bucket = bisect_left(SECONDS_EDGES, latency)
            self.counts[bucket] += 1  # type: ignore[index]
            self.sums[bucket] += latency  # type: ignore[index]

        def add_recent(self, *parts: float) -> None:
            self.latest.append(parts)

        def recent(self) -> bytes:
            """Return `PARTS` doubles of each of the latest requests, oldest first."""
            return array("d", chain.from_iterable([*self.latest])).tobytes()

else:
    RowNumbers = speedups.RowNumbers


class RequestRow(RowNumbers):
    """The sums of one route and method."""

    __slots__ = ("endpoint", "exemplars", "reported", "route", "waited", "waits")

    def __init__(
        self,
        route: str | None,
        method: str,
        endpoint: Any,
        steps: StepRow,
        waited: Callable[[Callable[[], RecentRequest], Iterable[Hold]], None],
    ) -> None:
        self.route, self.method, self.endpoint, self.steps = route, method, endpoint, steps
        self.waited = waited
        super().__init__()
        self.door = None
        self.reported: tuple[float, ...] = (0.0,) * 6
        self.waits: deque[tuple[int, list[Wait]]] = deque(maxlen=RECENT)
        self.exemplars = Exemplars(SECONDS_EDGES)

    def reading(self, recent: bool) -> RequestReading:
        breathe()
        own, rest = self.running - self.background, self.queued + self.stalled
        waiting = self.time - own - rest  # no call in between: the numbers are consistent
        parts = self.queued, own, self.stalled, waiting, self.pooled, self.background
        # A counter that falls, even by rounding, is a restart to Prometheus: it counts all again.
        self.reported = tuple(map(max, self.reported, parts))
        queued, running, stalled, waiting, pooled, background = self.reported
        return RequestReading(
            route=self.route or NONE,
            method=self.method,
            latency=Histogram(
                SECONDS_EDGES, tuple(self.counts), tuple(self.sums), self.exemplars.reading()
            ),
            queued=queued,
            running=running,
            stalled=stalled,
            waiting=waiting,
            threadpool=pooled,
            background=background,
            recent=self.recent_requests() if recent else Recent(),
        )

    def note(self, request: Request) -> None:
        """Keep the waits and the span of the request that was added last."""
        if request.waits:
            self.waits.append((self.finished - 1, request.waits))
            if request.span is None:  # else reported when its response was complete
                self.tell(request, request.waits)
        if request.span is not None:
            ended = request.responded or request.ended
            latency = ended - request.started + request.queued
            self.exemplars.keep(Exemplar(latency, unix_time(ended), *request.span))

    def tell(self, request: Request, waits: Iterable[Wait], more: float = 0.0) -> None:
        """Report the waits of a request; `more` s of them are not in its sum yet."""
        self.waited(partial(self._last, request, more), [wait.hold for wait in waits])

    def _last(self, request: Request, more: float) -> RecentRequest:
        arrived = request.started - request.queued
        latency = (request.responded or request.ended) - arrived
        return RecentRequest.of(
            self.route or NONE,
            self.method,
            unix_time(arrived),
            (latency, request.queued, request.settled, request.stalled + more),
            tuple(blames(request.waits or ())),
        )

    def recent_requests(self) -> Recent:
        """Return the latest requests, with their waits as known now."""
        finished, waits, numbers = self.finished, [*self.waits], self.recent()
        first = finished - len(numbers) // (8 * PARTS)
        known = ((n - first, tuple(blames(w))) for n, w in waits if first <= n < finished)
        return Recent(numbers, unix_time(0.0), tuple(known))
