"""The line in front of a pool of threads: which calls wait, and how long each request has waited.

Rule: a request waits for a thread while it is in line and every thread of the pool is busy. Once a
thread has finished, but the loop has not handed it on yet, the line waits for the loop. The line's
clock stands still until the loop does so. So a stall never looks like a pool that is too small,
also not for the calls further back in line.

Everything happens on the loop's thread. If several calls of one request wait at once, that time
counts once, so a request never waits longer than it lasts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from loopwatch.core.guard import guarded
from loopwatch.core.request import Request

Waited = Callable[[Request, float], None]


class Wait:
    """One call in line."""

    __slots__ = ("began", "request")

    def __init__(self, request: Request, began: float) -> None:
        self.request = request
        self.began = began  # by the line's clock, s


class Waits:
    """The calls of one request in line."""

    __slots__ = ("charged", "count")

    def __init__(self) -> None:
        self.count = 0
        self.charged = 0.0  # until when, by the line's clock, s


class Line:
    """Calls `waited(request, seconds)` whenever a call got a thread or gave up.

    The request may have ended by then, if a task that it left behind was in line.
    """

    def __init__(self, waited: Waited) -> None:
        self._waited = waited
        self._waits: dict[Any, Wait] = {}  # by call, in order of the line
        self._requests: dict[Request, Waits] = {}  # those with calls in line
        self._stood = 0.0  # s for which the line's clock has stood still so far
        self._moved = 0.0  # when it last resumed; clock, s

    @guarded
    def join(self, who: Any, request: Request, now: float) -> None:
        self._waits[who] = Wait(request, now - self._stood)
        self._requests.setdefault(request, Waits()).count += 1

    @guarded
    def stood_still(self, since: float, now: float) -> None:
        """Stop the line's clock from `since` to `now` (clock, s): a thread was free since then, but
        the loop hands it on only now."""
        since = max(since, self._moved)
        began = since - self._stood
        for wait in reversed(self._waits.values()):
            if wait.began <= began:
                break
            wait.began = began  # this call joined meanwhile
        self._stood += max(0.0, now - since)
        self._moved = now

    @guarded
    def leave(self, who: Any, now: float) -> None:
        wait = self._waits.pop(who, None)
        if wait is None:
            return
        waits = self._requests[wait.request]
        waits.count -= 1
        if not waits.count:
            del self._requests[wait.request]
        now -= self._stood
        seconds = now - max(wait.began, waits.charged)
        if seconds > 0.0:
            waits.charged = now
            self._waited(wait.request, seconds)
