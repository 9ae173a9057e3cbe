"""One request: whose turn it is, for whoever asks from inside the request's own context.

The variable is never reset. A bad route often starts, blocks and returns within one step, and a
step is judged after it; a reset would have wiped the culprit's name. `ended` tells instead.
"""

from __future__ import annotations

import time
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Any

from loopwatch.speedups import speedups

SLOW = 0.1  # s of latency from which a request keeps its span, for an exemplar
AFTERLIFE = 5.0  # s for which a task left behind by an ended request still carries its route

clock = time.perf_counter


def unix_time(moment: float) -> float:
    """Return the Unix time, s, of a moment of `clock`."""
    return time.time() - (clock() - moment)


if TYPE_CHECKING or speedups is None:

    class Request:
        """What the loop thread knows of one request; plain numbers, no locks. Times are clock, s.

        There is no `__init__`, since the call costs more than all else about a request: `begin`
        sets what is marked (1), the ledger what is marked (2) as the request ends.
        """

        __slots__ = (
            *("_times", "door", "ended", "outer", "row", "scope", "seconds", "started", "stepped"),
            "steps",
            "__dict__",  # of what few requests have
        )

        scope: Any  # (1) the ASGI scope; (2) None: `row` names its route from then on
        door: Any  # (1) the middleware it came through: the tree of routes is behind it
        outer: Request | None  # (1) in whose step it began, if that one is still in flight
        started: float  # (1)
        steps: int  # (1) short ones, since the row last took them
        seconds: float  # (1) of those
        row: Any  # (2) of the ledger
        stepped: float  # (1) the end of its last step
        ended: float  # (2)
        queued: float = 0.0  # s in its socket before it began
        stalled: float = 0.0  # s ready to run, while others held the loop
        pooled: float = 0.0  # s waiting for a thread of a pool
        responded: float = 0.0  # when its response was complete, if it is
        settled: float = 0.0  # s in its own steps until then
        taken: float = 0.0  # s in its own steps that its row has
        charged: float = 0.0  # s of its latency that its row has
        charged_background: float = 0.0  # s, after `responded`, that its row has
        charged_stalled: float = 0.0  # s
        span: tuple[str, str] | None = None  # ids of its trace and span, if it was slow
        waits: list[Any] | None = None  # for others, see `holds`

        @property
        def times(self) -> tuple[float, ...]:
            """Seconds of each long step since its row last took them."""
            return tuple(self._times)

        def add_long_step(self, took: float) -> bool:
            """Keep one; return whether they are many, and its row should take them."""
            if not self._times:
                self._times: list[float] = []
            self._times.append(took)
            return len(self._times) >= MANY

        def forget_long_steps(self) -> None:
            self._times = NO_TIMES

        def take_steps(self, row: Any) -> float:
            """Move the steps so far to a row of steps; return their seconds."""
            took, row.steps, row.seconds = (
                self.seconds,
                row.steps + self.steps,
                row.seconds + self.seconds,
            )
            self.steps, self.seconds = 0, 0.0
            if self._times:
                took += sum(self._times)
                for each in self._times:
                    row.add(each)
                self._times = NO_TIMES
            return took

else:
    Request = speedups.Request

REQUEST: ContextVar[Request] = ContextVar("loopwatch_request")
MISSING: Any = Token.MISSING
NO_TIMES: Any = ()  # of a request without long steps, as most are
MANY = 256  # long steps kept in a request before its row takes them


def begin(door: Any, scope: Any) -> Request:
    """Return a new request, whose turn it is from now on in the caller's context."""
    request = Request()
    request.door = door
    request.scope = scope
    request.steps, request.seconds, request._times = 0, 0.0, NO_TIMES
    request.started = request.stepped = clock()  # before any thread can find it
    outer = REQUEST.set(request).old_value
    request.outer = None if outer is MISSING or outer.scope is None else outer
    return request


if speedups is not None:
    speedups.wire_request(REQUEST, SLOW)
    begin = speedups.begin
