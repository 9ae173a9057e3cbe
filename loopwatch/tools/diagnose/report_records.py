"""The report of a diagnosis, as frozen plain data. `docs/diagnose-report.md` has all fields.

Durations are seconds, shares are 0 to 1. None means unknown, as clients' latency if attached.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from loopwatch.core.quantiles import Quantiles
from loopwatch.core.record_types import Contributor, Frame, Site
from loopwatch.core.tails import MorePlaces, Parts, Tail
from loopwatch.tools.diagnose.estimate_records import LoopLine, Prediction, WaitReport
from loopwatch.tools.diagnose.source import SourceLine as SourceLine

SCHEMA = 1  # grows when a field changes its meaning or is removed, not for a new field

Kind = Literal[
    "not_enough_data",  # too few requests, or too short
    "errors",  # most requests failed: latency means little
    "generator",  # the load generator was the bottleneck and made the latency
    "blocked",  # requests wait for stalls of the loop
    "starved",  # the process had no CPU
    "loop_cost",  # the loop is busy with many short steps
    "thread_pool",  # requests wait for a free worker thread
    "concurrency",  # requests wait for each other: only so many get through at a time
    "waiting",  # requests wait for what they await: real I/O, or something in the app
    "no_stalls",  # nothing held the loop; requests are not known (`outside`)
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What limits the app, and the numbers behind it."""

    kind: Kind
    text: str  # one to three sentences; names and paths are in backticks
    route: str | None = None  # the route whose latency the text is about
    method: str | None = None
    site: str | None = None  # for `blocked` and `loop_cost`: the function that the text names
    share: float | None = None  # share of that latency that this kind takes
    p99_now: float | None = None  # s, the server's
    p99_then: float | None = None  # s, predicted without `site`


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What was diagnosed."""

    app: str | None  # the import string; None if attached
    url: str  # the app's address; the live page's, or `process PID`, if attached
    attached: bool
    loop: str  # asyncio, uvloop, ...
    layers: tuple[str, ...]  # what loopwatch sees on this loop
    blind: tuple[str, ...]  # what it does not see
    python: str | None  # the app's Python version; None if unknown
    loopwatch: str  # the app's version of loopwatch
    outside: bool = False  # by `loopwatch attach`: requests, routes and victims are not known


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRequest:
    """One kind of request of the load. Query, headers and body are not kept."""

    method: str
    path: str
    weight: float
    route: str | None  # the server's template that it was matched to; None: no such route


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """The load that was sent: each request at its due time, without waiting for answers."""

    requests: tuple[PlannedRequest, ...]
    rate: float  # requests/s asked for, at the beginning
    rate_end: float  # at the end; differs for a ramp
    duration: float  # s asked for
    elapsed: float  # s from the first due time to the last
    interrupted: bool  # Ctrl-C ended it early
    sent: int
    answered: int  # with any status
    errors: int  # sent requests without an answer, or with status 500 to 599
    reached: float  # requests/s sent
    by_status: Mapping[str, int]  # "200", and "timeout", "connection" for no answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """The load tool that ran. Its arguments, which may be headers or queries, are not kept."""

    program: str
    exit_code: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteReport:
    """The requests of one route and method during the diagnosis."""

    route: str
    method: str
    requests: int  # finished, as the server counts them
    errors: int | None  # as the client counts them
    sent: int | None = None  # by the client; None: no client of our own
    client: Quantiles | None  # latency from the due time
    server: Quantiles | None  # true latency, queued included
    sampled: int  # latest requests behind tails, predictions and distributions
    parts: Parts  # means over all requests
    unexplained: float | None  # s, mean: client's latency minus the server's: network, client
    slowest: Tail | None  # the slowest 1 % of the sampled, at least 1
    typical: Tail | None  # those from the 25th to the 75th percentile
    threadpool: float  # s a request, of `parts.waiting`, for a free worker thread
    loop_cost: float  # s of the loop a request, background tasks included
    ceiling: float | None  # most requests/s of it that a process can serve: 1 / loop_cost
    lost: float  # s that its requests waited for stalls, summed
    more_places: MorePlaces | None = None  # what a larger semaphore, lock or pool would do


@dataclass(frozen=True, slots=True, kw_only=True)
class CulpritLine:
    """One line of a culprit, from the kept stalls."""

    file: str
    line: int
    code: str
    exact: bool
    count: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class VictimRoute:
    """How long requests of one route waited for a culprit."""

    route: str
    count: int  # pairs of request and stall
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Culprit:
    """The stalls of one site and route."""

    site: Site  # of the line that held the loop longest
    lines: tuple[CulpritLine, ...]  # most seconds first
    cause: str  # of most seconds
    route: str | None  # None: outside any request, or its route is not known
    method: str | None
    coroutine: str | None
    advice: str
    source: tuple[SourceLine, ...]  # around the line; empty if the file must not be read
    stack: tuple[Frame, ...]  # of the longest stall, outermost first
    contributors: tuple[Contributor, ...]  # of `many_callbacks`
    count: int  # of stalls
    seconds: float  # of held loop
    longest: float  # s
    lost: float  # request-seconds
    victims: int  # requests that waited
    victim_routes: tuple[VictimRoute, ...]  # most seconds first; of the site, for all its routes
    predictions: tuple[Prediction, ...]  # of victim routes
    id: str = ""  # the same in every report: a hash of route, site or coroutine, and cause


@dataclass(frozen=True, slots=True, kw_only=True)
class BusyRoute:
    """How much of the loop's time one route took."""

    route: str
    method: str
    seconds: float
    share: float  # of all busy time


