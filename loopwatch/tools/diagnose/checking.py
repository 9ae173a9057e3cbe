"""Numbers that a live page tells, which must agree before anything is worked out from them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

from loopwatch.core.histogram import PAUSE_EDGES, SECONDS_EDGES, Histogram
from loopwatch.core.record_types import Snapshot, Stall
from loopwatch.tools.diagnose.diagnosis_error import DiagnosisError

T = TypeVar("T")

LARGEST = 1e15  # of a number: more than any count, duration or moment


def checked(snapshot: Snapshot) -> Snapshot:
    """Return a snapshot; raises DiagnosisError if its numbers cannot be a watch's."""
    pauses = [histogram for _, histogram in snapshot.gc_pauses]
    if not (
        all(fits(h, SECONDS_EDGES) for h in histograms(snapshot))
        and all(fits(h, PAUSE_EDGES) for h in pauses)
        and plausible(amounts(snapshot))
    ):
        raise DiagnosisError(
            "snapshot.json must be loopwatch's, and its numbers cannot be: each must be 0 or more, "
            "and a histogram must have a count and a sum for each bucket"
        )
    return snapshot


def finite(record: T, what: str) -> T:
    """Return a record; raises DiagnosisError if a number in it is none, or too large.

    Text such as `nan` is a number to whoever reads JSON leniently.
    """
    if not all(abs(number) < LARGEST for number in floats(record)):  # False for NaN
        raise DiagnosisError(f"{what}: each number must be finite, and below {LARGEST:g}")
    return record


def floats(value: Any) -> Iterator[float]:
    """Return every number in a record, however deep."""
    if isinstance(value, float | int):
        yield value
    elif isinstance(value, tuple | list):
        for item in value:
            yield from floats(item)
    elif isinstance(value, Mapping):
        yield from floats([*value.values()])
    elif is_dataclass(value):
        yield from floats([getattr(value, field.name) for field in fields(value)])


def fits(histogram: Histogram, edges: tuple[float, ...]) -> bool:
    size = len(edges) + 1
    return (
        histogram.edges == edges
        and len(histogram.counts) == len(histogram.sums) == size
        and plausible((*histogram.counts, *histogram.sums))
    )


def plausible(numbers: Iterable[float]) -> bool:
    return all(math.isfinite(number) and 0 <= number < LARGEST for number in numbers)


def histograms(snapshot: Snapshot) -> Iterator[Histogram]:
    yield snapshot.lag
    yield from (loop.lag for loop in snapshot.loops)
    yield from (row.latency for row in snapshot.requests)
    yield from (histogram for _, histogram in (*snapshot.steps, *snapshot.timed))
    yield from (row.stalls for row in (*snapshot.sites, *snapshot.allowed))


def amounts(snapshot: Snapshot) -> Iterator[float]:
    """Return all other numbers that are worked with."""
    s = snapshot
    yield from (s.taken_at, s.stall_count, s.busy, s.idle, s.self_seconds, *s.dropped.values())
    for loop in s.loops:
        yield from (loop.busy or 0.0, loop.idle or 0.0, loop.tasks)
    for row in s.requests:
        yield from (row.queued, row.running, row.stalled, row.waiting)
        yield from (row.threadpool, row.background)
    for site in (*s.sites, *s.allowed):
        yield from (site.victims, site.lost_request_seconds)
    for blame in s.blames:
        yield from (blame.count, blame.seconds)
    for wait in s.waits:
        yield from (wait.seconds, wait.looks, wait.waiting, wait.most_waiting, wait.place.line)
        yield from (holder.seconds or 0.0 for holder in wait.holders)
    for line in s.loop_time:
        yield from (line.seconds, line.samples, line.site.line)
    for stall in (*s.stalls, *s.in_progress):
        yield from of_stall(stall)


def of_stall(stall: Stall) -> Iterator[float]:
    yield from (stall.started_at, stall.duration, stall.victims, stall.lost_request_seconds)
    yield from (stall.gc_seconds, stall.cpu_seconds or 0.0, stall.run_queue_seconds or 0.0)
    yield from (stall.throttled_seconds or 0.0, stall.site.line)
    yield from (frame.line for frame in stall.stack)
    yield from (part.seconds for part in stall.contributors)
    yield from (holder.cpu_seconds or 0.0 for holder in stall.gil_holders)
