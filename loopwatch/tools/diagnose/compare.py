"""Compares two reports: what got better or worse, which culprits are new or gone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from loopwatch.tools.diagnose.changes import SECONDS, Change, Row, changed, rate
from loopwatch.tools.diagnose.conditions import stall
from loopwatch.tools.diagnose.estimate_changes import loop_line_rows, wait_rows
from loopwatch.tools.diagnose.report_records import Culprit, Report, RouteReport


@dataclass(frozen=True, slots=True, kw_only=True)
class CulpritChange:
    """A culprit, by site and route, in one or both reports."""

    before: Culprit | None
    after: Culprit | None
    change: Change  # by lost request-seconds for each second measured

    @property
    def latest(self) -> Culprit:
        found = self.after or self.before
        assert found is not None
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    before: Report
    after: Report
    rows: tuple[Row, ...]  # of the whole app
    routes: tuple[Row, ...]  # p50 and p99 of each route that both have
    culprits: tuple[CulpritChange, ...]  # new ones first, then worse ones, gone ones last
    waits: tuple[Row, ...]  # requests that wait at each place, on average
    loop_lines: tuple[Row, ...]  # share of the time that each line occupies the loop
    notes: tuple[str, ...]


def compare(before: Report, after: Report) -> Comparison:
    return Comparison(
        before=before,
        after=after,
        rows=tuple(whole(before, after)),
        routes=tuple(route_rows(before, after)),
        culprits=culprit_changes(before, after),
        waits=wait_rows(before, after),
        loop_lines=loop_line_rows(before, after),
        notes=tuple(differences(before, after)),
    )


def whole(before: Report, after: Report) -> Iterator[Row]:
    def row(name: str, unit: str, was: float | None, now: float | None, least: float) -> Row:
        return Row(name=name, unit=unit, before=was, after=now, change=changed(was, now, least))

    for name, unit, least, value in (
        ("stalls a second", "count", 0.05, lambda r: rate(r.stall_count, r.duration)),
        ("longest stall", "s", SECONDS, lambda r: stall(r, r.routes)),
        ("lost request-seconds a second", "count", 0.01, lost_rate),
        ("failed requests", "share", 0.001, error_share),
        ("requests/s served", "count", 0.05, lambda r: r.throughput.served),
        ("loop busy", "share", 0.02, lambda r: r.throughput.utilization),
        ("loop cost a request", "s", 0.0001, lambda r: r.throughput.loop_cost),
    ):
        found = row(name, unit, value(before), value(after), least)
        yield found if name != "requests/s served" else turned(found)


def turned(row: Row) -> Row:
    """Return a row in which more is better."""
    other: dict[Change, Change] = {"better": "worse", "worse": "better"}
    return Row(
        name=row.name,
        unit=row.unit,
        before=row.before,
        after=row.after,
        change=other.get(row.change, row.change),
    )


def lost_rate(report: Report) -> float | None:
    return rate(sum(culprit.lost for culprit in report.culprits), report.duration)


def error_share(report: Report) -> float | None:
    load = report.load
    return load.errors / load.sent if load is not None and load.sent else None


def route_rows(before: Report, after: Report) -> Iterator[Row]:
    known = {(route.route, route.method): route for route in before.routes}
    for route in after.routes:
        earlier = known.get((route.route, route.method))
        if earlier is not None:
            yield from quantile_rows(earlier, route)


def quantile_rows(before: RouteReport, after: RouteReport) -> Iterator[Row]:
    both = (before.client, after.client)
    was, now = both if None not in both else (before.server, after.server)
    for q in ("p50", "p99"):
        values = [getattr(found, q) if found is not None else None for found in (was, now)]
        yield Row(
            name=f"{after.method} {after.route} {q}",
            unit="s",
            before=values[0],
            after=values[1],
            change=changed(values[0], values[1]),
        )


def culprit_changes(before: Report, after: Report) -> tuple[CulpritChange, ...]:
    was, now = by_key(before.culprits), by_key(after.culprits)
    found = [
        CulpritChange(
            before=was.get(key),
            after=now.get(key),
            change=culprit_change(was.get(key), now.get(key), before.duration, after.duration),
        )
        for key in {**now, **was}
    ]
    order: list[Change] = ["new", "worse", "same", "better", "gone"]
    return tuple(sorted(found, key=lambda c: order.index(c.change)))


def by_key(culprits: Iterable[Culprit]) -> dict[tuple[str, str | None], Culprit]:
    return {(culprit.site.function, culprit.route): culprit for culprit in culprits}


def culprit_change(
    was: Culprit | None, now: Culprit | None, seconds_before: float, seconds_after: float
) -> Change:
    if was is None or now is None:
        return "new" if was is None else "gone"
    return changed(rate(was.lost, seconds_before), rate(now.lost, seconds_after), 0.01)


def differences(before: Report, after: Report) -> Iterator[str]:
    """Yield the reasons for which the two may not be comparable."""
    if load_of(before) != load_of(after):
        yield "The loads differ in requests, weights or rates: the latencies are not comparable."
    if before.target.loop != after.target.loop:
        yield f"The loops differ: {before.target.loop}, then {after.target.loop}."
    if before.target.python != after.target.python:
        yield f"The Pythons differ: {before.target.python}, then {after.target.python}."
    for name, report in (("before", before), ("after", after)):
        if report.verdict.kind in ("not_enough_data", "errors", "generator") or fails(report):
            yield f"The verdict of the report {name}: {report.verdict.text}"


def fails(report: Report) -> bool:
    """Return whether most requests failed, whatever the verdict begins with."""
    return report.load is not None and report.load.errors * 2 >= report.load.sent > 0


def load_of(report: Report) -> object:
    load = report.load
    if load is None:
        return None
    return load.rate, load.rate_end, [(r.method, r.path, r.weight) for r in load.requests]
