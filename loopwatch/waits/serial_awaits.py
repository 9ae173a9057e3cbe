"""How many awaits in a row one request makes of one place, such as a query in a loop.

A look sees only the await of the moment. If the next look at the same request sees another
awaitable at the same place, at least two were made. How many fit between the two looks follows from
how long one takes: at a random moment it is half over, on average of many looks at that place. So
the number is an estimate, and never more than the steps that the request has taken meanwhile, since
an await that suspends ends one.
"""

from __future__ import annotations

from typing import Any, NamedTuple
from weakref import ref

from loopwatch.core.memo import Memo
from loopwatch.core.request import Request
from loopwatch.ledger.wait_table import WaitKey

REMEMBERED = 256  # requests; as many places
APART = 1.0  # s between two sights of a request, at most
ENOUGH = 3  # looks at a place from which the duration of an await there is told
SHORTEST = 0.0001  # s of one await


class Sight(NamedTuple):
    """A request as it was seen last; times are clock, s."""

    started: float  # of the request, since an address is used again
    since: float  # it was seen at this place first
    at: float
    key: WaitKey
    awaitable: Any  # a weak reference
    steps: int  # of the request, as it was seen first
    others: int  # awaitables seen since then


class Ages(NamedTuple):
    """How long awaits of one place had lasted as they were seen."""

    looks: int = 0
    seconds: float = 0.0

    def duration(self) -> float:
        """Return how long one of them takes, s."""
        return max(SHORTEST, 2 * self.seconds / self.looks)


class SerialAwaits:
    """What is remembered of the requests seen lately, by address, and of places."""

    def __init__(self) -> None:
        self._sights: dict[int, Sight] = {}
        self._ages: Memo[WaitKey, Ages] = Memo(REMEMBERED)

    def see(self, request: Request, key: WaitKey, awaitable: Any, now: float) -> int:
        """Note where a request waits now; return how many awaits it has made there in a row."""
        steps, last = request.steps + len(request.times), self._sights.pop(id(request), None)
        looks, seconds = self._ages.get(key) or Ages()
        ages = Ages(looks + 1, seconds + max(0.0, now - request.stepped))
        self._ages.put(key, ages)
        known = last is not None and last.started == request.started and last.key == key
        if last is None or not known or steps < last.steps or now - last.at > APART:
            last = Sight(request.started, now, now, key, reference(awaitable), steps, 0)
        elif last.awaitable() is not awaitable:
            last = last._replace(awaitable=reference(awaitable), others=last.others + 1)
        self._keep(id(request), last._replace(at=now))
        return in_a_row(last, ages, steps - last.steps, now)

    def _keep(self, address: int, sight: Sight) -> None:
        if len(self._sights) >= REMEMBERED:
            self._sights.pop(next(iter(self._sights)))
        self._sights[address] = sight


def in_a_row(sight: Sight, ages: Ages, steps: int, now: float) -> int:
    """Return how many awaits a request has made since it was seen first at its place."""
    if not sight.others or ages.looks < ENOUGH:
        return sight.others + 1
    fit = round((now - sight.since) / ages.duration())
    return max(sight.others, min(fit, steps)) + 1


def reference(thing: Any) -> Any:
    """Return a weak reference; one that leads nowhere to what knows none."""
    try:
        return ref(thing)
    except TypeError:
        return lambda: None
