"""loopwatch: diagnosis. Which code holds the loop, why, its victims, the state of the process."""

from __future__ import annotations

from deploy.dashboards.board import DIAGNOSIS, board
from deploy.dashboards.estimates import loop_time, waits
from deploy.dashboards.panels import HALF, QUARTER, THIRD, AnyPanel, heat, lines, query
from deploy.dashboards.queries import (
    COST,
    STATES,
    ceiling,
    culprits_lost,
    increase,
    mean,
    mean_time,
    mean_time_of_busiest,
    mean_times,
    most,
    of_culprits,
    quantile,
    rate,
    requests_served,
    selector,
    series,
    share_above,
    slowest,
    utilization,
)
from deploy.dashboards.tables import Column, bars, rows
from loopwatch.exporters.metrics import (
    ALLOWED_STALL,
    COROUTINE,
    DROPPED,
    GC_PAUSE,
    INFO,
    LOOP_LAG,
    REQUEST,
    SELF,
    STALL,
    STEP,
    THREADPOOL_WAIT,
    THREADPOOL_WAITING,
    THREADS,
)

DESCRIPTION = (
    "Which code holds the event loop, why, its victims, and the loop cost of each route. Choose "
    "one instance above to see one loop."
)
CPU = "process_cpu_seconds_total"  # prometheus_client's own
SLOW = 0.1  # s: slow_callback_duration's default, and an edge of every histogram in seconds


def requests() -> list[AnyPanel]:
    return [
        lines(
            "Where a request's time goes",
            "s",
            query(mean_times(), "{{state}}"),
            description="Mean latency of the routes chosen above, in its four parts. queued: in "
            "the socket, before the app began. running: own steps on the loop. stalled: ready, but "
            "another's stall held the loop. waiting: real I/O, timers, threads.",
            width=HALF,
            stacked=True,
        ),
        bars(
            "Where it goes, by route",
            "s",
            {"route": "Route"},
            tuple(Column(state, "s", mean_time_of_busiest(state)) for state in STATES),
            description="The same for the ten routes that took most time. Long queued or stalled: "
            "the route is a victim, fix the culprit below. Long running: the route itself holds "
            "the loop. Long waiting: its own I/O.",
        ),
        rows(
            "Loop cost and ceiling, by route",
            {"route": "Route"},
            (
                Column("Loop cost", "s", mean_time(COST), bar=True),
                Column("Ceiling", "reqps", ceiling()),
                Column("Served", "short", requests_served(increase)),
                Column("Latency p99", "s", quantile(0.99, REQUEST, "route", increase)),
            ),
            description="Loop cost: how long one request occupies the loop. Ceiling, 1 / loop "
            "cost: the most requests per second of one process that serves nothing else. "
            "To raise it, take work off the loop.",
            width=HALF,
        ),
        lines(
            "True latency, by route",
            "s",
            query(slowest(REQUEST, "route"), "{{route}}", exemplar=True),
            description="p99 of the ten slowest routes, from the socket to the last byte. Points "
            "are single requests with a trace; click one.",
            width=HALF,
        ),
    ]


def loop() -> list[AnyPanel]:
    return [
        heat(
            "Loop lag",
            "s",
            rate(LOOP_LAG, "le", "bucket"),
            description="How long callbacks that become ready at random moments wait. A band near "
            "the bottom is healthy; marks above the edge at 100 ms are stalls. Two bands: most "
            "moments are fine, but a rare event is not.",
        ),
        lines(
            "Loop lag, p50 and p99",
            "s",
            query(quantile(0.5, LOOP_LAG), "p50"),
            query(quantile(0.99, LOOP_LAG), "p99"),
            description="The same as numbers; the dashed line is 100 ms. p99 alone above it: rare, "
            "long stalls. p50 as well: the loop is overloaded.",
            width=HALF,
            limit=SLOW,
        ),
        lines(
            "Busy loop, busy process",
            "percentunit",
            query(utilization("instance"), "{{instance}} loop"),
            query(
                f"sum by (instance) (rate({selector(CPU)}[$__rate_interval]))", "{{instance}} CPU"
            ),
            description="Loop busy and CPU low: blocking calls, find them below. Both near 100 %: "
            "CPU bound, use processes. Neither, but the lag is high: the process is starved of "
            "CPU, look at its quota and other processes. CPU counts all threads: it may exceed 1.",
            width=HALF,
            limit=1.0,
        ),
        lines(
            "Moments that wait over 100 ms",
            "percentunit",
            query(share_above(LOOP_LAG, SLOW), "share of moments"),
            description="The share of moments at which a new request would have waited over 100 ms "
            "for the loop. 1 % is one request in a hundred, whatever route it is for.",
            width=HALF,
        ),
    ]


