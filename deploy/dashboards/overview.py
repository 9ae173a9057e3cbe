"""loopwatch: overview. All instances at a glance: is a loop held, where, and what waits for it?"""

from __future__ import annotations

from deploy.dashboards.board import OVERVIEW, board, diagnosis_of_instance
from deploy.dashboards.panels import (
    HALF,
    QUARTER,
    AnyPanel,
    lines,
    number,
    query,
)
from deploy.dashboards.queries import (
    increase,
    mean_times,
    most,
    quantile,
    rate,
    selector,
    series,
    utilization,
)
from deploy.dashboards.tables import Column, rows
from loopwatch.exporters.metrics import (
    IN_PROGRESS,
    LOOP_LAG,
    LOST,
    REQUEST,
    REQUEST_TIME,
    STALL,
    TASKS,
)

DESCRIPTION = (
    "Is an event loop held, where, and which requests wait? Red numbers and the instances at the "
    "bottom lead to loopwatch: diagnosis."
)
SLOW = 0.1  # s: slow_callback_duration's default


def glance() -> list[AnyPanel]:
    return [
        number(
            "Requests",
            "reqps",
            rate(REQUEST, "", "count"),
            description="HTTP requests per second, of all instances and routes chosen above.",
        ),
        number(
            "Latency p99",
            "s",
            quantile(0.99, REQUEST),
            description="The longest true latency of 99 in 100 requests. It includes the time in "
            "the socket, before the app saw the request.",
        ),
        number(
            "Busiest loop",
            "percentunit",
            f"max({utilization('instance')})",
            description="Utilization of the busiest event loop: the share of time it is in "
            "callbacks. From 80 % on requests wait for each other: add processes, or take work "
            "off the loop. No data on loops that do not report it.",
            orange=0.8,
            red=0.95,
        ),
        number(
            "Loop lag p99",
            "s",
            quantile(0.99, LOOP_LAG),
            description="A callback that becomes ready at a random moment waits at most this long, "
            "99 times in 100. Red from 100 ms on: see Loop and Culprits.",
            orange=0.05,
            red=SLOW,
        ),
        number(
            "Stalls",
            "cpm",
            f"60 * {rate(STALL, '', 'count')}",
            description="How often per minute a loop was held for slow_callback_duration or longer "
            "(default 0.1 s). The aim is 0.",
            orange=0.01,
            red=1,
            nothing="none",
        ),
        number(
            "Waiting for stalls",
            "short",
            rate(LOST),
            description="Lost request-seconds per second: how many requests, at any moment, wait "
            "only because another's stall holds the loop. 1 is one request, all the time.",
            orange=0.1,
            red=1,
            nothing="none",
        ),
    ]


def requests() -> list[AnyPanel]:
    return [
        lines(
            "Requests by route",
            "reqps",
            query(most(REQUEST, "route", "count"), "{{route}}"),
            description="HTTP requests per second of the ten busiest routes.",
        ),
        lines(
            "True latency",
            "s",
            query(quantile(0.5, REQUEST), "p50", exemplar=True),
            query(quantile(0.99, REQUEST), "p99", exemplar=True),
            description="From the request's arrival in the socket to the response's last byte. "
            "Points are single requests with a trace; click one. If p99 rises while p50 stays, "
            "some requests wait for others: look at the next panel.",
        ),
        lines(
            "Where a request's time goes",
            "s",
            query(mean_times(), "{{state}}"),
            description="Mean latency in its four parts. queued: in the socket, before the app "
            "began. running: own steps on the loop. stalled: ready, but another's stall held the "
            "loop. waiting: real I/O. Much queued or stalled has a cause elsewhere: see Culprits.",
            stacked=True,
        ),
    ]


def loop() -> list[AnyPanel]:
    return [
        lines(
            "Utilization",
            "percentunit",
            query(utilization("instance"), "{{instance}}"),
            description="Share of time each loop is in callbacks, busy / (busy + idle). Near 100 % "
            "the process cannot serve more; if only one process is there, balance the load.",
            limit=0.95,
            width=QUARTER,
        ),
        lines(
            "Loop lag",
            "s",
            query(quantile(0.5, LOOP_LAG), "p50"),
            query(quantile(0.99, LOOP_LAG), "p99"),
            description="How long a callback that becomes ready at a random moment waits for the "
            "loop, over all instances. Users notice a p99 above the dashed line (100 ms).",
            limit=SLOW,
            width=QUARTER,
        ),
        lines(
            "Held at this moment",
            "s",
            query(
                f"max by (instance, route, site) ({series(IN_PROGRESS)})",
                "{{site}} ({{route}}), {{instance}}",
            ),
            description="For how long a loop had been held when it was scraped, and by what. A "
            "line that only rises is a loop that may never come back. Needs metrics_port or the "
            "admin port: the app cannot answer while its loop is held.",
            width=QUARTER,
        ),
        lines(
            "Tasks",
            "short",
            query(f"sum by (instance) ({selector(TASKS.prometheus_name)})", "{{instance}}"),
            description="Tasks that are not done yet. If the number keeps growing, tasks are never "
            "awaited or cancelled, or there are more requests than the loop can serve.",
            width=QUARTER,
        ),
    ]


def culprits() -> list[AnyPanel]:
    return [
        lines(
            "Stalls per minute, by cause",
            "cpm",
            query(f"60 * {rate(STALL, 'cause', 'count')}", "{{cause}}"),
            description="How often loops were held for slow_callback_duration or longer, and why. "
            "starved comes from the machine: it needs more CPU, not other code.",
            width=QUARTER,
        ),
        lines(
            "Requests waiting, by culprit",
            "short",
            query(most(LOST, "route, site"), "{{site}} ({{route}})"),
            description="Lost request-seconds per second: how many requests, at any moment, wait "
            "for each piece of code that holds the loop. Fix the largest first.",
            width=HALF,
        ),
        lines(
            "Requests waiting, by victim",
            "short",
            query(
                most(REQUEST_TIME, "route", state="queued|stalled"),
                "{{route}}",
            ),
            description="How many requests of each route, at any moment, wait in their socket or "
            "for another's stall.",
            width=QUARTER,
        ),
    ]


def instances() -> list[AnyPanel]:
    by = "instance"
    return [
        rows(
            "Worst instances",
            {"instance": "Instance"},
            (
                Column("Lost request-seconds", "s", increase(LOST, by), bar=True),
                Column("Stalls", "short", increase(STALL, by, "count")),
                Column("Held", "s", increase(STALL, by, "sum")),
                Column("Lag p99", "s", quantile(0.99, LOOP_LAG, by, growth=increase)),
                Column("Utilization", "percentunit", utilization(by, increase)),
                Column("Requests", "short", increase(REQUEST, by, "count")),
            ),
            description="Processes over the time shown, ranked by the time requests lost to "
            "stalls. If all lose alike, look at the code; if one does, at its machine. Click an "
            "instance to diagnose it.",
            links={"Instance": diagnosis_of_instance()},
        )
    ]


def dashboard() -> str:
    return board(
        OVERVIEW,
        DESCRIPTION,
        [
            ("At a glance", glance()),
            ("Requests", requests()),
            ("Loop", loop()),
            ("Culprits and victims", culprits()),
            ("Instances", instances()),
        ],
    )
