"""The report of a diagnosis, as frozen plain data. `docs/diagnose-report.md` tells it by field.

Durations are seconds, shares are 0 to 1. None means: not known here, such as what clients saw of an
app that was only attached to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from loopwatch.core.recent import Quantiles
from loopwatch.core.record_types import Contributor, Frame, Site
from loopwatch.core.tails import Parts, Tail

SCHEMA = 1  # goes up when a field changes its meaning or goes; a new field does not count

Kind = Literal[
    "not_enough_data",  # too few requests, or too short
    "errors",  # most requests failed: latency says little
    "generator",  # the load generator was the bottleneck: latency is its own
    "blocked",  # requests wait for stalls of the loop
    "starved",  # the process had no CPU
    "loop_cost",  # the loop is busy with many short steps, each of which costs
    "thread_pool",  # requests wait for a free worker thread
    "waiting",  # requests wait for real I/O
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What limits the app, and on what this rests."""

    kind: Kind
    text: str  # one to three sentences; names and paths stand between backticks
    route: str | None = None  # whose latency the text speaks of
    method: str | None = None
    site: str | None = None  # of `blocked`: the culprit that the text names
    share: float | None = None  # of the latency the text speaks of, that this kind takes
    p99_now: float | None = None  # s, the server's
    p99_then: float | None = None  # s, predicted without `site`


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What was diagnosed."""

    app: str | None  # the import string; None if attached
    url: str  # the app's address; the live page's if attached
    attached: bool
    loop: str  # asyncio, uvloop, ...
    layers: tuple[str, ...]  # what loopwatch sees on this loop
    blind: tuple[str, ...]  # what it does not
    python: str | None  # of the app: its version; None if not known
    loopwatch: str  # the app's version of loopwatch


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRequest:
    """One kind of request of the load. Query, headers and body are not kept."""

    method: str
    path: str
    weight: float
    route: str | None  # the server's template that it was matched to; None: no such route


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """The load that was sent: each request at its due time, whatever has come back."""

    requests: tuple[PlannedRequest, ...]
    rate: float  # requests/s asked for, at the beginning
    rate_end: float  # and at the end: another one if ramped
    duration: float  # s asked for
    elapsed: float  # s from the first due time to the last
    interrupted: bool  # Ctrl-C ended it early
    sent: int
    answered: int  # with any status
    errors: int  # of the sent: no answer, or status 500 to 599
    reached: float  # requests/s sent
    by_status: Mapping[str, int]  # "200", and "timeout", "connection" for no answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """The load tool that ran meanwhile, if one was given. Its arguments are not kept: among them
    may be headers, bodies and queries."""

    program: str
    exit_code: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteReport:
    """The requests of one route and method during the diagnosis."""

    route: str
    method: str
    requests: int  # finished, as the server counts them
    errors: int | None  # as the client counts them
    sent: int | None = None  # by the client; None: no client of ours
    client: Quantiles | None  # latency from the due time
    server: Quantiles | None  # true latency, queued included
    sampled: int  # latest requests that tails, predictions and distributions rest on
    parts: Parts  # means over all requests
    unexplained: float | None  # s, mean: client's latency beyond the server's: network, client
    slowest: Tail | None  # the slowest 1 % of the sampled, 1 at least
    typical: Tail | None  # those from the 25th to the 75th percentile
    threadpool: float  # s a request, of `parts.waiting`, for a free worker thread
    loop_cost: float  # s of the loop a request, background tasks included
    ceiling: float | None  # requests/s a process can serve of it at most: 1 / loop_cost
    lost: float  # s that requests of it waited for stalls, together


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceLine:
    number: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CulpritLine:
    """One line of a culprit, out of the stalls that were remembered."""

    file: str
    line: int
    code: str
    exact: bool
    count: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class VictimRoute:
    """What requests of one route waited for a culprit."""

    route: str
    count: int  # of requests and stalls
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """Latency of a route's latest requests, and what it would be without a site's stalls."""

    route: str
    method: str
    requests: int
    now: Quantiles
    then: Quantiles


@dataclass(frozen=True, slots=True, kw_only=True)
class Culprit:
    """The stalls of one site and route."""

    site: Site  # of the line that held the loop longest
    lines: tuple[CulpritLine, ...]  # most seconds first
    cause: str  # of most seconds
    route: str | None  # None: outside any request
    method: str | None
    coroutine: str | None
    advice: str
    source: tuple[SourceLine, ...]  # around the line; empty where the file must not be read
    stack: tuple[Frame, ...]  # of the longest stall, outermost first
    contributors: tuple[Contributor, ...]  # of `many_callbacks`
    count: int  # of stalls
    seconds: float  # of held loop
    longest: float  # s
    lost: float  # request-seconds
    victims: int  # requests that waited
    victim_routes: tuple[VictimRoute, ...]  # most seconds first; of the site, whatever its route
    predictions: tuple[Prediction, ...]  # of victim routes


@dataclass(frozen=True, slots=True, kw_only=True)
class BusyRoute:
    """How much of the loop's time one route took."""

    route: str
    method: str
    seconds: float
    share: float  # of all busy time


@dataclass(frozen=True, slots=True, kw_only=True)
class Knee:
    """The rate from which on latency left the ground for good, of a ramp."""

    rate: float | None  # requests/s; None: not reached
    base: float  # s: median latency at the beginning
    limit: float  # s: what the median had to exceed to the end
    rule: str  # the same in words


@dataclass(frozen=True, slots=True, kw_only=True)
class Throughput:
    """What one process served, and what it could at most."""

    served: float  # requests/s finished
    loop_cost: float | None  # s of the loop a request, of this mix of routes; None: none served
    ceiling: float | None  # requests/s of this mix: 1 / loop_cost
    utilization: float | None  # of the loop; None where the loop does not tell
    busiest: tuple[BusyRoute, ...]  # most seconds first
    knee: Knee | None  # None if not ramped


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What one interval between two readings was like."""

    at: float  # s since the beginning: its end
    seconds: float  # its length
    lag_p99: float | None  # s; None: no readings of lag in it
    utilization: float | None
    p50: float | None  # s: client's latency of what was answered in it, the server's if attached
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """Latencies of a route by quantile, s: `now[i]` is the one at `at[i]`."""

    route: str
    method: str
    requests: int
    at: tuple[float, ...]  # 0 to 1, rising, closer together towards 1
    now: tuple[float, ...]  # the server's true latency
    without_top: tuple[float, ...]  # predicted without `top`; empty: nobody to blame
    without_all: tuple[float, ...]  # predicted without any stall; empty: nobody to blame
    top: str | None  # the site that these requests waited for most
    client: tuple[float, ...]  # empty: no client of ours


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldedStack:
    """A stack and how long it held the loop: one bar of a flame graph."""

    frames: tuple[str, ...]  # `module.qualname:line`, outermost first
    seconds: float
    site: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Generator:
    """How well the load generator did its own work."""

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
    dropped: Mapping[str, int]  # what loopwatch could not keep meanwhile; no zeros
    notes: tuple[str, ...]  # what this report cannot say, and why
