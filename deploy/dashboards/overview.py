"""loopwatch: overview. A fleet at a glance: is any loop held, where, and who waits for it?"""

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
    utilization,
)
from deploy.dashboards.tables import Column, rows
from loopwatch.exporters.metrics import LOOP_LAG, LOST, REQUEST, REQUEST_TIME, STALL, TASKS

DESCRIPTION = (
    "Is any event loop held, where, and who waits for it? Red numbers and the instances at the "
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
            description="True latency that 99 of 100 requests keep within: time in the socket, "
            "before the app saw the request, included.",
        ),
        number(
            "Busiest loop",
            "percentunit",
            f"max({utilization('instance')})",
            description="Utilization of the busiest event loop: the share of time it is in "
            "callbacks. From 80 % on requests wait for each other: add processes, or take work "
            "off the loop. No data on loops whose time cannot be known.",
            orange=0.8,
            red=0.95,
        ),
        number(
            "Loop lag p99",
            "s",
            quantile(0.99, LOOP_LAG),
            description="A callback that becomes ready at a random moment waits this long at most, "
            "99 times of 100. Red from 100 ms on: see Loop and Culprits.",
            orange=0.05,
            red=SLOW,
        ),
        number(
            "Stalls",
            "cpm",
            f"60 * {rate(STALL, '', 'count')}",
            description="How often per minute a loop was held for slow_callback_duration or longer "
            "(0.1 s unless set). None is the aim.",
            orange=0.01,
            red=1,
            nothing="none",
        ),
        number(
            "Waiting for stalls",
            "short",
            rate(LOST),
            description="Lost request-seconds per second: how many requests, at any moment, wait "
            "only because somebody else holds the loop. 1 is one request, all the time.",
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
            "Points are single requests that a trace shows; click one. If p99 rises while p50 "
            "stays, some requests wait for others: look at the next panel.",
        ),
        lines(
            "Where a request's time goes",
            "s",
            query(mean_times(), "{{state}}"),
            description="Mean latency in its four parts. queued: in the socket, before the app "
            "began. running: own steps on the loop. stalled: ready, but somebody else held the "
            "loop. waiting: real I/O. Much queued or stalled is others' fault: see Culprits.",
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
            "the process can serve no more; if only one is, balance the load.",
            limit=0.95,
        ),
        lines(
            "Loop lag",
            "s",
            query(quantile(0.5, LOOP_LAG), "p50"),
            query(quantile(0.99, LOOP_LAG), "p99"),
            description="How long a callback that becomes ready at a random moment waits for the "
            "loop, over all instances. p99 over the dashed line (100 ms) is felt by users.",
            limit=SLOW,
        ),
        lines(
            "Tasks",
            "short",
            query(f"sum by (instance) ({selector(TASKS.prometheus_name)})", "{{instance}}"),
            description="Tasks that are not done yet. Ever growing means tasks that are never "
            "awaited or cancelled, or more requests than the loop can serve.",
        ),
    ]


def culprits() -> list[AnyPanel]:
    return [
        lines(
            "Stalls per minute, by cause",
            "cpm",
            query(f"60 * {rate(STALL, 'cause', 'count')}", "{{cause}}"),
            description="How often loops were held for slow_callback_duration or longer, and why. "
            "starved is the machine's doing: more CPU, not other code.",
            width=QUARTER,
        ),
        lines(
            "Requests waiting, by culprit",
            "short",
            query(most(LOST, "route, site"), "{{site}} ({{route}})"),
            description="Lost request-seconds per second: how many requests, at any moment, wait "
            "for each piece of code that holds the loop. Mend the largest first.",
            width=HALF,
        ),
        lines(
            "Requests waiting, by victim",
            "short",
            query(
                most(REQUEST_TIME, "route", state="queued|stalled"),
                "{{route}}",
            ),
            description="Who pays: how many requests of each route, at any moment, wait in their "
            "socket or for somebody else's stall.",
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
            description="Processes over the time shown, by what requests lost to stalls. If all "
            "lose alike it is the code; if one does, look at its machine. Click an instance to "
            "diagnose it.",
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
