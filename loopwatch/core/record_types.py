"""The records that loopwatch returns, as frozen plain data. All durations are in seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from loopwatch.core.causes import Cause
from loopwatch.core.histogram import Histogram
from loopwatch.core.plain import BULKY, plain
from loopwatch.core.recent import Recent, RecentRequest

if TYPE_CHECKING:
    from loopwatch.core.foreseeing import WhatIf

NONE = "_NONE"  # the label of what has no name: a request without a route, a step without a request
OTHER = "_OTHER"  # the label of everything that came after a bound was reached


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
    exact: bool = True  # False: the line is not certain, only the best that is known


@dataclass(frozen=True, slots=True, kw_only=True)
class Contributor:
    """A coroutine or callback that took part in a tick of many small callbacks."""

    coroutine: str  # or the callback's name
    count: int | None  # of its steps; None where the loop cannot distinguish them
    seconds: float  # of its steps, an estimate where `count` is None


@dataclass(frozen=True, slots=True, kw_only=True)
class GilHolder:
    """A thread that had the GIL while the loop's thread waited for it."""

    thread: str
    site: Site
    cpu_seconds: float | None = None  # during the stall, or a little longer; None: not known
    function: str | None = None  # what the thread was given to run, as `module.qualname`


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocker:
    """What the loop's thread was waiting for in a blocking call, and who could have ended that."""

    kind: str  # lock, future, or thread (its end)
    text: str  # the whole of it, such as "waits for a lock held by thread 'worker' at app.py:7"
    thread: str | None = None  # the one that held the lock, or worked on the future; None: not one
    site: Site | None = None  # where that stood, or where a coroutine that holds it is suspended
    certain: bool = True  # False: it is likely, but not proved
    deadlock: bool = False  # it could not come while the loop waited for it


