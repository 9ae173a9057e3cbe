"""The nouns: what loopwatch tells, as frozen plain data. Durations are seconds everywhere."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal, Protocol

from loopwatch.exemplars import Exemplar, latest
from loopwatch.recent import Recent, RecentRequest, WhatIf

Cause = Literal[
    "blocking_call",
    "cpu",
    "native_gil",
    "gil_contention",
    "gc",
    "import",
    "starved",
    "many_callbacks",
    "unknown",
]

NONE = "_NONE"  # the label of whatever has no name: a step outside any request, a stall unseen
OTHER = "_OTHER"  # the label of whatever came after a bound was reached

SECONDS_EDGES = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
BULKY = "bulky"  # marks a field that is left out of JSON
PAUSE_EDGES = (0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0)


def plain(value: Any) -> Any:
    """Return `value` as JSON-ready data: records become dicts, tuples lists."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {name: plain(member) for name, member in members(value).items()}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    return value


def members(record: Any) -> dict[str, Any]:
    """Return a record's fields by name, but those that are left out of JSON."""
    return {name: getattr(record, name) for name in told(record.__class__)}


@cache
def told(kind: type) -> tuple[str, ...]:
    return tuple(f.name for f in dataclasses.fields(kind) if not f.metadata.get(BULKY))


@dataclass(frozen=True, slots=True)
class Frame:
    """One line of a stall's stack."""

    function: str  # module.qualname
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Site:
    """Where a stall happened: the innermost frame of the user's own code."""

    function: str  # module.qualname, `_NONE` if nothing is known
    file: str = ""
    line: int = 0
    code: str = ""  # the source text of the call; empty where there is no source
    exact: bool = True  # False: the line is only the best that can be known


@dataclass(frozen=True, slots=True, kw_only=True)
class Contributor:
    """Who took part in a tick of many small callbacks."""

    coroutine: str  # or the callback's name
    count: int | None  # of its steps; None where the loop does not tell them apart
    seconds: float  # of its steps, an estimate where `count` is None


@dataclass(frozen=True, slots=True, kw_only=True)
class GilHolder:
    """A thread that had the GIL while the loop's thread waited for it."""

    thread: str
    site: Site
    cpu_seconds: float | None = None  # during the stall, or a little more; None: not known


