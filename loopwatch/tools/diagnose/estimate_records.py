"""The parts of a report that are estimates: where requests waited, and which lines the loop ran.

They come from looks at suspended requests and from samples of the busy loop, not from a count; and
predictions, which come from replays.
"""

from __future__ import annotations

from dataclasses import dataclass

from loopwatch.core.quantiles import Quantiles
from loopwatch.core.record_types import Holder, Site
from loopwatch.tools.diagnose.source import SourceLine


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitReport:
    """What requests of one route waited for at one line, while nobody held the loop."""

    route: str
    method: str | None  # None: the route has several, or none that is known
    place: Site  # the innermost line of the user's own code that awaits
    call: str  # the library's call below it, such as `asyncio.locks.Semaphore.acquire`
    resource: str  # what it waits for: lock, semaphore, pool, socket, ...
    peer: str  # the host and port of a socket; empty: none, or not known
    seconds: float  # request-seconds
    of_waiting: float  # share of all that the route's requests waited
    of_p99: float | None  # share of the slowest requests' latency; None: these are not known
    at_once: float  # requests that waited there, on average over the load
    most: int  # at one look
    looks: int  # how often a request was seen there
    holders: tuple[Holder, ...]  # at the reading with most; of a lock, a semaphore or a pool
    advice: str
    source: tuple[SourceLine, ...]  # around the line; empty if the file must not be read
    what_if: str = ""  # a sentence on latency with more places; empty: not predicted


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopLine:
    """One line, and how much of the loop's busy time it took."""

    route: str
    method: str | None  # None: the route has several, or none that is known
    site: Site
    call: str  # the library's call that the line made, such as `json.loads`
    seconds: float  # of busy time
    share: float  # of all busy time
    samples: int
    step: float | None  # s of the steps that took most of its coroutine's time; None: not known
    source: tuple[SourceLine, ...]  # around the line; empty if the file must not be read


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """Latency of a route's latest requests, now and predicted without a site's stalls."""

    route: str
    method: str
    requests: int
    now: Quantiles
    then: Quantiles
    reason: str = ""  # why `then` is only an estimate, which is not to be relied on
