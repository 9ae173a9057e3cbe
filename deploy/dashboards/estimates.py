"""What is told by looks and samples: what requests wait for, and where the loop's busy time goes.

Their labels are functions, never lines: the lines are on loopwatch's page and in its report.
"""

from __future__ import annotations

from deploy.dashboards.panels import HALF, QUARTER, AnyPanel, lines, query
from deploy.dashboards.queries import (
    increase,
    most,
    per_request,
    rate,
    share_of_busy,
    share_of_route,
)
from deploy.dashboards.tables import Column, rows
from loopwatch.exporters.metrics import LOOP_BUSY, LOOP_TIME, WAIT


def waits() -> list[AnyPanel]:
    place = "route, place, resource"
    waited = increase(WAIT, place)
    return [
        rows(
            "What requests wait for",
            {"route": "Route", "place": "Place", "resource": "Resource"},
            (
                Column("Waited", "s", waited, bar=True),
                Column("Share of the route's waiting", "percentunit", share_of_route(WAIT, place)),
                Column(
                    "Waited per request",
                    "s",
                    per_request(waited),
                ),
            ),
            description="Where requests were suspended, by the function that awaits and by what it "
            "awaits: a lock, a place of a semaphore, a pool's connection, a peer. Request-seconds, "
            "estimated from some 10 looks a second. Lines and holders are on loopwatch's page.",
        ),
        lines(
            "Requests that wait, by place",
            "short",
            query(most(WAIT, "place, resource"), "{{place}} ({{resource}})"),
            description="How many requests, at any moment, are suspended in each function, summed "
            "over the instances. A curve that grows with the load is a queue: a lock held too "
            "long, or a pool that is too small.",
            width=HALF,
            stacked=True,
        ),
        lines(
            "Requests that wait, by resource",
            "short",
            query(rate(WAIT, "resource"), "{{resource}}"),
            description="The same by what they wait for. socket: a peer, look at its own latency. "
            "lock, semaphore, pool: each other. thread: worker threads. timer: sleeps.",
            width=QUARTER,
            stacked=True,
        ),
        lines(
            "Requests that wait, by route",
            "short",
            query(most(WAIT, "route"), "{{route}}"),
            description="The same by the route of the request that waits.",
            width=QUARTER,
            stacked=True,
        ),
    ]


def loop_time() -> list[AnyPanel]:
    site = "route, site"
    busy = increase(LOOP_BUSY, site)
    return [
        rows(
            "Lines of loop time",
            {"site": "Site", "route": "Route"},
            (
                Column("Busy", "s", busy, bar=True),
                Column("Share of busy time", "percentunit", share_of_busy(LOOP_BUSY, site)),
                Column(
                    "Busy per request",
                    "s",
                    per_request(busy),
                ),
            ),
            description="Where the loop's busy time goes, whether or not any step is slow, by the "
            "function of the line; estimated from samples at random moments. If the loop is full, "
            "make the first row faster, or take it off the loop. Lines are on loopwatch's page.",
            width=HALF,
        ),
        lines(
            "Loop busy, by site",
            "percentunit",
            query(most(LOOP_BUSY, "site"), "{{site}}"),
            query(rate(LOOP_TIME, state="busy"), "all busy time"),
            description="Share of time that the ten busiest functions occupy the loop, and all "
            "busy time, both summed over the instances. A function that grows after a deployment "
            "shows what changed.",
            width=HALF,
        ),
    ]