@dataclass(frozen=True, slots=True, kw_only=True)
class Stall:
    """The record of the loop being held for at least `slow_callback_duration`."""

    started_at: float  # Unix time, s
    duration: float  # s
    cause: Cause = "unknown"
    route: str | None = None  # the template; None: not known, or no request
    method: str | None = None  # of the request; WEBSOCKET; None outside any request
    coroutine: str | None = None  # the endpoint in a request, else the task's coroutine
    site: Site = field(default_factory=lambda: Site(NONE, exact=False))
    phase: str = ""  # what the framework did then, in words: validation, encoding; "": neither
    stack: tuple[Frame, ...] = ()  # outermost first; empty if no stack sample was taken in time
    thread: str = ""  # the loop's thread
    cpu_seconds: float | None = None  # of the loop's thread; None, here and below: not known
    gc_seconds: float = 0.0  # in garbage collections, on any thread
    run_queue_seconds: float | None = None  # ready to run, but no CPU was free
    throttled_seconds: float | None = None  # stopped by the cgroup's CPU quota
    contributors: tuple[Contributor, ...] = ()  # of `many_callbacks`: most seconds first
    gil_holders: tuple[GilHolder, ...] = ()  # of `gil_contention`, and of `gc` elsewhere
    victims: int = 0
    lost_request_seconds: float = 0.0
    advice: str = ""
    trace_id: str | None = None  # of the culprit's span, 32 hex digits
    span_id: str | None = None  # 16 hex digits
    trace_sampled: bool = False
    blocker: Blocker | None = None  # of `blocking_call`, where it is known
    in_progress: bool = False  # it has not ended: victims are the other requests in flight

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready data, one key per field."""
        data: dict[str, Any] = plain(self)
        return data


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopReading:
    """One watched loop. `busy` and `idle` are None where the loop does not report them."""

    loop: str  # asyncio, uvloop, or the class of a loop of another make
    thread: str
    layers: tuple[str, ...]  # what is seen on this loop
    blind: tuple[str, ...]  # what is not seen
    busy: float | None  # s since the watch began
    idle: float | None  # s
    lag: Histogram  # one observation for every 10 ms, at a random moment
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
    stalled: float = 0.0  # s, ready to run, while a stall of another request or task held the loop
    waiting: float  # s, everything else
    threadpool: float = 0.0  # s of `waiting` for a free thread of a pool
    background: float = 0.0  # s, own steps after the response, not part of the latency
    recent: Recent = field(default=Recent(), repr=False, metadata={BULKY: True})

    @property
    def loop_cost(self) -> float:
        """Seconds of the loop per finished request, background tasks included; 1 / loop cost is the
        most requests/s of a process."""
        count = self.latency.count
        return (self.running + self.background) / count if count else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BlameReading:
    """How long requests of one route have waited for the stalls of one site."""

    site: str
    culprit_route: str
    victim_route: str
    count: int  # waits: pairs of a request and a stall
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who has a lock or a place of a semaphore or pool that requests wait for."""

    task: str  # its coroutine, as `module.qualname`
    site: Site  # where it is suspended, or took it
    route: str | None = None  # None: no request, or not known
    seconds: float | None = None  # since when it is known to hold it; None: not known
    call: str = ""  # the library's call that it awaits itself
    resource: str = ""  # what it waits for; empty: not known


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitReading:
    """What requests of one route waited for at one line: an estimate, from 10 looks a second."""

    route: str
    place: Site  # the innermost line of the user's own code in the await chain
    call: str = ""  # the library's call below it, such as `asyncio.locks.Semaphore.acquire`
    resource: str  # what it waits for; `core.resources` has the list
    peer: str = ""  # the host and port of a socket, where known
    seconds: float  # request-seconds
    looks: int  # how often a request was seen there
    waiting: int = 0  # requests at the latest look
    most_waiting: int = 0  # at any look
    holders: tuple[Holder, ...] = ()  # at the latest look that saw one, at most 8
    unstarted: float = 0.0  # s of `seconds` in which no worker thread had begun the work
    serial: int = 0  # most awaits of this place in a row in one request, as far as seen
    advice: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopTimeReading:
    """How much of the loop's busy time went into one line, an estimate from random samples."""

    route: str
    site: Site
    call: str = ""  # the library's call that the line made, such as `json.loads`
    stack: tuple[Frame, ...] = ()  # of one sample, outermost first
    seconds: float
    samples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestInFlight:
    """A request that has not ended: how old it is, its parts so far, and where it waits."""

    route: str
    method: str
    age: float  # s, since its bytes arrived, as far as known
    queued: float
    running: float
    stalled: float
    waiting: float
    place: Site | None = None  # where it is suspended; None: it runs, or it is not known
    call: str = ""
    resource: str = ""
    peer: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteReading:
    """The stalls of one site."""

    route: str
    site: str
    cause: str
    stalls: Histogram
    victims: int = 0  # requests that waited for them
    lost_request_seconds: float = 0.0  # how long these waited in all


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadPoolReading:
    """Threads of anyio's limiter and of the loop's default executor, added up."""

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
    allowed: tuple[SiteReading, ...] = ()  # stalls that the option `allow` names, kept separate
    blames: tuple[BlameReading, ...] = ()  # most seconds first
    waits: tuple[WaitReading, ...] = ()  # most seconds first
    loop_time: tuple[LoopTimeReading, ...] = ()  # most seconds first
    gc_pauses: tuple[tuple[str, Histogram], ...]  # by generation
    threadpool: ThreadPoolReading
    stalls: tuple[Stall, ...]  # the latest 256, oldest first
    in_progress: tuple[Stall, ...] = ()  # what holds a loop right now
    stall_count: int
    busy: float  # s, of all loops, closed ones included
    idle: float  # s
    lag: Histogram  # of all loops, closed ones included
    self_seconds: float  # CPU time of loopwatch's own thread, and of making snapshots
    dropped: Mapping[str, int]  # what was left out, by reason
    predicting: Any = field(default=None, repr=False, compare=False, metadata={BULKY: True})

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready data, one key per field; single requests are left out."""
        data: dict[str, Any] = plain(self)
        return data

    def recent_requests(self) -> tuple[RecentRequest, ...]:
        """Return the latest 1024 requests of each route and method, each group oldest first."""
        return tuple(r for row in self.requests for r in row.recent.unpacked(row.route, row.method))

    def without(self, site: str) -> tuple[WhatIf, ...]:
        """Return each route's recent latency, as it was and as it would be if `site` (as in
        `Site.function`) did its work in a thread: a replay, else an estimate."""
        from loopwatch.core.foreseeing import estimate, foreseen  # few ask

        found = (estimate(row.recent, row.route, row.method, site) for row in self.requests)
        return foreseen(found, self.predicting, site)


class Instrument(Protocol):
    """What `Watch.add_instrument` takes."""

    def stalled(self, stall: Stall) -> None:
        """Called once for each stall, on a thread of loopwatch; removed if it raises."""


class Source(Protocol):
    """What exporters read; they do not know the watch itself."""

    def snapshot(self, *, recent: bool = True) -> Snapshot:
        """Return a snapshot as of now; without `recent`, it has no single requests."""
