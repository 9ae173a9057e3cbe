"""The culprits: the stalls by site and route, most expensive first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from loopwatch.core.record_types import NONE, BlameReading, Site, SiteReading, Stall
from loopwatch.tools.diagnose.estimate_records import Prediction
from loopwatch.tools.diagnose.measurement import Measurement
from loopwatch.tools.diagnose.report_records import Culprit, CulpritLine, VictimRoute
from loopwatch.tools.diagnose.source import source
from loopwatch.tools.diagnose.watching import TailsReading
from loopwatch.tools.findings.finding import responsible
from loopwatch.tools.findings.fingerprint import culprit_id

MOST = 20
LINES = 5
VICTIMS = 8
Key = tuple[str, str]  # site, route


def culprits(measured: Measurement) -> tuple[Culprit, ...]:
    """Return the sites that held the loop: most lost request-seconds first, then most seconds."""
    rows: defaultdict[Key, list[SiteReading]] = defaultdict(list)
    for row in measured.change.sites:
        rows[row.site, row.route].append(row)
    stalls: defaultdict[Key, list[Stall]] = defaultdict(list)
    for stall in measured.stalls:
        stalls[stall.site.function, stall.route or NONE].append(stall)
    found = [culprit(measured, key, rows[key], stalls[key]) for key in rows]
    return tuple(sorted(found, key=lambda c: (-c.lost, -c.seconds))[:MOST])


def culprit(
    measured: Measurement, key: Key, rows: Sequence[SiteReading], stalls: Sequence[Stall]
) -> Culprit:
    """Return one culprit; `stalls` are its stalls that were kept, perhaps none."""
    name, route = key
    held = lines(stalls)
    worst = max(stalls, key=lambda s: s.duration, default=Stall(started_at=0.0, duration=0.0))
    here = [
        s for s in stalls if held and (s.site.file, s.site.line) == (held[0].file, held[0].line)
    ]
    site = here[0].site if here else Site(name, exact=False)
    cause = max(rows, key=lambda row: row.stalls.sum).cause
    return Culprit(
        site=site,
        lines=held[:LINES],
        cause=cause,
        route=None if route == NONE else route,
        method=worst.method,
        coroutine=worst.coroutine,
        advice=(here[-1] if here else worst).advice,
        source=source(site) if measured.source_readable else (),
        stack=worst.stack,
        contributors=worst.contributors,
        count=sum(row.stalls.count for row in rows),
        seconds=sum(row.stalls.sum for row in rows),
        longest=worst.duration,
        lost=sum(row.lost_request_seconds for row in rows),
        victims=sum(row.victims for row in rows),
        victim_routes=victims(name, route, measured.change.blames),
        predictions=predictions(name, measured.tails),
        id=culprit_id(route, name, cause, responsible(worst)),
    )


def lines(stalls: Iterable[Stall]) -> tuple[CulpritLine, ...]:
    """Return the lines that held the loop, most seconds first."""
    found: defaultdict[Site, list[float]] = defaultdict(list)
    for stall in stalls:
        if stall.site.line:
            found[stall.site].append(stall.duration)
    held = (
        CulpritLine(
            file=site.file,
            line=site.line,
            code=site.code,
            exact=site.exact,
            count=len(durations),
            seconds=sum(durations),
        )
        for site, durations in found.items()
    )
    return tuple(sorted(held, key=lambda line: -line.seconds))


def victims(site: str, route: str, blames: Iterable[BlameReading]) -> tuple[VictimRoute, ...]:
    found = (
        VictimRoute(route=row.victim_route, count=row.count, seconds=row.seconds)
        for row in blames
        if row.site == site and row.culprit_route == route
    )
    return tuple(sorted(found, key=lambda v: -v.seconds)[:VICTIMS])


def predictions(site: str, tails: TailsReading | None) -> tuple[Prediction, ...]:
    """Return the predicted latency of victim routes without a site, as far as it is known."""
    if tails is None:
        return ()
    return tuple(
        Prediction(
            route=row.route,
            method=row.method,
            requests=row.requests,
            now=row.now,
            then=one.then,
            reason=one.reason,
        )
        for row in tails.routes
        for one in row.without
        if one.site == site
    )