@dataclass(frozen=True, slots=True, kw_only=True)
class Stall:
    """The record of the loop being held for at least `slow_callback_duration`."""

    started_at: float  # Unix time, s
    duration: float  # s
    cause: Cause = "unknown"
    route: str | None = None  # the template; None outside any request
    method: str | None = None  # of the request; WEBSOCKET for a websocket
    coroutine: str | None = None  # the endpoint in a request, else the task's coroutine
    site: Site = field(default_factory=lambda: Site(NONE, exact=False))
    stack: tuple[Frame, ...] = ()  # outermost first; empty if no photograph was taken in time
    thread: str = ""  # the loop's thread
    cpu_seconds: float | None = None  # of the loop's thread; None, here and below: not known here
    gc_seconds: float = 0.0  # in garbage collections, whichever thread collected
    run_queue_seconds: float | None = None  # ready to run, but no CPU was free
    throttled_seconds: float | None = None  # stopped by the cgroup's CPU quota
    contributors: tuple[Contributor, ...] = ()  # of `many_callbacks`: most seconds first
    gil_holders: tuple[GilHolder, ...] = ()  # of `gil_contention`: most CPU seconds first
    victims: int = 0
    lost_request_seconds: float = 0.0
    advice: str = ""
    trace_id: str | None = None  # of the culprit's span, 32 hex digits
    span_id: str | None = None  # 16 hex digits
    trace_sampled: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready data, one key a field."""
        data: dict[str, Any] = plain(self)
        return data


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts by bucket: `counts[i]` fell in (`edges[i-1]`, `edges[i]`], the last beyond all."""

    edges: tuple[float, ...]  # upper bounds, s
    counts: tuple[int, ...]  # not cumulative; one more than edges
    sums: tuple[float, ...]  # s, by bucket
    exemplars: tuple[Exemplar, ...] = field(default=(), repr=False, metadata={BULKY: True})

    @classmethod
    def empty(cls, edges: tuple[float, ...]) -> Histogram:
        size = len(edges) + 1
        return cls(edges, (0,) * size, (0.0,) * size)

    @classmethod
    def of_first(cls, edges: tuple[float, ...], count: int, total: float) -> Histogram:
        """Return one whose values are all in the first bucket."""
        rest = len(edges)
        return cls(edges, (count, *(0,) * rest), (total, *(0.0,) * rest))

    @property
    def count(self) -> int:
        return sum(self.counts)

    @property
    def sum(self) -> float:
        return sum(self.sums)

    def quantile(self, q: float) -> float:
        """Return the q-quantile in seconds by linear interpolation, as PromQL's
        `histogram_quantile` does; beyond the last edge, that edge; 0.0 when empty."""
        if not 0.0 <= q <= 1.0:
            raise ValueError(f"q must be between 0 and 1, got {q!r}")
        rank, seen, low = q * self.count, 0, 0.0
        for edge, count in zip(self.edges, self.counts, strict=False):
            if count and seen + count >= rank:
                return low + (edge - low) * (rank - seen) / count
            seen, low = seen + count, edge
        return low if seen or self.counts[-1] else 0.0

    def __add__(self, other: Histogram) -> Histogram:
        return Histogram(
            self.edges,
            tuple(a + b for a, b in zip(self.counts, other.counts, strict=True)),
            tuple(a + b for a, b in zip(self.sums, other.sums, strict=True)),
            tuple(latest(self.edges, (*self.exemplars, *other.exemplars)).values()),
        )

    def __sub__(self, earlier: Histogram) -> Histogram:
        """Return what has come since an earlier reading of the same histogram."""
        return Histogram(
            self.edges,
            tuple(a - b for a, b in zip(self.counts, earlier.counts, strict=True)),
            tuple(max(0.0, a - b) for a, b in zip(self.sums, earlier.sums, strict=True)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopReading:
    """One watched loop. `busy` and `idle` are None where the loop does not tell them."""

    loop: str  # asyncio, uvloop, or the class of a loop known by its heartbeat only
    thread: str
    layers: tuple[str, ...]  # what is seen on this loop
    blind: tuple[str, ...]  # what is not
    busy: float | None  # s since the watch began
    idle: float | None  # s
    lag: Histogram  # one observation for every 10 ms of time, at a random moment
    tasks: int

    @property
    def utilization(self) -> float | None:
        """busy / (busy + idle), 0 to 1, over the whole watch."""
        if self.busy is None or self.idle is None:
            return None
        whole = self.busy + self.idle
        return self.busy / whole if whole else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestReading:
    """The requests of one route and method: their four parts add up to their latency."""

    route: str
    method: str
    latency: Histogram  # of finished requests, s: from the socket to the response's last byte
    queued: float = 0.0  # s, in the socket before the app began
    running: float  # s, own steps on the loop
    stalled: float = 0.0  # s, ready to run, while somebody else's stall held the loop
    waiting: float  # s, everything else
    threadpool: float = 0.0  # s of these, for a thread of a pool to be free
    background: float = 0.0  # s, own steps after the response, in no latency
    recent: Recent = field(default=Recent(), repr=False, metadata={BULKY: True})

    @property
    def loop_cost(self) -> float:
        """Seconds of the loop per finished request, background tasks included: its inverse is the
        ceiling of requests per second and process."""
        count = self.latency.count
        return (self.running + self.background) / count if count else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BlameReading:
    """What requests of one route have waited for the stalls of one site."""

    site: str
    culprit_route: str
    victim_route: str
    count: int  # of requests and stalls
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteReading:
    """The stalls of one site."""

    route: str
    site: str
    cause: str
    stalls: Histogram
    victims: int = 0  # requests that waited for them
    lost_request_seconds: float = 0.0  # what those waited


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadPoolReading:
    """Threads of anyio's limiter and the loop's default executor, added up."""

    busy: int = 0
    idle: int = 0
    waiting: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A frozen reading of everything a watch has counted since it was created."""

    taken_at: float  # Unix time, s
    version: str
    loops: tuple[LoopReading, ...]
    requests: tuple[RequestReading, ...]
    steps: tuple[tuple[str, Histogram], ...]  # by coroutine
    timed: tuple[tuple[str, Histogram], ...]  # latency of `timed` coroutines, by label
    sites: tuple[SiteReading, ...]
    allowed: tuple[SiteReading, ...] = ()  # of stalls that the option `allow` names, counted apart
    blames: tuple[BlameReading, ...] = ()  # most seconds first
    gc_pauses: tuple[tuple[str, Histogram], ...]  # by generation
    threadpool: ThreadPoolReading
    stalls: tuple[Stall, ...]  # the latest 256, oldest first
    stall_count: int
    busy: float  # s, of all loops, closed ones included
    idle: float  # s
    lag: Histogram  # of all loops, closed ones included
    self_seconds: float  # CPU time of loopwatch's own thread, and of reading this
    dropped: Mapping[str, int]  # what was lost, by reason

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready data, one key a field; single requests are left out."""
        data: dict[str, Any] = plain(self)
        return data

    def recent_requests(self) -> tuple[RecentRequest, ...]:
        """Return the latest 1024 requests of each route and method, oldest first within it."""
        return tuple(r for row in self.requests for r in row.recent.unpacked(row.route, row.method))

    def without(self, site: str) -> tuple[WhatIf, ...]:
        """Return each route's latency among the latest requests, now and if `site` (as in
        `Site.function`) had not stalled. See `loopwatch.recent` for what that takes into account.
        """
        found = (row.recent.what_if(row.route, row.method, site) for row in self.requests)
        return tuple(what_if for what_if in found if what_if is not None)


class Instrument(Protocol):
    """What `Watch.add_instrument` takes."""

    def stalled(self, stall: Stall) -> None:
        """Be told of one stall, on loopwatch's own thread; if it raises, it is removed."""


class Source(Protocol):
    """What can be read: exporters know this, not the watch."""

    def snapshot(self, *, recent: bool = True) -> Snapshot:
        """Return a reading as of now; without `recent`, no single requests."""
