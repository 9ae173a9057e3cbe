"""The timeline: one moment for each interval between readings, and the stalls."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from functools import reduce
from itertools import pairwise
from operator import add

from loopwatch.core.histogram import Histogram
from loopwatch.core.quantiles import quantiles
from loopwatch.core.record_types import Snapshot, Stall
from loopwatch.tools.diagnose.difference import difference, restarted
from loopwatch.tools.diagnose.folded_stacks import folded_stacks
from loopwatch.tools.diagnose.measurement import Measurement, Sent
from loopwatch.tools.diagnose.report_records import FoldedStack, Moment, StallMark
from loopwatch.tools.diagnose.samples import Sample
from loopwatch.tools.diagnose.throughput import utilization
from loopwatch.tools.diagnose.watching import Reading

MARKS = 256


def timeline(measured: Measurement) -> tuple[Moment, ...]:
    """Return a moment for every interval between two readings."""
    samples = sorted(measured.sent.tally.samples, key=done) if measured.sent is not None else []
    return tuple(
        moment(measured, earlier, later, samples)
        for earlier, later in pairwise(measured.readings)
        if later.at > earlier.at and not restarted(earlier.snapshot, later.snapshot)
    )


def moment(
    measured: Measurement, earlier: Reading, later: Reading, samples: Sequence[Sample]
) -> Moment:
    change = difference(earlier.snapshot, later.snapshot)
    begin, end = earlier.at - measured.began, later.at - measured.began
    latency = latencies(change)
    p50, p99 = (latency.quantile(0.5), latency.quantile(0.99)) if latency else (None, None)
    finished, errors, rate = latency.count if latency else 0, None, None
    if measured.sent is not None:
        here = samples[bisect_left(samples, begin, key=done) : bisect_left(samples, end, key=done)]
        p50, p99 = quantiles((0.5, 0.99), [s.latency for s in here]) if here else (None, None)
        finished, errors = len(here), sum(sample.failed for sample in here)
        rate = due_rate(measured.sent, begin, end)
    return Moment(
        at=end,
        seconds=end - begin,
        lag_p99=change.lag.quantile(0.99) if change.lag.count else None,
        utilization=utilization(change),
        p50=p50,
        p99=p99,
        finished=finished,
        errors=errors,
        rate=rate,
        stalls=change.stall_count,
    )


def done(sample: Sample) -> float:
    return sample.done


def latencies(change: Snapshot) -> Histogram | None:
    return reduce(add, (row.latency for row in change.requests)) if change.requests else None


def due_rate(sent: Sent, begin: float, end: float) -> float:
    """Return the average rate of due requests; none are due after the last."""
    last = sent.tally.elapsed
    covered = max(0.0, min(end, last) - max(begin, 0.0))
    middle = (min(end, last) + max(begin, 0.0)) / 2
    return sent.plan.rate_at(middle) * covered / (end - begin)


def marks(measured: Measurement) -> tuple[StallMark, ...]:
    """Return the latest stalls with their places on the timeline."""
    shift = measured.to_unix + measured.began
    return tuple(
        StallMark(
            at=stall.started_at - shift,
            duration=stall.duration,
            site=stall.site.function,
            line=stall.site.line,
            route=stall.route,
            cause=stall.cause,
            method=stall.method,
        )
        for stall in measured.stalls[-MARKS:]
    )


def stacks(measured: Measurement) -> tuple[FoldedStack, ...]:
    """Return the stalls by stack, most seconds first."""
    return folded_stacks(
        ((frames(stall), stall.site.function), stall.duration) for stall in measured.stalls
    )


def frames(stall: Stall) -> tuple[str, ...]:
    if not stall.stack:
        return (stall.site.function,)
    return tuple(f"{frame.function}:{frame.line}" for frame in stall.stack)
