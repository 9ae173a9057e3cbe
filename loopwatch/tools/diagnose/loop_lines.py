"""Which lines took the loop's busy time during the measurement."""

from __future__ import annotations

from collections.abc import Mapping

from loopwatch.core.histogram import Histogram
from loopwatch.core.record_types import LoopTimeReading
from loopwatch.tools.diagnose.estimate_records import LoopLine
from loopwatch.tools.diagnose.folded_stacks import folded_stacks
from loopwatch.tools.diagnose.measurement import Measurement
from loopwatch.tools.diagnose.report_records import FoldedStack
from loopwatch.tools.diagnose.source import source

MOST = 20  # lines in a report


def loop_lines(measured: Measurement) -> tuple[LoopLine, ...]:
    """Return the lines that took the loop's busy time: most seconds first."""
    change = measured.change
    whole = max(change.busy, sum(row.seconds for row in change.loop_time))
    steps = dict(change.steps)
    rows = sorted(change.loop_time, key=lambda row: -row.seconds)[:MOST]
    return tuple(loop_line(measured, row, whole, steps) for row in rows if whole > 0)


def loop_line(
    measured: Measurement, row: LoopTimeReading, whole: float, steps: Mapping[str, Histogram]
) -> LoopLine:
    methods = {one.method for one in measured.change.requests if one.route == row.route}
    return LoopLine(
        route=row.route,
        method=methods.pop() if len(methods) == 1 else None,
        site=row.site,
        call=row.call,
        seconds=row.seconds,
        share=row.seconds / whole,
        samples=row.samples,
        step=step(row, steps),
        source=source(row.site) if measured.source_readable else (),
    )


def step(row: LoopTimeReading, steps: Mapping[str, Histogram]) -> float | None:
    """Return how long the steps are in which the line runs, s: those of the coroutine on its stack.

    Half of the coroutine's seconds went into steps of this bucket or shorter ones; the mean of the
    bucket is returned, which many tiny steps beside the long ones do not change.
    """
    names = [row.site.function, *(frame.function for frame in reversed(row.stack))]
    found = next((steps[name] for name in names if name in steps), None)
    if found is None or found.sum <= 0:
        return None
    seen = 0.0
    for count, seconds in zip(found.counts, found.sums, strict=True):
        seen += seconds
        if count and 2 * seen >= found.sum:
            return seconds / count
    return None


def loop_stacks(measured: Measurement) -> tuple[FoldedStack, ...]:
    """Return the loop's busy time by stack, most seconds first."""
    rows = measured.change.loop_time
    return folded_stacks(((frames(row), row.site.function), row.seconds) for row in rows)


def frames(row: LoopTimeReading) -> tuple[str, ...]:
    """Return a sample's frames; the library's call is the innermost one where no frame is it."""
    names = tuple(f"{frame.function}:{frame.line}" for frame in row.stack)
    own = names or (f"{row.site.function}:{row.site.line}",)
    known = not row.call or any(frame.function == row.call for frame in row.stack)
    return own if known else (*own, row.call)
