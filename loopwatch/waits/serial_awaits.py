"""How many awaits in a row one request makes of one place, such as a query in a loop.

A look sees only the await of the moment. If the next look at the same request sees another
awaitable at the same place, then at least two were made, and about as many as the request has taken
steps meanwhile: an await that suspends ends one step, and a timer's callback is one more. So the
number is an estimate; one await that suspends several times counts as several.
"""

from __future__ import annotations

from typing import Any, NamedTuple
from weakref import ref

from loopwatch.core.request import Request
from loopwatch.ledger.wait_table import WaitKey

STEPS_OF_TIMER = 2  # steps of a request for each sleep: its callback, and the task's own
REMEMBERED = 256  # requests
APART = 1.0  # s between two sights of a request, at most


class Sight(NamedTuple):
    """A request as it was seen last; times are clock, s."""

    started: float  # of the request, since an address is used again
    at: float
    key: WaitKey
    awaitable: Any  # a weak reference
    steps: int  # of the request, as it was first seen at this place
    others: int  # awaitables seen since then


class SerialAwaits:
    """What is remembered of the requests seen lately, by address."""

    def __init__(self) -> None:
        self._sights: dict[int, Sight] = {}

    def see(self, request: Request, key: WaitKey, awaitable: Any, now: float) -> int:
        """Note where a request waits now; return how many awaits it has made there in a row."""
        steps, last = request.steps + len(request.times), self._sights.pop(id(request), None)
        known = last is not None and last.started == request.started and last.key == key
        if last is None or not known or steps < last.steps or now - last.at > APART:
            last = Sight(request.started, now, key, reference(awaitable), steps, 0)
        elif last.awaitable() is not awaitable:
            last = last._replace(awaitable=reference(awaitable), others=last.others + 1)
        self._keep(id(request), last._replace(at=now))
        if not last.others:
            return 1
        each = STEPS_OF_TIMER if key.resource == "timer" else 1
        return (steps - last.steps) // each + 1

    def _keep(self, address: int, sight: Sight) -> None:
        if len(self._sights) >= REMEMBERED:
            self._sights.pop(next(iter(self._sights)))
        self._sights[address] = sight


def reference(thing: Any) -> Any:
    """Return a weak reference; one that leads nowhere to what knows none."""
    try:
        return ref(thing)
    except TypeError:
        return lambda: None