@dataclass(frozen=True, slots=True, kw_only=True)
class Knee:
    """The rate in a ramp from which on latency stayed high."""

    rate: float | None  # requests/s; None: not reached
    base: float  # s: median latency at the beginning
    limit: float  # s: what the median had to exceed to the end
    rule: str  # the rule in words


@dataclass(frozen=True, slots=True, kw_only=True)
class Throughput:
    """What one process served, and the most it could serve."""

    served: float  # requests/s finished
    loop_cost: float | None  # s of the loop a request, of this mix of routes; None: none served
    ceiling: float | None  # requests/s of this mix: 1 / loop_cost
    utilization: float | None  # of the loop; None if the loop does not report it
    busiest: tuple[BusyRoute, ...]  # most seconds first
    knee: Knee | None  # None if not ramped


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One interval between two readings."""

    at: float  # its end, s since the beginning
    seconds: float  # its length
    lag_p99: float | None  # s; None: no readings of lag in it
    utilization: float | None
    p50: float | None  # s: client's latency of requests answered in it; if attached, the server's
    p99: float | None
    finished: int  # requests
    errors: int | None
    rate: float | None  # requests/s due in it
    stalls: int  # that ended in it


@dataclass(frozen=True, slots=True, kw_only=True)
class StallMark:
    """One stall on the timeline."""

    at: float  # s since the beginning: its start
    duration: float
    site: str
    line: int
    route: str | None
    cause: str
    method: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """Latencies of a route by quantile, s: `now[i]` is the one at `at[i]`."""

    route: str
    method: str
    requests: int
    at: tuple[float, ...]  # 0 to 1, rising, closer together towards 1
    now: tuple[float, ...]  # the server's true latency
    without_top: tuple[float, ...]  # predicted without `top`; empty: no site made it wait
    without_all: tuple[float, ...]  # predicted without any stall; empty: no stall made it wait
    top: str | None  # the site that these requests waited for most
    client: tuple[float, ...]  # empty: no client of our own


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldedStack:
    """A stack and how long it held or occupied the loop: one bar of a flame graph."""

    frames: tuple[str, ...]  # `module.qualname:line`, outermost first
    seconds: float
    site: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Generator:
    """How well the load generator kept up with its plan."""

    late_p50: float  # s: requests sent after their due time
    late_p99: float
    late_most: float
    cpu: float  # share of one core that it used
    connections: int  # most that were open at once
    limit: int  # connections that it may open
    unsent: int  # requests that were due, and were given up
    complaints: tuple[str, ...]  # why it was the bottleneck; empty: it was not


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One diagnosis."""

    schema: int
    made_by: str  # version of loopwatch
    started_at: float  # Unix time, s
    duration: float  # s, from the first reading to the last
    verdict: Verdict
    target: Target
    load: Load | None  # None if attached
    command: Command | None
    generator: Generator | None  # None if attached
    throughput: Throughput
    routes: tuple[RouteReport, ...]  # most seconds lost first, then most requests
    culprits: tuple[Culprit, ...]  # most lost request-seconds first, then most seconds
    timeline: tuple[Moment, ...]
    stalls: tuple[StallMark, ...]  # the latest 256 of them, oldest first
    distributions: tuple[Distribution, ...]
    stacks: tuple[FoldedStack, ...]  # most seconds first
    stall_count: int
    dropped: Mapping[str, int]  # what loopwatch could not keep during it; no zeros
    notes: tuple[str, ...]  # what this report does not know, and why
    waits: tuple[WaitReport, ...] = ()  # where requests waited, most seconds first
    loop_lines: tuple[LoopLine, ...] = ()  # where the loop's busy time went, most seconds first
    loop_stacks: tuple[FoldedStack, ...] = ()  # the same by stack, most seconds first