def culprits() -> list[AnyPanel]:
    place = "route, site"
    return [
        rows(
            "Culprits",
            {"site": "Site", "route": "Route", "cause": "Cause"},
            (
                Column("Lost request-seconds", "s", culprits_lost(), bar=True),
                Column("Stalls", "short", of_culprits(increase(STALL, place, "count"))),
                Column("Held", "s", of_culprits(increase(STALL, place, "sum"))),
                Column("Mean stall", "s", of_culprits(f"({mean(STALL, place)})")),
            ),
            description="Code that held the loop, ranked by the time requests lost to it: fix the "
            "first row first. Cause is the cause of most of its time. Line and advice are in the "
            "log, in traces and on loopwatch's page. A single stall may be only there: Prometheus "
            "counts from a series' second reading on.",
        ),
        lines(
            "Loop held, by site",
            "percentunit",
            query(most(STALL, "site", "sum"), "{{site}}"),
            query(rate(ALLOWED_STALL, "site", "sum"), "{{site}} (allowed)"),
            description="Share of time that each site's stalls hold the loop, summed over the "
            "instances; allowed ones are counted nowhere else. Stalls that begin with a deployment "
            "show what changed.",
            width=HALF,
            stacked=True,
        ),
        lines(
            "Loop held, by cause",
            "percentunit",
            query(rate(STALL, "cause", "sum"), "{{cause}}"),
            description="Causes, and what to use. blocking_call: an async library or a thread. "
            "cpu: a process. native_gil: a process, a thread does not help. gil_contention: look "
            "at other threads. gc: see below. import: import at the start. starved: more CPU.",
            width=QUARTER,
            stacked=True,
        ),
        lines(
            "Length of stalls",
            "s",
            query(quantile(0.5, STALL), "p50", exemplar=True),
            query(quantile(0.99, STALL), "p99", exemplar=True),
            description="How long the loop was held each time. Points are single stalls; click one "
            "for its trace, which has the line. No curve means no stall.",
            width=QUARTER,
        ),
    ]


def runtime() -> list[AnyPanel]:
    waiting = selector(THREADPOOL_WAITING.prometheus_name)
    return [
        lines(
            "Timed coroutines, p99",
            "s",
            query(slowest(COROUTINE, "coroutine"), "{{coroutine}}"),
            description="Latency of coroutines marked with loopwatch's timed, waiting included. "
            "Mark the coroutines that you suspect; without marks, this stays empty.",
            width=HALF,
        ),
        lines(
            "Steps, p99",
            "s",
            query(slowest(STEP, "coroutine"), "{{coroutine}}"),
            description="How long single steps of each coroutine hold the loop. Above the dashed "
            "line they are stalls; well below it, many of them can still fill the loop.",
            width=HALF,
            limit=SLOW,
        ),
        lines(
            "Threads",
            "short",
            query(f"sum by (state) ({series(THREADS)})", "{{state}}"),
            query(f"sum({waiting})", "calls waiting"),
            description="Worker threads of anyio and the default executor, busy and free, and "
            "calls that wait for one. Calls waiting and none idle: raise the limit, or make def "
            "routes async.",
            width=QUARTER,
            stacked=True,
        ),
        lines(
            "Waiting for a thread, by route",
            "short",
            query(most(THREADPOOL_WAIT, "route"), "{{route}}"),
            description="How many requests of each route, at any moment, wait for a worker thread "
            "to be free: a part of their state waiting, not caused by the loop.",
            width=QUARTER,
        ),
        lines(
            "Garbage collector, of the time",
            "percentunit",
            query(rate(GC_PAUSE, "generation", "sum"), "generation {{generation}}"),
            description="Time the garbage collector stops the process, summed over the instances. "
            "Over 1 %: fewer objects, or gc.freeze() after start-up.",
            width=QUARTER,
            stacked=True,
        ),
        lines(
            "Garbage collector, pauses p99",
            "s",
            query(quantile(0.99, GC_PAUSE, "generation"), "generation {{generation}}"),
            description="How long single pauses are. A long one of generation 2 stops every "
            "request: gc.freeze() after start-up, or collect when idle.",
            width=QUARTER,
            limit=SLOW,
        ),
    ]


def own() -> list[AnyPanel]:
    return [
        lines(
            "loopwatch's own CPU",
            "percentunit",
            query(rate(SELF, "instance"), "{{instance}}"),
            description="CPU time of loopwatch's watchdog thread, as a share of one core. More "
            "than a few percent is worth a report.",
        ),
        lines(
            "Left out by loopwatch",
            "cps",
            query(rate(DROPPED, "reason"), "{{reason}}"),
            description="What loopwatch could not keep or report, per second, by reason. If it is "
            "not 0, the numbers above are incomplete: see Bounds in its documentation.",
        ),
        rows(
            "What loopwatch sees",
            {"instance": "Instance", "loop": "Loop", "layers": "Layers", "version": "Version"},
            (
                Column(
                    "Loops",
                    "short",
                    f"sum by (instance, loop, layers, version) ({series(INFO)})",
                ),
            ),
            description="Which event loop each process runs, and which layers loopwatch sees. Some "
            "panels stay empty on loops where it does not see all.",
            width=THIRD,
        ),
    ]


def dashboard() -> str:
    return board(
        DIAGNOSIS,
        DESCRIPTION,
        [
            ("Requests: who pays", requests()),
            ("Loop: how busy, how late", loop()),
            ("Culprits: who holds it, and why", culprits()),
            ("Waits: what requests wait for", waits()),
            ("Busy time: which lines fill the loop", loop_time()),
            ("Coroutines, threads, garbage", runtime()),
            ("loopwatch itself", own()),
        ],
    )
