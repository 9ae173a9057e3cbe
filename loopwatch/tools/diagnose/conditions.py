"""Conditions on a report that fail a build, such as `p99[/users/{id}]>0.2`."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from loopwatch.core.quantiles import Quantiles
from loopwatch.tools.diagnose.diagnosis_error import DiagnosisError
from loopwatch.tools.diagnose.report_records import Report, RouteReport

SHAPE = re.compile(r"\s*(\w+)\s*(?:\[(.+)\])?\s*(>=|<=|>|<)\s*(\S+)\s*")
COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
Number = float | None  # None: not known


def latency(route: RouteReport) -> Quantiles | None:
    """Return what our clients saw; without such clients, what the server measured."""
    return route.client or route.server


def of_routes(q: str) -> Callable[[Report, Sequence[RouteReport]], Number]:
    def worst(report: Report, routes: Sequence[RouteReport]) -> Number:
        known = [latency(route) for route in routes]
        return max((getattr(found, q) for found in known if found is not None), default=None)

    return worst


def errors(report: Report, routes: Sequence[RouteReport]) -> Number:
    if report.load is None:
        return None
    failed = sum(route.errors or 0 for route in routes)
    sent = sum(route.sent or 0 for route in routes)
    return failed / sent if sent else 0.0


def lost(report: Report, routes: Sequence[RouteReport]) -> Number:
    if report.target.outside:
        return None
    return sum(route.lost for route in by_route(routes))


def by_route(routes: Sequence[RouteReport]) -> Sequence[RouteReport]:
    """Return one report of each route: lost time is counted by route, for all methods together."""
    return [*{route.route: route for route in routes}.values()]


def stall(report: Report, routes: Sequence[RouteReport]) -> Number:
    return max((c.longest for c in report.culprits), default=0.0)


def stalls(report: Report, routes: Sequence[RouteReport]) -> Number:
    return report.stall_count


def utilization(report: Report, routes: Sequence[RouteReport]) -> Number:
    return report.throughput.utilization


def lag(report: Report, routes: Sequence[RouteReport]) -> Number:
    return max((m.lag_p99 for m in report.timeline if m.lag_p99 is not None), default=None)


BY_ROUTE = {
    "p50": of_routes("p50"),
    "p90": of_routes("p90"),
    "p99": of_routes("p99"),
    "errors": errors,
    "lost": lost,
}
WHOLE = {"stall": stall, "stalls": stalls, "utilization": utilization, "lag": lag}
MEANINGS = (
    "p50, p90, p99 (s, the worst route's or [route]'s), errors (share), lost (request-seconds), "
    "stall (s, the longest), stalls (count), lag (s, the worst p99), utilization (0 to 1)"
)


@dataclass(frozen=True, slots=True)
class Condition:
    """`name[route] sign bound`."""

    text: str
    name: str
    route: str | None
    sign: str
    bound: float

    def value(self, report: Report) -> float:
        """Return the value in a report; raises DiagnosisError if the report has none."""
        routes = self._routes(report)
        found = (BY_ROUTE | WHOLE)[self.name](report, routes)
        if found is None:
            raise DiagnosisError(
                f"--fail-on {self.text!r} must be in the report, and this one has no {self.name}"
            )
        return found

    def met(self, report: Report) -> bool:
        return COMPARE[self.sign](self.value(report), self.bound)

    def _routes(self, report: Report) -> Sequence[RouteReport]:
        if self.route is None:
            return report.routes
        found = [r for r in report.routes if self.route in (r.route, f"{r.method} {r.route}")]
        if not found:
            known = ", ".join(dict.fromkeys(r.route for r in report.routes)) or "none"
            raise DiagnosisError(
                f"--fail-on {self.text!r} must name a route of the report, got {self.route!r}: "
                f"there is {known}"
            )
        return found


def parse(text: str) -> Condition:
    """Parse a condition; raises DiagnosisError, which lists the known names."""
    found = SHAPE.fullmatch(text)
    try:
        bound = float(found[4]) if found is not None else math.nan
    except ValueError:
        bound = math.nan
    if found is None or not math.isfinite(bound):
        raise DiagnosisError(
            f"--fail-on must be NAME>NUMBER or NAME[ROUTE]>NUMBER, got {text!r}: "
            f"there is {MEANINGS}"
        )
    name, route, sign, _ = found.groups()
    if name not in (WHOLE if route is None else {}) and name not in BY_ROUTE:
        which = f"{name!r} of one route" if name in WHOLE else repr(name)
        raise DiagnosisError(f"--fail-on knows no {which}, got {text!r}: there is {MEANINGS}")
    return Condition(text.strip(), name, route, sign, bound)
