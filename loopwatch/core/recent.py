"""The latest requests of a route, packed, and what each would have waited less without a site.

Rule: if a request waited for the site, its latency becomes shorter by that wait, and by the time
that it then stood in line behind others that had waited too. Other requests keep their latency,
including the culprit's own: the site's work is still done, elsewhere. If the moment at which a
request was ready is not known, only bounds of its wait are.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from loopwatch.core.breath import breathe

RECENT = 1024  # requests of a route and method that are remembered
PARTS = 5  # doubles of each request: when it arrived; its latency, queued, running, stalled


@dataclass(frozen=True, slots=True, kw_only=True)
class Blame:
    """What one request waited for one stall."""

    site: str  # module.qualname
    route: str  # the culprit's
    seconds: float  # held; the expectation if it is not known exactly
    least: float  # s, the lower bound
    most: float  # s, the upper bound
    after: float  # s it then stood in line behind others, until its step or the next such stall


class Bounded(NamedTuple):
    """A latency, s, of which only the expectation and bounds are known."""

    least: float
    expected: float
    most: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RecentRequest:
    """One request. `queued + running + stalled + waiting` is its latency."""

    route: str
    method: str
    started_at: float  # Unix time, s: when it arrived in the socket, as far as that is known
    latency: float  # s
    queued: float  # s, in the socket before the app began
    running: float  # s, own steps on the loop
    stalled: float  # s, ready to run, while a stall of another request or task held the loop
    waiting: float  # s, everything else
    blames: tuple[Blame, ...] = ()

    @classmethod
    def of(
        cls,
        route: str,
        method: str,
        started_at: float,
        parts: Sequence[float],
        blames: tuple[Blame, ...],
    ) -> RecentRequest:
        """Return a request from its `parts` in seconds: latency, queued, running and stalled. The
        rest of the latency is waiting."""
        latency, queued, running, stalled = parts
        return cls(
            route=route,
            method=method,
            started_at=started_at,
            latency=latency,
            queued=queued,
            running=running,
            stalled=stalled,
            waiting=max(0.0, latency - queued - running - stalled),
            blames=blames,
        )

    def without(self, *sites: str) -> Bounded:
        """Return the latency that it would have had if these sites had not stalled."""
        most = seconds = least = 0.0  # a loop: this is done for thousands of requests at a time
        latency = self.latency
        for blame in self.blames:
            if blame.site in sites:
                latency -= blame.after
                most += blame.most
                seconds += blame.seconds
                least += blame.least
        breathe()
        shortest = self.running
        return Bounded(
            max(shortest, latency - most),
            max(shortest, latency - seconds),
            max(shortest, latency - least),
        )


@dataclass(frozen=True, slots=True)
class Recent:
    """The latest requests of one route and method, packed; `unpacked` gives them one by one."""

    numbers: bytes = b""  # `PARTS` doubles per request, oldest first
    to_unix: float = 0.0  # s to add to a request's first double for its Unix time
    blames: tuple[tuple[int, tuple[Blame, ...]], ...] = ()  # by the request's position

    def __len__(self) -> int:
        return len(self.numbers) // (8 * PARTS)

    def __add__(self, other: Recent) -> Recent:
        """Return the latest of both; `other` is the later one."""
        if not len(self) or len(other) >= RECENT:
            return other
        shift = other.to_unix - self.to_unix
        first = max(0, len(self) + len(other) - RECENT)
        kept = array("d", self.numbers[first * 8 * PARTS :])
        for at in range(0, len(kept), PARTS):
            kept[at] -= shift
        mine = ((place - first, b) for place, b in self.blames if place >= first)
        theirs = ((place + len(self) - first, b) for place, b in other.blames)
        return Recent(kept.tobytes() + other.numbers, other.to_unix, (*mine, *theirs))

    def unpacked(self, route: str, method: str) -> Iterator[RecentRequest]:
        blames = dict(self.blames)
        numbers = array("d", self.numbers)
        for place, at in enumerate(range(0, len(numbers), PARTS)):
            breathe()
            arrived, *parts = numbers[at : at + PARTS]
            started_at = arrived + self.to_unix
            yield RecentRequest.of(route, method, started_at, parts, blames.get(place, ()))
