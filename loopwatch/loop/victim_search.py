"""Which requests waited for a hold, and since when: found while the loop catches up afterwards.

Rule: while nothing is slow, this costs nothing. A hold sends every step the slow way (`limit` of
the loop state) until the loop has waited in its poll or has turned a few times. Each request's
first step in that time shows that the request was ready.

Theory: a request lost the time from the moment it was ready to the end of the hold.
- In line as the hold ended (it runs in the same tick, or its task's step was ready): it was ready
  before the hold began, and lost all of it. Where callbacks are timed as they are scheduled
  (`scheduling`), the moment is known exactly, also within the hold.
- Woken by a timer: it was ready when the timer was due.
- Woken by anything else (a socket, a thread, another task): it was ready at an unknown moment of
  the hold. It had waited `w` before a hold of `d`, so its whole wait was between `w` and `w + d`.
  With no scale preferred (density 1/t), the mean of that is d / ln(1 + d/w). The rest of `w + d` is
  its loss: short waits lose most of a long hold, long ones half. The bounds are none and all of it.
- In its socket: from the arrival of its bytes, which the kernel reports, to the end of the hold.
A request that takes no step within the first ticks was not ready, and lost nothing. The time in
which a victim waits behind other victims is not the hold's, and is kept separately (`after`).

A hold may go unseen on the loop's thread (if the process was stopped, for example). It is matched
with requests that waited in their sockets.

Noting a request costs the loop 10 to 20 microseconds, most of it for the slow way of its step. So
the search for a hold's victims in flight ends after `NOTED` of them, and `cut` counts that.

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
from loopwatch.core.recording import RecordedWait
from loopwatch.core.request import Request, clock

KEPT = 64  # holds remembered, on which a request in its socket can be blamed
NOTED = 500  # requests looked at after one hold, which costs the loop 5 to 10 ms in all
ACTIVE = 16  # holds whose victims are looked for at a time
WAITS = 64  # waits remembered with one request: the latest
ARRIVALS = 1024  # requests remembered that waited in their sockets
WAITED = 0.002  # s in the poll after which everything that was ready has run
SLACK = 0.01  # s by which the kernel's clock may be off
SHORTEST = 0.001  # s that a request is assumed to have waited before a hold, at least
TICKS = 12  # counted from the hold's own: new connections take that many to reach the app
FIRST = 4  # of these, ticks in which a request that was ready takes its step


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
    line: frozenset[Request]  # requests ready before it began, as far as known


class Arrival(NamedTuple):
    """A request that waited in its socket."""

    request: Request
    arrived: float  # clock, s
    began: float


class VictimSearch:
    """Belongs to one loop and its thread; `match` and what it reads may run on any thread."""

    def __init__(
        self,
        position: Callable[[], Position] | None = None,
        context: Callable[[float, float], Context | None] = lambda *_: None,
    ) -> None:
        self.position = position  # None: the loop does not report it, so there is no search
        self.context = context  # the context sampled between two moments
        self.line: Callable[[], frozenset[Request]] = frozenset  # the requests in line
        self._chases: list[Chase] = []
        self._holds: deque[Hold] = deque(maxlen=KEPT)
        self._arrivals: deque[Arrival] = deque(maxlen=ARRIVALS)
        self.noted: deque[RecordedWait] | None = None  # of the flight recorder
        self.cut = 0  # holds whose search ended before all victims were found
        self.offset: float | None = None  # of the loop's own clock, s

    @property
    def active(self) -> bool:
        return bool(self._chases)

    def begin(
        self, started: float, ended: float, owner: Request | None, busy_tick: bool = False
    ) -> Hold:
        """Look from now on for the victims of a hold that has just ended on this thread.

        After a `busy_tick`, the requests in line got there while it ran, so they are not used.
        """
        hold = self._hold(started, ended, owner)
        if self.position is not None:
            line: frozenset[Request] = frozenset() if busy_tick else self.line()
            chase = Chase(hold, self.position(), set(), line)
            self._chases = [*self._chases[-ACTIVE + 1 :], chase]
        return hold

    def _hold(self, started: float, ended: float, owner: Request | None) -> Hold:
        context = self.context(started, ended)
        hold = Hold(started, ended, owner, self.settled, context, self.noted)
        self._holds.append(hold)
        return hold

    def match(self, started: float, ended: float) -> Hold:
        """Return a hold that was not seen on the loop's thread, with waits in sockets added."""
        hold = self._hold(started, ended, None)
        for arrival in [*self._arrivals]:
            blame_queued(hold, arrival)
        return hold

    def note(self, request: Request, began: float, handle: Any = None) -> None:
        """Charge a request that takes a step, which `began` then (clock, s) and ran by `handle`."""
        if not self._chases or request.scope is None or self.position is None:
            return
        at = self.position()
        self._give_up(at)
        for chase in self._chases:
            if request not in chase.seen and at.turns - chase.at.turns <= FIRST:
                chase.seen.add(request)
                self._charge(chase, at, request, began, handle)

    def expected(self, request: Request, began: float, handle: Any = None) -> list[Wait]:
        """Return the waits that `note` will find for a step in progress."""
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
        """Return when (clock, s) a timer handle of asyncio was due; None for other handles."""
        when = getattr(handle, "_when", None)
        if not isinstance(when, float):
            return None
        if self.offset is None:
            self.offset = handle._loop.time() - clock()
        return when - self.offset

    def has_waited(self, request: Request) -> bool:
        """Return whether a request has waited for a hold whose victims are being looked for."""
        waits = request.waits or ()
        return any(wait.hold is chase.hold for wait in waits for chase in self._chases)

    def prolong(self, ended: float) -> bool:
        """Count a tick that ended then (clock, s) as the aftermath of the latest hold: who waits in
        its socket meanwhile waits for that hold. False if there is none."""
        if not self._chases:
            return False
        self._chases[-1].hold.cleared = ended
        return True

    def arrive(self, request: Request, queued: float) -> None:
        """Blame holds for a request that has begun after `queued` seconds in its socket."""
        if queued <= 0:
            return
        request.queued = queued
        arrival = Arrival(request, request.started - queued, request.started)
        self._arrivals.append(arrival)
        for hold in reversed([*self._holds]):
            if hold.cleared <= arrival.arrived:
                break
            blame_queued(hold, arrival)

    def tick(self) -> None:
        """End searches that are over; called at the end of a tick."""
        if self._chases and self.position is not None:
            self._give_up(self.position())

    def _give_up(self, at: Position) -> None:
        """End the search for victims of holds that are over by now."""
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
    """Return the expected seconds lost to a hold of `held` s by a request that had `waited` s as
    the hold began, and became ready at an unknown moment of it."""
    waited = max(waited, SHORTEST)
    return held + waited - held / math.log1p(held / waited)


def made_ready(handle: Any, ended: float) -> float | None:
    """Return when (clock, s) a timed callback became ready: when it was due, or when it was
    scheduled, if that was before a hold ended. If it was later, the code that scheduled it had
    waited itself for an unknown time: None."""
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
    """Blame a hold for the part of a request's time in the socket that falls into the hold."""
    request, arrived, began = arrival
    ended = min(hold.cleared, began)
    seconds = ended - max(hold.started, arrived)
    if seconds > 0 and request is not hold.owner:
        blame(Wait(hold, request, seconds, seconds, seconds, began - ended, queued=True))
