"""The loop catches up after it was held: which requests had been waiting, since when?

Rule: while nothing is slow this costs nothing. A hold sends every step the slow way (`limit` of the
loop state), until the loop has waited in its poll or has turned a few times; each request's first
step in that time shows that it was ready.

Theory: a request's loss is the time from the moment it was ready to the end of the hold.
- In line as the hold ended, within the same tick or with a task's step: ready before the hold
  began, so it lost all of it. Where callbacks are timed as they are scheduled (`scheduling`), the
  moment is known exactly, also within the hold.
- Woken by a timer: ready at the timer's own moment.
- Woken by anything else (a socket, a thread, another task): ready at some moment of the hold that
  nobody knows. It had waited `w` before a hold of `d`, and it waited until some moment of the hold,
  so for between `w` and `w + d`. With no scale preferred (density 1/t) the mean of that is
  d / ln(1 + d/w), and its loss is what remains: short waits lose most of a long hold, long ones
  half. None and all are the bounds.
- In its socket: from the moment its bytes came, which the kernel tells, to the end of the hold.
A request that takes no step within the first ticks was not ready, and lost nothing. What a victim
waits in line behind other victims is not the hold's time, and is kept apart (`after`).

A hold that nobody on the loop's thread has seen (the process was stopped, say) is matched with
requests that were found to have waited in their sockets.

Noting a request takes 10 to 20 microseconds of the loop, most of it the slow way of its step. So
after `NOTED` of them a hold's victims in flight are looked for no more, and `cut` counts that.

Tried and dropped: reading all timers and ready handles as a hold ends (10 ms at 10,000 requests in
flight; now each request pays a few microseconds in its own step).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from contextvars import Context
from typing import Any, NamedTuple

from loopwatch.core.holds import Hold, Wait
from loopwatch.core.request import Request, clock

KEPT = 64  # holds remembered: as far back as a request in its socket can be explained
NOTED = 500  # requests looked at after one hold: that takes the loop 5 to 10 ms in all
ACTIVE = 16  # of them, whose victims are still looked for
WAITS = 64  # of one request that are remembered with it: the latest
ARRIVALS = 1024  # requests that have waited in their sockets, remembered
WAITED = 0.002  # s in the poll: whatever was ready has had its turn
SLACK = 0.01  # s by which the kernel's clock may be off
SHORTEST = 0.001  # s that a request is taken to have waited before a hold, at least
TICKS = 12  # from the hold's own on: new connections take that many to reach the app
FIRST = 4  # of them, in which a request that was ready takes its step


class Position(NamedTuple):
    """How far a loop has come."""

    turns: int  # ticks so far
    idle: float  # s in the poll
    since: float  # clock, s: when the tick in progress began


class Chase(NamedTuple):
    """A hold whose victims are being looked for."""

    hold: Hold
    at: Position  # as it ended
    seen: set[Request]
    line: frozenset[Request]  # ready before it began, as far as that is known


class Arrival(NamedTuple):
    """A request that waited in its socket."""

    request: Request
    arrived: float  # clock, s
    began: float


class VictimSearch:
    """Belongs to one loop and its thread; `match` and what it reads may be called on any."""

    def __init__(
        self,
        position: Callable[[], Position] | None = None,
        context: Callable[[float, float], Context | None] = lambda *_: None,
    ) -> None:
        self.position = position  # None: of loops that do not tell, nobody is looked for
        self.context = context  # as sampled
        self.line: Callable[[], frozenset[Request]] = frozenset  # who is in line
        self._chases: list[Chase] = []
        self._holds: deque[Hold] = deque(maxlen=KEPT)
        self._arrivals: deque[Arrival] = deque(maxlen=ARRIVALS)
        self.cut = 0  # holds of which not all victims were looked for
        self.offset: float | None = None  # of the loop's own clock, s

    @property
    def active(self) -> bool:
        return bool(self._chases)

    def begin(
        self, started: float, ended: float, owner: Request | None, busy_tick: bool = False
    ) -> Hold:
        """A hold has just ended, on this thread: look for its victims from now on.

        Who is in line after a `busy_tick` of callbacks came there while it ran.
        """
        hold = self._hold(started, ended, owner)
        if self.position is not None:
            line: frozenset[Request] = frozenset() if busy_tick else self.line()
            chase = Chase(hold, self.position(), set(), line)
            self._chases = [*self._chases[-ACTIVE + 1 :], chase]
        return hold

    def _hold(self, started: float, ended: float, owner: Request | None) -> Hold:
        hold = Hold(started, ended, owner, self.settled, self.context(started, ended))
        self._holds.append(hold)
        return hold

    def match(self, started: float, ended: float) -> Hold:
        """Return a hold that none on the loop's thread saw."""
        hold = self._hold(started, ended, None)
        for arrival in [*self._arrivals]:
            blame_queued(hold, arrival)
        return hold

    def note(self, request: Request, began: float, handle: Any = None) -> None:
        """A request takes, or took, a step that began then; `handle` is what it ran by."""
        if not self._chases or request.scope is None or self.position is None:
            return
        at = self.position()
        self._give_up(at)
        for chase in self._chases:
            if request not in chase.seen and at.turns - chase.at.turns <= FIRST:
                chase.seen.add(request)
                self._charge(chase, at, request, began, handle)

    def expected(self, request: Request, began: float, handle: Any = None) -> list[Wait]:
        """Return what `note` is going to find of a step under way."""
        if not self._chases or self.position is None:
            return []
        at = self.position()
        found = (
            self._wait(chase, at, request, began, handle)
            for chase in self._chases
            if request not in chase.seen and at.turns - chase.at.turns <= FIRST
        )
        return [wait for wait in found if wait is not None]

    def _charge(
        self, chase: Chase, at: Position, request: Request, began: float, handle: Any
    ) -> None:
        wait = self._wait(chase, at, request, began, handle)
        if wait is not None:
            request.stalled += wait.seconds
            blame(wait)

    def _wait(
        self, chase: Chase, at: Position, request: Request, began: float, handle: Any
    ) -> Wait | None:
        hold = chase.hold
        if request is hold.owner or request.started >= hold.ended:
            return None
        most = hold.ended - max(hold.started, request.started)
        ready = made_ready(handle, hold.ended)
        if ready is not None:
            least = seconds = most = min(most, hold.ended - ready)
        elif not hasattr(handle, "_made") and (at.turns == chase.at.turns or request in chase.line):
            least = seconds = most
        elif (when := self._due(handle)) is not None:
            least = seconds = most = min(most, hold.ended - when)
        else:
            least, seconds = 0.0, expectation(most, hold.started - request.stepped)
        if seconds <= 0:
            return None
        after = max(0.0, began - hold.ended)
        return Wait(hold, request, seconds, least, most, after, queued=False)

    def _due(self, handle: Any) -> float | None:
        """Return the moment (clock, s) a timer's handle of asyncio's was due; None if it is
        none."""
        when = getattr(handle, "_when", None)
        if not isinstance(when, float):
            return None
        if self.offset is None:
            self.offset = handle._loop.time() - clock()
        return when - self.offset

    def arrive(self, request: Request, queued: float) -> None:
        """A request has begun; it was in its socket for `queued` seconds."""
        if queued <= 0:
            return
        request.queued = queued
        arrival = Arrival(request, request.started - queued, request.started)
        self._arrivals.append(arrival)
        for hold in reversed([*self._holds]):
            if hold.ended <= arrival.arrived:
                break
            blame_queued(hold, arrival)

    def tick(self) -> None:
        """A tick has ended."""
        if self._chases and self.position is not None:
            self._give_up(self.position())

    def _give_up(self, at: Position) -> None:
        """Look no longer for victims of what is over by now."""
        if any(is_over(chase, at) for chase in self._chases):
            self.cut += sum(len(chase.seen) >= NOTED for chase in self._chases)
            self._chases = [chase for chase in self._chases if not is_over(chase, at)]

    def settled(self, hold: Hold) -> bool:
        """Return whether all victims of a hold should be known by now."""
        if self.position is None:
            return True
        at = self.position()
        return all(c.hold is not hold or is_over(c, at) for c in self._chases)


