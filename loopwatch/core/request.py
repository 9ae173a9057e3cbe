"""One request, and the context variable that has the current request.

The variable is never reset. A bad route often starts, blocks and returns within one step, and a
step is judged after it: a reset would lose the culprit's name. `ended` says that a request is over.
"""

from __future__ import annotations

import time
from contextvars import ContextVar
from itertools import count
from typing import TYPE_CHECKING, Any

from loopwatch.core.speedups import speedups

SLOW = 0.1  # s of latency from which a request keeps its span, for an exemplar
TASK = "loopwatch.task"  # in a scope: a reference to the task that serves it, where the middleware
# does not stand between the server and the app
OURS = "loopwatch.ours"  # in a scope: one of loopwatch's own apps answers it
AFTERLIFE = 5.0  # s for which a task that an ended request left behind keeps its route

clock = time.perf_counter


def unix_time(moment: float) -> float:
    """Return the Unix time, s, of a moment of `clock`."""
    return time.time() - (clock() - moment)


NO_TIMES: Any = ()  # of a request without long steps, as most have none
MANY = 256  # long steps kept in a request before its row takes them


if TYPE_CHECKING or speedups is None:

    def seldom(name: str, usual: Any) -> Any:
        """Return a property that few requests set; until then it costs nothing."""

        def get(self: Request) -> Any:
            return usual if self.rare is None else self.rare.get(name, usual)

        def put(self: Request, value: Any) -> None:
            if self.rare is None:
                self.rare = {}
            self.rare[name] = value

        return property(get, put)

    class Request:
        """What the loop thread knows of one request; plain numbers, no locks. Times are clock, s.

        There is no `__init__`: its call would cost more than everything else about a request.
        `begin` sets the fields marked (1); the ledger sets those marked (2).
        """

        __slots__ = (
            *("door", "ended", "outer", "queued", "rare", "responded", "row", "scope", "seconds"),
            *("serial", "settled", "started", "stepped", "steps", "taken", "times"),
        )

        scope: Any  # (1) the ASGI scope; (2) None: it has ended, and `row` names its route
        door: Any  # (1) the middleware that it came through, which leads to the tree of routes
        outer: Request | None  # (1) the request in whose context it began, if still in flight
        serial: int  # (1) its number in this process, from 1 on
        started: float  # (1)
        steps: int  # (1) short ones, since the row last took them
        seconds: float  # (1) of these
        row: Any  # (2) of the ledger; the last that took from it, if it has not ended
        stepped: float  # (1) the end of its last step
        ended: float  # (2)
        queued: float  # (1) s in its socket before it began
        responded: float  # (1) when its response was complete; 0.0 if it is not
        settled: float  # (1) s in its own steps until then
        times: tuple[float, ...]  # (1) s of each long step since its row last took them
        taken: float  # (1) s in its own steps that its row has taken
        rare: dict[str, Any] | None  # (1) the following attributes, if any was set
        stalled: float = seldom("stalled", 0.0)  # s ready to run, while others held the loop
        pooled: float = seldom("pooled", 0.0)  # s waiting for a thread of a pool
        charged: float = seldom("charged", 0.0)  # s of its latency that its row has
        charged_background: float = seldom("charged_background", 0.0)  # s of it after `responded`
        charged_stalled: float = seldom("charged_stalled", 0.0)  # s
        span: tuple[str, str] | None = seldom("span", None)  # ids of trace and span, if it was slow
        waits: list[Any] | None = seldom("waits", None)  # for holds, see `holds`
        routed: Any = seldom(
            "routed", None
        )  # what routers said, see `routing.hooks`; until it ends

        def add_long_step(self, took: float) -> bool:
            """Keep a long step (s); return whether its row should take them, being many."""
            self.times += (took,)
            return len(self.times) >= MANY

        def forget_long_steps(self) -> None:
            self.times = NO_TIMES

        def take_steps(self, row: Any) -> float:
            """Move the steps so far to a row of steps; return their seconds."""
            took, times = self.seconds + sum(self.times), self.times
            row.steps += self.steps
            row.seconds += self.seconds
            self.steps, self.seconds, self.times = 0, 0.0, NO_TIMES
            for each in times:
                row.add(each)
            return took

else:
    Request = speedups.Request

REQUEST: ContextVar[Request] = ContextVar("loopwatch_request")

find, make = REQUEST.get, REQUEST.set
serials = count(1)


def begin(door: Any, scope: Any) -> Request:
    """Return a new request, which is the current one in the caller's context from now on."""
    request = Request()
    request.door, request.serial = door, next(serials)
    request.scope = scope
    request.steps, request.times, request.rare = 0, NO_TIMES, None
    request.seconds = request.taken = request.responded = request.settled = request.queued = 0.0
    request.started = request.stepped = clock()  # before any thread can find it
    outer = find(None)
    request.outer = None if outer is None or outer.scope is None else outer
    make(request)
    return request


def requests_begun() -> int:
    """Return how many requests have begun in this process; any thread may ask."""
    return int(repr(serials)[len("count(") : -1]) - 1


if speedups is not None:
    speedups.wire_request(REQUEST, SLOW)
    begin, requests_begun = speedups.begin, speedups.requests_begun
