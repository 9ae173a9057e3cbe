"""A hold of the loop, and the requests that it made wait.

A hold is a stall as the loop's thread knows it, before it is explained. The loop's thread adds
waits to it while the loop catches up; the delivery thread counts them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextvars import Context
from itertools import zip_longest
from typing import Any, NamedTuple, Protocol, runtime_checkable

from loopwatch.core.breath import breathe
from loopwatch.core.recent import Blame
from loopwatch.core.record_types import NONE, Stall
from loopwatch.core.recording import RecordedWait
from loopwatch.core.request import Request

VICTIMS = 10_000  # of one hold that are counted by route; the rest is only counted


class Hold:
    """One time that the loop was held for the threshold or more. Times are clock, s."""

    __slots__ = (
        *("beyond", "beyond_lost", "cleared", "context", "ended", "link", "lost", "noted", "owner"),
        *("settled", "stall", "started", "victims", "waits"),
    )

    def __init__(
        self,
        started: float,
        ended: float,
        owner: Request | None,
        settled: Callable[[Hold], bool],
        context: Context | None = None,
        noted: deque[RecordedWait] | None = None,
    ) -> None:
        self.started, self.ended, self.owner = started, ended, owner
        self.cleared = ended  # when a slow tick after it had worked off who waited for it
        self.settled = settled  # returns whether all its victims should be known by now
        self.context = context  # a copy of the culprit's
        self.noted = noted  # of the flight recorder
        self.waits: deque[Wait] = deque()  # not counted by route yet
        self.victims, self.lost = 0, 0.0  # all victims, and the seconds that they lost
        self.beyond, self.beyond_lost = 0, 0.0  # of these, what was never in `waits`
        self.stall: Stall | None = None  # its explanation
        self.link: Any = None  # of an exporter: spans of requests that waited refer to it

    def add(self, wait: Wait) -> None:
        self.victims += 1
        self.lost += wait.seconds
        if self.noted is not None:
            self.noted.append(self._recorded(wait))
        if self.victims <= VICTIMS:
            self.waits.append(wait)
        else:
            self.beyond += 1
            self.beyond_lost += wait.seconds

    def _recorded(self, wait: Wait) -> RecordedWait:
        culprit = self.owner.serial if self.owner is not None else 0
        return RecordedWait(
            self.started, self.ended, culprit, wait.request.serial, wait.seconds, wait.queued
        )


@runtime_checkable
class Linking(Protocol):
    """An instrument that refers to holds, and so needs the hold of each stall."""

    def stalled_by(self, stall: Stall, hold: Hold | None) -> None:
        """Called once for each stall, in place of `stalled`."""


class Wait(NamedTuple):
    """A request that was ready to run, or in its socket, during a hold that was not its own."""

    hold: Hold
    request: Request
    seconds: float  # of the hold; the expectation if the moment it was ready is not known
    least: float  # s, the lower bound
    most: float  # s, the upper bound
    after: float  # s from the end of the hold to its step, behind others that had waited
    queued: bool  # in its socket


def blames(waits: Iterable[Wait]) -> Iterator[Blame]:
    """Return what a request waited for, in order of the holds, `_NONE` where not explained yet.

    Its time in line ends where the next hold begins that it waited for: no second counts twice.
    """
    breathe()
    ordered = sorted(waits, key=lambda wait: wait.hold.started)
    for wait, later in zip_longest(ordered, ordered[1:]):
        stall = wait.hold.stall
        site = stall.site.function if stall is not None else NONE
        route = stall.route if stall is not None else None
        yield Blame(
            site=site,
            route=route or NONE,
            seconds=wait.seconds,
            least=wait.least,
            most=wait.most,
            after=in_line(wait, later),
        )


def in_line(wait: Wait, later: Wait | None) -> float:
    if later is None:
        return wait.after
    return min(wait.after, max(0.0, later.hold.started - wait.hold.ended))
