"""The requests by route and method, as the server and the clients saw them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from loopwatch.core.quantiles import Quantiles, quantiles
from loopwatch.core.record_types import RequestReading
from loopwatch.core.tails import AT, Parts, RouteTails
from loopwatch.tools.diagnose.measurement import Measurement
from loopwatch.tools.diagnose.report_records import Distribution, RouteReport
from loopwatch.tools.diagnose.samples import Sample
from loopwatch.tools.diagnose.wording import ms

MOST = 50
ENOUGH = 0.5  # of a route's requests
Name = tuple[str, str]  # route, method


def routes(measured: Measurement) -> tuple[RouteReport, ...]:
    """Return all routes, sorted by time lost to stalls, then by requests."""
    rows = {(row.route, row.method): row for row in measured.change.requests}
    seen = samples(measured)
    tail = tails(measured)
    names = [*rows, *(name for name in seen if name not in rows)]
    lost = lost_by_route(measured)
    found = [
        route_report(name, rows.get(name), seen.get(name), tail.get(name), lost.get(name[0], 0.0))
        for name in names
    ]
    return tuple(sorted(found, key=lambda r: (-r.lost, -r.requests))[:MOST])


def route_report(
    name: Name,
    row: RequestReading | None,
    seen: Sequence[Sample] | None,
    tail: RouteTails | None,
    lost: float,
) -> RouteReport:
    route, method = name
    count = row.latency.count if row is not None else 0
    return RouteReport(
        route=route,
        method=method,
        requests=count,
        errors=sum(sample.failed for sample in seen) if seen is not None else None,
        sent=len(seen) if seen is not None else None,
        client=Quantiles.of(sample.latency for sample in seen) if seen else None,
        server=server(row, tail),
        sampled=tail.requests if tail is not None else 0,
        parts=parts(row),
        unexplained=unexplained(row, seen),
        slowest=tail.slowest if tail is not None else None,
        typical=tail.typical if tail is not None else None,
        threadpool=row.threadpool / count if row is not None and count else 0.0,
        loop_cost=row.loop_cost if row is not None else 0.0,
        ceiling=1 / row.loop_cost if row is not None and row.loop_cost > 0 else None,
        lost=lost,
        more_places=tail.more_places if tail is not None else None,
    )


def with_more_places(route: RouteReport) -> str:
    """Return what a larger semaphore, lock or pool would do to a route, as a sentence."""
    more = route.more_places
    if more is None or route.server is None:
        return ""
    now, then = ms(route.server.p99), ms(more.then.p99)
    return (
        f"With {more.then_places} places instead of {more.places}, p99 would be {then}, not {now}."
    )


def server(row: RequestReading | None, tail: RouteTails | None) -> Quantiles | None:
    """Return the server's quantiles: from single requests if enough of them are kept, otherwise
    from the histogram, which is coarse."""
    if tail is not None and (row is None or tail.requests >= ENOUGH * row.latency.count):
        return tail.now
    if row is None:
        return None
    return Quantiles(*(row.latency.quantile(q) for q in (0.5, 0.9, 0.99)))


def parts(row: RequestReading | None) -> Parts:
    count = row.latency.count if row is not None else 0
    if row is None or not count:
        return Parts(queued=0.0, running=0.0, stalled=0.0, waiting=0.0)
    return Parts(
        queued=row.queued / count,
        running=row.running / count,
        stalled=row.stalled / count,
        waiting=row.waiting / count,
    )


def unexplained(row: RequestReading | None, seen: Sequence[Sample] | None) -> float | None:
    """Return the mean latency of clients minus the server's, at least 0."""
    if not seen or row is None or not row.latency.count:
        return None
    answered = [sample.latency for sample in seen if sample.outcome.isdigit()]
    if not answered:
        return None
    known = (row.queued + row.running + row.stalled + row.waiting) / row.latency.count
    return max(0.0, sum(answered) / len(answered) - known)


def samples(measured: Measurement) -> Mapping[Name, list[Sample]]:
    """Return the samples of our own clients by route."""
    found: defaultdict[Name, list[Sample]] = defaultdict(list)
    if measured.sent is not None:
        for sample in measured.sent.tally.samples:
            found[measured.sent.name(sample.kind)].append(sample)
    return found


def tails(measured: Measurement) -> Mapping[Name, RouteTails]:
    rows = measured.tails.routes if measured.tails is not None else ()
    return {(row.route, row.method): row for row in rows}


def lost_by_route(measured: Measurement) -> Mapping[str, float]:
    found: defaultdict[str, float] = defaultdict(float)
    for blame in measured.change.blames:
        found[blame.victim_route] += blame.seconds
    return found


def distributions(measured: Measurement) -> tuple[Distribution, ...]:
    """Return latency by quantile, now and without culprits, of the routes in `tails.json`."""
    seen = samples(measured)
    return tuple(
        distribution(row, seen.get((row.route, row.method), ())) for row in tails(measured).values()
    )


def distribution(row: RouteTails, seen: Sequence[Sample]) -> Distribution:
    single = [one for one in row.without if one.site is not None]
    whole = [one for one in row.without if one.site is None]
    return Distribution(
        route=row.route,
        method=row.method,
        requests=row.requests,
        at=AT,
        now=row.latencies,
        without_top=single[0].latencies if single else (),
        without_all=whole[0].latencies if whole else (),
        top=single[0].site if single else None,
        client=tuple(quantiles(AT, [s.latency for s in seen])) if seen else (),
    )
