"""What got better or worse of the estimates: places where requests wait, lines of loop time.

A line is the same in both reports if its function and its text are: its number may have changed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from loopwatch.core.record_types import NONE, Site
from loopwatch.tools.diagnose.changes import Change, Row, changed
from loopwatch.tools.diagnose.report_records import Report
from loopwatch.tools.diagnose.wording import owner, site_call, site_place

MOST = 10  # rows of each kind
WAITING = 0.1  # requests at a time: less is not compared, and no change
OCCUPIED = 0.02  # of the time, likewise

Key = tuple[str, str, str]  # of a route, a line, and what is waited for or called
Named = dict[Key, str]
Figures = Mapping[Key, float]


def wait_rows(before: Report, after: Report) -> tuple[Row, ...]:
    """Return how many requests waited at each place at a time, largest first."""
    names: Named = {}
    was, now = (waiting(report, names) for report in (before, after))
    return rows(names, was, now, "count", WAITING)


def loop_line_rows(before: Report, after: Report) -> tuple[Row, ...]:
    """Return for which share of the time each line occupied the loop, largest first."""
    names: Named = {}
    was, now = (occupied(report, names) for report in (before, after))
    return rows(names, was, now, "share", OCCUPIED)


def waiting(report: Report, names: Named) -> Figures:
    return added(
        (key(names, one.route, one.method, one.place, one.resource), one.at_once)
        for one in report.waits
    )


def occupied(report: Report, names: Named) -> Figures:
    """Return shares of the time: those of the busy time, times utilization."""
    use = report.throughput.utilization
    return added(
        (key(names, one.route, one.method, one.site, one.call), one.share * (use or 0.0))
        for one in report.loop_lines
    )


def key(names: Named, route: str, method: str | None, site: Site, what: str) -> Key:
    """Return what a line is found by in the other report, and keep its name."""
    found = (route, f"{site.function} {site_call(site)}", what)
    whose = owner(None if route == NONE else route, method)
    names[found] = f"{whose}: {f'{site_place(site)} {site_call(site)}'.strip() or site.function}"
    return found


def added(figures: Iterable[tuple[Key, float]]) -> Figures:
    found: defaultdict[Key, float] = defaultdict(float)
    for one, figure in figures:
        found[one] += figure
    return found


def rows(names: Named, was: Figures, now: Figures, unit: str, least: float) -> tuple[Row, ...]:
    large = [one for one in names if max(was.get(one, 0.0), now.get(one, 0.0)) >= least]
    large.sort(key=lambda one: -max(was.get(one, 0.0), now.get(one, 0.0)))
    return tuple(row(names[one], was.get(one), now.get(one), unit, least) for one in large[:MOST])


def row(name: str, was: float | None, now: float | None, unit: str, least: float) -> Row:
    change: Change = changed(was, now, least)
    if was is None or now is None:
        change = "new" if was is None else "gone"
    return Row(name=name, unit=unit, before=was, after=now, change=change)
