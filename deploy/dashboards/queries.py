"""PromQL, built from the exported metrics: a missing name or label fails here.

Every selector uses the variables `job` and `instance`, and `route` if the metric has it. `rate` is
for curves: per second, at each moment. `increase` is for tables: over all the time shown. `overall`
is the same in a curve's query: it chooses the same few curves for every moment. Each counts a new
series from its second reading on.
"""

from __future__ import annotations

from typing import Protocol

from loopwatch.exporters.metrics import LOOP_TIME, LOST, REQUEST, REQUEST_TIME, STALL, Metric

WHERE = 'job=~"$job", instance=~"$instance"'
STATES = ("queued", "running", "stalled", "waiting")
SHOWN = 10  # curves of a panel
COST = "running|background"  # states in which a request holds the loop itself


class Growth(Protocol):
    """`rate`, `increase` or `overall`."""

    def __call__(self, metric: Metric, by: str = "", part: str = "", **labels: str) -> str: ...


def selector(name: str, *matchers: str) -> str:
    return f"{name}{{{', '.join((WHERE, *matchers))}}}"


def series(metric: Metric, part: str = "", **labels: str) -> str:
    """Return a selector; `part` is a histogram's bucket, count or sum; labels match regexes."""
    if unknown := labels.keys() - {*metric.labels, "le"}:
        raise ValueError(f"{metric.name} must have the labels asked for, and lacks {unknown}")
    matchers = {"route": "$route"} | labels if "route" in metric.labels else labels
    name = f"{metric.prometheus_name}_{part}" if part else metric.prometheus_name
    return selector(name, *(f'{label}=~"{value}"' for label, value in matchers.items()))


def total(by: str, inner: str) -> str:
    return f"sum by ({by}) ({inner})" if by else f"sum({inner})"


def rate(metric: Metric, by: str = "", part: str = "", **labels: str) -> str:
    return total(by, f"rate({series(metric, part, **labels)}[$__rate_interval])")


def increase(metric: Metric, by: str = "", part: str = "", **labels: str) -> str:
    return total(by, f"increase({series(metric, part, **labels)}[$__range])")


def overall(metric: Metric, by: str = "", part: str = "", **labels: str) -> str:
    return total(by, f"increase({series(metric, part, **labels)}[$__range] @ end())")


def quantile(q: float, metric: Metric, by: str = "", growth: Growth = rate) -> str:
    """Return a quantile; without observations the result is empty, not NaN."""
    buckets = growth(metric, f"le, {by}" if by else "le", "bucket")
    return f"histogram_quantile({q}, {buckets}) > 0"


def most(metric: Metric, by: str, part: str = "", **labels: str) -> str:
    """Return the rates with the largest totals over the time shown."""
    chosen = overall(metric, by, part, **labels)
    return f"{rate(metric, by, part, **labels)} and on ({by}) topk({SHOWN}, {chosen})"


def slowest(metric: Metric, by: str) -> str:
    """Return the highest p99 over the time shown."""
    chosen = quantile(0.99, metric, by, overall)
    return f"{quantile(0.99, metric, by)} and on ({by}) topk({SHOWN}, {chosen})"


def utilization(by: str = "", growth: Growth = rate) -> str:
    return f"{growth(LOOP_TIME, by, state='busy')} / {growth(LOOP_TIME, by)}"


def mean(metric: Metric, by: str) -> str:
    return f"{increase(metric, by, 'sum')} / {increase(metric, by, 'count')}"


def requests_served(growth: Growth) -> str:
    """Return HTTP requests by route, without routes that had none, to avoid division by zero."""
    return f"({growth(REQUEST, 'route', 'count')} > 0)"


def per_request(total: str) -> str:
    """Return what a total of each row is for one HTTP request of the row's route."""
    return f"{total} / on (route) group_left () {requests_served(increase)}"


def mean_time(states: str) -> str:
    """Return how many seconds an HTTP request of each route spent in one of the states."""
    return f"{increase(REQUEST_TIME, 'route', state=states)} / {requests_served(increase)}"


def mean_time_of_busiest(states: str) -> str:
    """Return the same for the routes whose requests took most time in total."""
    return f"{mean_time(states)} and on (route) topk({SHOWN}, {increase(REQUEST_TIME, 'route')})"


def ceiling() -> str:
    """Return how many requests of each route one process can serve per second: 1 / loop cost."""
    return f"{requests_served(increase)} / {increase(REQUEST_TIME, 'route', state=COST)}"


def share_of_route(metric: Metric, by: str) -> str:
    """Return the share of what the requests of each route waited, 0 to 1."""
    whole = increase(REQUEST_TIME, "route", state="waiting")
    return f"{increase(metric, by)} / on (route) group_left () ({whole} > 0)"


def share_of_busy(metric: Metric, by: str) -> str:
    """Return the share of the loops' busy time, 0 to 1."""
    whole = increase(LOOP_TIME, state="busy")
    return f"{increase(metric, by)} / on () group_left () ({whole} > 0)"


def mean_times() -> str:
    """Return how many seconds an HTTP request spends in each state; websockets are left out."""
    states = rate(REQUEST_TIME, "route, state", state="|".join(STATES))
    return (
        f"sum by (state) ({states} and on (route) {requests_served(rate)}) / "
        f"on () group_left () {rate(REQUEST, '', 'count')}"
    )


def share_above(metric: Metric, edge: float) -> str:
    """Return the share of a histogram's observations above one of its edges."""
    if edge not in metric.edges:
        raise ValueError(f"{edge} must be an edge of {metric.name}: {metric.edges}")
    return f"1 - {rate(metric, '', 'bucket', le=str(edge))} / {rate(metric, '', 'count')}"


def of_culprits(inner: str) -> str:
    """Return values by route and site, for those that stalled, with their main cause."""
    held = increase(STALL, "route, site, cause", "sum")
    main = f"group by (route, site, cause) (topk by (route, site) (1, {held} > 0))"
    return f"{inner} * on (route, site) group_left (cause) {main}"


def culprits_lost() -> str:
    return of_culprits(increase(LOST, "route, site"))
