"""Stalls that have not ended: what holds a loop right now.

A loop that never comes back ends no step, so its stall would never be recorded. From the threshold
on the watchdog's last look says who holds it, and any thread may ask. Instruments get it at
`FIRST`, or ten times the threshold if that is later, and then each time its age has doubled. So a
process that is killed has left the line in its log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from loopwatch.core.evidence import Slow
from loopwatch.core.record_types import Stall
from loopwatch.loop.loop_state import clock
from loopwatch.watch.in_flight import requests_in_flight
from loopwatch.watch.watched_loop import WatchedLoop

FIRST = 1.0  # s
TIMES = 10  # the threshold
GROWTH = 2.0


class InProgress:
    """The stalls in progress of all loops of a watch. `explain` makes a stall of a slow callback,
    or returns None where it is allowed."""

    def __init__(self, explain: Callable[[Slow], Stall | None]) -> None:
        self._explain = explain
        self._next: dict[int, tuple[float, float]] = {}  # loop's id -> when it began, age due next

    def stalls(self, loops: Iterable[WatchedLoop]) -> tuple[Stall, ...]:
        """Return what holds each loop now; on any thread."""
        now = clock()
        found = (self._stall(watched, now) for watched in loops)
        return tuple(stall for stall in found if stall is not None)

    def due_in(self, loops: Iterable[WatchedLoop], now: float) -> float | None:
        """Return s until a stall in progress is to be delivered; None if there is none."""
        return min((due_in for _, _, due_in in self._held(loops, now)), default=None)

    def take_due(self, loops: Iterable[WatchedLoop]) -> list[Stall]:
        """Return those that are to be delivered now; each is due again when it is twice as old."""
        now, taken = clock(), []
        for watched, since, due_in in self._held(loops, now):
            if due_in > 0.0:
                continue
            self._next[id(watched)] = since, (now - since) * GROWTH
            if (stall := self._stall(watched, now)) is not None:
                taken.append(stall)
        return taken

    def forget(self, watched: WatchedLoop) -> None:
        """The loop is watched no more."""
        self._next.pop(id(watched), None)

    def _held(
        self, loops: Iterable[WatchedLoop], now: float
    ) -> Iterator[tuple[WatchedLoop, float, float]]:
        """Return each loop that is held, since when (clock, s), and s until it is due."""
        for watched in loops:
            if (holding := watched.probe.holding) is not None:
                due = holding.since + self._due_age(watched, holding.since)
                yield watched, holding.since, due - now

    def _due_age(self, watched: WatchedLoop, since: float) -> float:
        began, age = self._next.get(id(watched), (0.0, 0.0))
        return age if began == since else max(FIRST, TIMES * watched.state.threshold)

    def _stall(self, watched: WatchedLoop, now: float) -> Stall | None:
        slow = watched.in_progress(now)
        stall = self._explain(slow) if slow is not None else None
        if stall is None:
            return None
        others = len(requests_in_flight(watched.loop)) - (stall.route is not None)
        return replace(stall, in_progress=True, victims=max(0, others))
