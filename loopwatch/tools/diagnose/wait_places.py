"""Where requests waited during the measurement, by route, line and resource."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from loopwatch.core.record_types import Snapshot, WaitReading
from loopwatch.tools.diagnose.difference import wait_key
from loopwatch.tools.diagnose.estimate_records import WaitReport
from loopwatch.tools.diagnose.measurement import Measurement
from loopwatch.tools.diagnose.report_records import RouteReport
from loopwatch.tools.diagnose.routes import with_more_places
from loopwatch.tools.diagnose.source import source

MOST = 20  # in a report
SHARED = ("lock", "semaphore", "queue", "pool")  # resources of which there could be more
Moments = Mapping[object, WaitReading]


def wait_places(measured: Measurement, routes: Sequence[RouteReport]) -> tuple[WaitReport, ...]:
    """Return where requests waited: most request-seconds first."""
    rows = sorted(measured.change.waits, key=lambda row: -row.seconds)[:MOST]
    whole, crowds = waited(measured.change), crowded(measured)
    found = (
        wait_report(measured, row, crowds.get(wait_key(row), row), whole[row.route], routes)
        for row in rows
    )
    return tuple(with_what_ifs(found, routes))


def with_what_ifs(
    waits: Iterable[WaitReport], routes: Sequence[RouteReport]
) -> Iterator[WaitReport]:
    """Return places with what more of them would do. A replay knows by their handovers that
    requests of a route share some; they are those for which most of them wait."""
    foreseen = {(r.route, r.method): text for r in routes if (text := with_more_places(r))}
    for wait in waits:
        name = wait.route, wait.method or ""
        told = foreseen.pop(name, "") if wait.resource in SHARED else ""
        yield replace(wait, what_if=told) if told else wait


def wait_report(
    measured: Measurement,
    row: WaitReading,
    crowd: WaitReading,
    whole: float,
    routes: Sequence[RouteReport],
) -> WaitReport:
    """Return one place; `crowd` is its reading when most waited, `whole` the route's waiting, s."""
    of_waiting = min(1.0, row.seconds / whole) if whole > 0 else 0.0
    mine = [route for route in routes if route.route == row.route]
    seconds = measured.until - measured.began
    return WaitReport(
        route=row.route,
        method=mine[0].method if len(mine) == 1 else None,
        place=row.place,
        call=row.call,
        resource=row.resource,
        peer=row.peer,
        seconds=row.seconds,
        of_waiting=of_waiting,
        of_p99=of_p99(mine, of_waiting),
        at_once=row.seconds / seconds if seconds > 0 else 0.0,
        most=max(row.most_waiting, crowd.waiting),
        looks=row.looks,
        holders=crowd.holders or row.holders,
        advice=row.advice,
        source=source(row.place) if measured.source_readable else (),
    )


def waited(change: Snapshot) -> Mapping[str, float]:
    """Return what the requests of each route waited, s. Those in flight count only at a look."""
    ended: defaultdict[str, float] = defaultdict(float)
    seen: defaultdict[str, float] = defaultdict(float)
    for request in change.requests:
        ended[request.route] += request.waiting
    for row in change.waits:
        seen[row.route] += row.seconds
    return {route: max(ended[route], seconds) for route, seconds in seen.items()}


def crowded(measured: Measurement) -> Moments:
    """Return the reading of each place in which most waited, of those with most known holders.

    Between one holder and the next a look finds fewer, and so does one that is over budget.
    """
    found: dict[object, WaitReading] = {}
    for reading in measured.readings[1:]:
        for row in reading.snapshot.waits:
            known = found.get(wait_key(row))
            if known is None or crowd_of(row) > crowd_of(known):
                found[wait_key(row)] = row
    return found


def crowd_of(row: WaitReading) -> tuple[bool, int, int]:
    return row.waiting > 0, len(row.holders), row.waiting


def of_p99(routes: Sequence[RouteReport], of_waiting: float) -> float | None:
    """Return a place's share of the slowest requests' latency.

    Looks do not know which requests will be the slowest: a place is taken to have the same share
    of their waiting as of everyone's.
    """
    slowest = [route.slowest for route in routes if route.slowest is not None]
    if not slowest:
        return None
    worst = max(slowest, key=lambda tail: tail.latency)
    return of_waiting * worst.parts.waiting / worst.latency if worst.latency > 0 else None
