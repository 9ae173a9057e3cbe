"""From a stall to its victims: what the loop's thread has noted is counted here, off the loop.

A stall is delivered when all its victims should be known, at the latest `PATIENCE` after it ended.
A victim found later (in its socket, behind a long queue) is still counted, but not in the stall.
Until then a victim that has not come to its router yet is not counted either: its route will be.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from loopwatch.core.holds import Hold, Wait
from loopwatch.core.record_types import NONE, OTHER, Stall
from loopwatch.ledger.stall_table import StallTable, with_victims
from loopwatch.routing.route import place
from loopwatch.routing.starlette_routes import is_before_router

PATIENCE = 1.0  # s
AGAIN = 0.1  # s until a stall is looked at again that waits for its victims
SWEEP = 10.0  # s between two counts of victims that are found late
LATEST = 60.0  # s after a hold: then its victims are counted no more
KEPT = 1024  # stalls; of more than that the oldest are delivered at once


class VictimCount:
    """One stall, its hold, and what has been counted of it."""

    __slots__ = ("beyond", "beyond_lost", "delivered", "hold", "stall", "unrouted")

    def __init__(self, stall: Stall, hold: Hold) -> None:
        self.stall, self.hold = stall, hold
        self.beyond = 0
        self.beyond_lost = 0.0
        self.delivered = False
        self.unrouted: list[Wait] = []  # those before their router as last counted

    def has_more(self) -> bool:
        """Whether victims have been found that are not counted yet."""
        return bool(self.hold.waits or self.unrouted) or self.hold.beyond > self.beyond

    def settled(self, now: float) -> bool:
        return self.late(now) or (
            self.hold.settled(self.hold) and not any(map(before, self.unrouted))
        )

    def late(self, now: float) -> bool:
        return now - self.hold.ended > PATIENCE

    def take(self, all_of_them: bool) -> Iterator[Wait]:
        """Yield the victims that can be counted now."""
        found, self.unrouted = self.unrouted, []
        while self.hold.waits:
            found.append(self.hold.waits.popleft())
        for wait in found:
            if all_of_them or not before(wait):
                yield wait
            else:
                self.unrouted.append(wait)


def before(wait: Wait) -> bool:
    return is_before_router(wait.request.scope)


class VictimCounts:
    """The stalls whose victims are still being counted; used under the reporter's lock, but for
    `due_in`, which any thread may ask."""

    def __init__(self, table: StallTable) -> None:
        self.table = table
        self._open: deque[VictimCount] = deque()  # oldest first
        self._swept = 0.0  # when victims were last counted; clock, s

    def __bool__(self) -> bool:
        return bool(self._open)

    def add(self, count: VictimCount) -> None:
        self._open.append(count)

    def due_in(self, now: float) -> float | None:
        """Return s until `settle` is due, at once if a stall can be delivered; None for never."""
        waiting = False
        for count in reversed([*self._open]):
            if not count.delivered:
                if count.settled(now):
                    return 0.0
                waiting = True
            elif now - count.hold.ended > PATIENCE:
                break  # what is older has been delivered, too
        if waiting:
            return AGAIN
        return max(0.0, self._swept + SWEEP - now) if self._open else None

    def settle(self, now: float, all_of_them: bool = False) -> Iterator[tuple[Stall, Hold]]:
        """Count victims found since the last time; return stalls that can be delivered now."""
        self._swept = now
        surplus = len(self._open) - KEPT
        for number, count in enumerate([*self._open]):
            if count.has_more():
                self._count(count, all_of_them or number < surplus or count.late(now))
            if not count.delivered and (all_of_them or number < surplus or count.settled(now)):
                count.delivered = True
                yield with_victims(count.stall, count.hold), count.hold
        while self._open and (len(self._open) > KEPT or now - self._open[0].hold.ended > LATEST):
            self._open.popleft()

    def _count(self, count: VictimCount, all_of_them: bool) -> None:
        hold, stall = count.hold, count.stall
        for wait in count.take(all_of_them):
            self.table.blame(stall, place(wait.request).route or NONE, 1, wait.seconds)
        beyond, lost = hold.beyond, hold.beyond_lost
        if beyond > count.beyond:
            more, seconds = beyond - count.beyond, lost - count.beyond_lost
            self.table.blame(stall, OTHER, more, seconds)
            count.beyond, count.beyond_lost = beyond, lost
