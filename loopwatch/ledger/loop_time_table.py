"""The loop's busy time by route, line and call, and by stack. Written under the watch's lock."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from loopwatch.core.record_types import NONE, OTHER, Frame, LoopTimeReading, Site
from loopwatch.ledger.counts import Table
from loopwatch.ledger.profile import StackRow, folded, speedscope

LINES = 512  # of route x site's line x call
LINE_SITES = 64  # different functions, as in other metrics
TIME_STACKS = 1024  # of route x stack

REST = Frame(OTHER, "", 0)


class LoopTimeTable:
    """Seconds and samples by line, and the stacks that they were seen with."""

    def __init__(self) -> None:
        self._sites: Table[str, str] = Table(LINE_SITES, lambda: OTHER)
        self._lines: Table[tuple[str, str, str, int, str], LineRow] = Table(
            LINES, lambda: LineRow(OTHER, Site(OTHER, exact=False), "", ())
        )
        self._frames: dict[Frame, Frame] = {}  # equal frames are kept once
        self._same: dict[tuple[str, int], tuple[tuple[Frame, ...], TimeStack]] = {}  # by identity
        self._stacks: Table[tuple[str, tuple[Frame, ...]], TimeStack] = Table(
            TIME_STACKS, lambda: TimeStack(OTHER, (REST,))
        )

    @property
    def overflow(self) -> int:
        return self._sites.overflow + self._lines.overflow + self._stacks.overflow

    def add(
        self,
        route: str | None,
        site: Site,
        call: str,
        stack: tuple[Frame, ...],
        seconds: float,
        samples: int,
    ) -> None:
        """Add `samples` moments at one line, which stand for `seconds` of the loop."""
        known = route or NONE
        frames = stack or (Frame(site.function, site.file, site.line),)
        row = self._seen(known, frames) or self._stack(known, frames)
        row.seconds += seconds
        row.samples += samples
        line = self._line(known, site, call, row)
        line.seconds += seconds
        line.samples += samples

    def _seen(self, route: str, frames: tuple[Frame, ...]) -> TimeStack | None:
        """Return the row of a stack, by identity where it can be: its hash takes all frames'."""
        key = route, id(frames)
        if (kept := self._same.get(key)) is not None:
            return kept[1]
        row = self._stacks.find((route, frames))
        if row is not None and len(self._same) < TIME_STACKS:
            self._same[key] = frames, row
        return row

    def _stack(self, route: str, frames: tuple[Frame, ...]) -> TimeStack:
        if len(self._stacks) < TIME_STACKS:
            frames = tuple(self._frames.setdefault(frame, frame) for frame in frames)
        return self._stacks.get((route, frames), lambda: TimeStack(route, frames))

    def _line(self, route: str, site: Site, call: str, stack: TimeStack) -> LineRow:
        function = self._sites.get(site.function, lambda: site.function)
        if function != site.function:
            site, call = Site(function, exact=False), ""
        key = route, site.function, site.file, site.line, call
        return self._lines.get(key, lambda: LineRow(route, site, call, stack.frames))

    def readings(self) -> tuple[LoopTimeReading, ...]:
        """Return all lines, most seconds first."""
        rows = sorted(self._lines, key=lambda row: -row.seconds)
        return tuple(row.reading() for row in rows)

    def stacks(self) -> tuple[TimeStack, ...]:
        return tuple(self._stacks)

    def folded(self) -> str:
        """Return a line for each different stack below its route: whole ms of busy loop."""
        return folded(self._routed())

    def speedscope(self) -> dict[str, Any]:
        """Return a profile in speedscope's file format: s of busy loop, by route."""
        return speedscope(self._routed(), "event loop busy")

    def _routed(self) -> Iterator[StackRow]:
        for stack in self.stacks():
            row = StackRow((Frame(stack.route, "", 0), *stack.frames))
            row.seconds = stack.seconds
            yield row


class LineRow:
    """The loop's time in one line that made one call, for one route."""

    __slots__ = ("call", "route", "samples", "seconds", "site", "stack")

    def __init__(self, route: str, site: Site, call: str, stack: tuple[Frame, ...]) -> None:
        self.route, self.site, self.call, self.stack = route, site, call, stack
        self.seconds, self.samples = 0.0, 0

    def reading(self) -> LoopTimeReading:
        return LoopTimeReading(
            route=self.route,
            site=self.site,
            call=self.call,
            stack=self.stack,
            seconds=self.seconds,
            samples=self.samples,
        )


class TimeStack:
    """The loop's time in one stack, outermost frame first, for one route."""

    __slots__ = ("frames", "route", "samples", "seconds")

    def __init__(self, route: str, frames: tuple[Frame, ...]) -> None:
        self.route, self.frames = route, frames
        self.seconds, self.samples = 0.0, 0