def expectation(held: float, waited: float) -> float:
    """Return the seconds lost to a hold by a request that became ready in it, nobody knows when,
    after it had waited for so long as the hold began."""
    waited = max(waited, SHORTEST)
    return held + waited - held / math.log1p(held / waited)


def made_ready(handle: Any, ended: float) -> float | None:
    """Return the moment (clock, s) a timed callback became ready: when it was due, or was scheduled
    if that was before a hold ended. Later, whatever scheduled it had waited itself, since when
    nobody knows."""
    due: float = getattr(handle, "_due", 0.0)
    if due:
        return due
    made: float | None = getattr(handle, "_made", None)
    return made if made is not None and made < ended else None


def is_over(chase: Chase, at: Position) -> bool:
    late = at.idle - chase.at.idle > WAITED or at.turns - chase.at.turns > TICKS
    return late or len(chase.seen) >= NOTED


def blame(wait: Wait) -> None:
    wait.hold.add(wait)
    request = wait.request
    if request.waits is None:
        request.waits = []
    elif len(request.waits) >= WAITS:
        del request.waits[0]
    request.waits.append(wait)


def blame_queued(hold: Hold, arrival: Arrival) -> None:
    """Blame a hold for what of its time in the socket a request waited for it."""
    request, arrived, began = arrival
    ended = min(hold.ended, began)
    seconds = ended - max(hold.started, arrived)
    if seconds > 0 and request is not hold.owner:
        blame(Wait(hold, request, seconds, seconds, seconds, began - ended, queued=True))
