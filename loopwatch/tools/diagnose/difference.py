"""The difference between two readings of one watch: the later one minus the earlier one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TypeVar

from loopwatch.core.histogram import Histogram
from loopwatch.core.record_types import (
    BlameReading,
    LoopTimeReading,
    RequestReading,
    SiteReading,
    Snapshot,
    WaitReading,
)

Steps = tuple[str, Histogram]

T = TypeVar("T")


def restarted(first: Snapshot, last: Snapshot) -> bool:
    """Return whether the two readings are from different watches."""
    return last.stall_count < first.stall_count or last.busy + last.idle < first.busy + first.idle


def difference(first: Snapshot, last: Snapshot) -> Snapshot:
    """Return a snapshot of what came after `first`; the gauges are from `last`.

    Its stalls are those of `last` that are not in `first`. After a restart it is all of `last`.
    """
    if restarted(first, last):
        return last
    known = {(stall.started_at, stall.duration) for stall in first.stalls}
    return replace(
        last,
        requests=tuple(less(requests_less, request_key, first.requests, last.requests)),
        sites=tuple(less(sites_less, site_key, first.sites, last.sites)),
        blames=tuple(less(blames_less, blame_key, first.blames, last.blames)),
        steps=tuple(less(steps_less, steps_key, first.steps, last.steps)),
        waits=tuple(less(waits_less, wait_key, first.waits, last.waits)),
        loop_time=tuple(less(loop_time_less, loop_time_key, first.loop_time, last.loop_time)),
        stalls=tuple(s for s in last.stalls if (s.started_at, s.duration) not in known),
        stall_count=last.stall_count - first.stall_count,
        busy=last.busy - first.busy,
        idle=last.idle - first.idle,
        lag=last.lag - first.lag,
        self_seconds=last.self_seconds - first.self_seconds,
        dropped={k: n - first.dropped.get(k, 0) for k, n in last.dropped.items()},
    )


def less(
    subtract: Callable[[T, T], T | None],
    key: Callable[[T], object],
    first: Iterable[T],
    last: Iterable[T],
) -> Iterator[T]:
    """Return each row of `last` minus the one of `first` with the same key, unless it is empty."""
    before = {key(row): row for row in first}
    for row in last:
        earlier = before.get(key(row))
        left = row if earlier is None else subtract(row, earlier)
        if left is not None:
            yield left


def request_key(row: RequestReading) -> tuple[str, str]:
    return row.route, row.method


def requests_less(row: RequestReading, earlier: RequestReading) -> RequestReading | None:
    left = replace(
        row,
        latency=row.latency - earlier.latency,
        queued=row.queued - earlier.queued,
        running=row.running - earlier.running,
        stalled=row.stalled - earlier.stalled,
        waiting=row.waiting - earlier.waiting,
        threadpool=row.threadpool - earlier.threadpool,
        background=row.background - earlier.background,
    )
    return left if left.latency.count > 0 else None


def site_key(row: SiteReading) -> tuple[str, str, str]:
    return row.site, row.route, row.cause


def sites_less(row: SiteReading, earlier: SiteReading) -> SiteReading | None:
    left = replace(
        row,
        stalls=row.stalls - earlier.stalls,
        victims=row.victims - earlier.victims,
        lost_request_seconds=row.lost_request_seconds - earlier.lost_request_seconds,
    )
    return left if left.stalls.count > 0 else None


def blame_key(row: BlameReading) -> tuple[str, str, str]:
    return row.site, row.culprit_route, row.victim_route


def blames_less(row: BlameReading, earlier: BlameReading) -> BlameReading | None:
    left = replace(row, count=row.count - earlier.count, seconds=row.seconds - earlier.seconds)
    return left if left.count > 0 else None


def steps_key(row: Steps) -> str:
    return row[0]


def steps_less(row: Steps, earlier: Steps) -> Steps | None:
    left = row[1] - earlier[1]
    return (row[0], left) if left.count > 0 else None


def wait_key(row: WaitReading) -> tuple[object, ...]:
    return row.route, row.place, row.call, row.resource, row.peer


def waits_less(row: WaitReading, earlier: WaitReading) -> WaitReading | None:
    """Return the difference; `most_waiting` stays if it was reached after `earlier`."""
    left = replace(
        row,
        seconds=max(0.0, row.seconds - earlier.seconds),
        unstarted=max(0.0, row.unstarted - earlier.unstarted),
        looks=row.looks - earlier.looks,
        most_waiting=row.most_waiting if row.most_waiting > earlier.most_waiting else row.waiting,
    )
    return left if left.looks > 0 else None


def loop_time_key(row: LoopTimeReading) -> tuple[object, ...]:
    return row.route, row.site, row.call


def loop_time_less(row: LoopTimeReading, earlier: LoopTimeReading) -> LoopTimeReading | None:
    left = replace(
        row,
        seconds=max(0.0, row.seconds - earlier.seconds),
        samples=row.samples - earlier.samples,
    )
    return left if left.samples > 0 else None
