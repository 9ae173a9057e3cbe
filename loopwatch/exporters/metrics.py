"""The metrics, written once: what Prometheus and OpenTelemetry both tell.

Names are OpenTelemetry's; Prometheus has underscores for dots, the unit, and `_total`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple, TypeAlias

from loopwatch.core.histogram import PAUSE_EDGES, SECONDS_EDGES, Histogram
from loopwatch.core.record_types import NONE, Snapshot

Labels: TypeAlias = tuple[str, ...]
Value: TypeAlias = float | Histogram
Series: TypeAlias = dict["Metric", dict[Labels, Value]]


class Metric(NamedTuple):
    name: str
    kind: Literal["histogram", "counter", "gauge"]
    unit: Literal["s", ""]
    labels: Labels
    help: str
    edges: tuple[float, ...] = SECONDS_EDGES
    counted: str = ""  # what a number without a unit counts: OpenTelemetry's annotation

    @property
    def otel_unit(self) -> str:
        """The unit in UCUM: seconds, or what is counted; Prometheus leaves annotations out."""
        return f"{{{self.counted}}}" if self.counted else self.unit

    @property
    def is_additive(self) -> bool:
        """Whether a gauge counts things, so that the sum over processes means something."""
        return self.kind == "gauge" and bool(self.counted)

    @property
    def prometheus_name(self) -> str:
        name = self.name.replace(".", "_") + ("_seconds" if self.unit else "")
        return name + "_total" if self.kind == "counter" else name


STALL = Metric(
    "loopwatch.stall",
    "histogram",
    "s",
    ("route", "site", "cause"),
    "How long the event loop was held, each time it was held for slow_callback_duration or more.",
)
IN_PROGRESS = Metric(
    "loopwatch.stall.in_progress",
    "gauge",
    "s",
    ("route", "site"),
    "For how long the event loop has been held by now, while it is; no series otherwise.",
)
ALLOWED_STALL = Metric(
    "loopwatch.allowed_stall",
    "histogram",
    "s",
    ("site",),
    "How long stalls lasted that the option allow names, which no other metric counts.",
)
LOST = Metric(
    "loopwatch.lost_request",
    "counter",
    "s",
    ("route", "site"),
    "What requests waited for the stalls of others, by the culprit's route and site.",
)
REQUEST = Metric(
    "loopwatch.request",
    "histogram",
    "s",
    ("route", "method"),
    "Latency of requests, from the socket, as far as that is known, to the response's last byte.",
)
REQUEST_TIME = Metric(
    "loopwatch.request.time",
    "counter",
    "s",
    ("route", "state"),
    "Time of requests: queued in the socket, running own steps on the loop, stalled by others, "
    "waiting for all else; background is own steps after the response.",
)
STEP = Metric(
    "loopwatch.step",
    "histogram",
    "s",
    ("coroutine",),
    "How long single steps held the loop, by coroutine.",
)
COROUTINE = Metric(
    "loopwatch.coroutine",
    "histogram",
    "s",
    ("coroutine",),
    "Latency of coroutines marked with timed.",
)
LOOP_TIME = Metric(
    "loopwatch.loop.time",
    "counter",
    "s",
    ("state",),
    "Time of the event loop: busy in callbacks, idle in the poll.",
)
LOOP_LAG = Metric(
    "loopwatch.loop.lag",
    "histogram",
    "s",
    (),
    "How long a callback that becomes ready at a random moment waits; one for every 10 ms.",
)
GC_PAUSE = Metric(
    "loopwatch.gc.pause",
    "histogram",
    "s",
    ("generation",),
    "Pauses of the garbage collector.",
    PAUSE_EDGES,
)
TASKS = Metric("loopwatch.tasks", "gauge", "", (), "Tasks not done yet.", counted="task")
THREADS = Metric(
    "loopwatch.threadpool.threads",
    "gauge",
    "",
    ("state",),
    "Worker threads of anyio's limiter and the default executor: busy, idle (or free to start).",
    counted="thread",
)
THREADPOOL_WAITING = Metric(
    "loopwatch.threadpool.waiting",
    "gauge",
    "",
    (),
    "Calls waiting for a worker thread.",
    counted="call",
)
THREADPOOL_WAIT = Metric(
    "loopwatch.threadpool.wait",
    "counter",
    "s",
    ("route",),
    "What requests waited for a worker thread to be free: a part of their state waiting.",
)
WAIT = Metric(
    "loopwatch.wait",
    "counter",
    "s",
    ("route", "place", "resource"),
    "Where requests were suspended: a part of their state waiting, by the function that awaits.",
)
LOOP_BUSY = Metric(
    "loopwatch.loop.busy",
    "counter",
    "s",
    ("route", "site"),
    "The loop's busy time by function, estimated from samples at random moments.",
)
SELF = Metric("loopwatch.self", "counter", "s", (), "CPU time of loopwatch's own thread.")
DROPPED = Metric(
    "loopwatch.dropped",
    "counter",
    "",
    ("reason",),
    "What loopwatch could not keep: its own losses.",
    counted="item",
)
INFO = Metric(
    "loopwatch.info",
    "gauge",
    "",
    ("version", "loop", "layers"),
    "1: which layers loopwatch sees, on which loop.",
)

STATES = ("queued", "running", "stalled", "waiting", "background")  # fields of a reading

METRICS = (
    STALL,
    IN_PROGRESS,
    ALLOWED_STALL,
    LOST,
    REQUEST,
    REQUEST_TIME,
    STEP,
    COROUTINE,
    LOOP_TIME,
    LOOP_LAG,
    GC_PAUSE,
    TASKS,
    THREADS,
    THREADPOOL_WAITING,
    THREADPOOL_WAIT,
    WAIT,
    LOOP_BUSY,
    SELF,
    DROPPED,
    INFO,
)


def series(snapshot: Snapshot) -> Series:
    """Return every metric's values by label values, in the order of `METRICS`."""
    return {
        STALL: {(r.route, r.site, r.cause): r.stalls for r in snapshot.sites},
        IN_PROGRESS: added(
            ((s.route or NONE, s.site.function), s.duration) for s in snapshot.in_progress
        ),
        ALLOWED_STALL: added(((r.site,), r.stalls) for r in snapshot.allowed),
        LOST: added(((r.route, r.site), r.lost_request_seconds) for r in snapshot.sites),
        REQUEST: {
            (r.route, r.method): r.latency for r in snapshot.requests if r.method != "WEBSOCKET"
        },
        REQUEST_TIME: added(
            ((r.route, state), getattr(r, state)) for r in snapshot.requests for state in STATES
        ),
        STEP: {(name,): histogram for name, histogram in snapshot.steps},
        COROUTINE: {(name,): histogram for name, histogram in snapshot.timed},
        **loop_series(snapshot),
        GC_PAUSE: {(g,): histogram for g, histogram in snapshot.gc_pauses},
        TASKS: {(): float(sum(r.tasks for r in snapshot.loops))},
        THREADS: {
            ("busy",): float(snapshot.threadpool.busy),
            ("idle",): float(snapshot.threadpool.idle),
        },
        THREADPOOL_WAITING: {(): float(snapshot.threadpool.waiting)},
        THREADPOOL_WAIT: added(((r.route,), r.threadpool) for r in snapshot.requests),
        WAIT: added(((r.route, r.place.function, r.resource), r.seconds) for r in snapshot.waits),
        LOOP_BUSY: added(((r.route, r.site.function), r.seconds) for r in snapshot.loop_time),
        SELF: {(): snapshot.self_seconds},
        DROPPED: {(reason,): float(n) for reason, n in snapshot.dropped.items()},
        INFO: {(snapshot.version, r.loop, ",".join(r.layers)): 1.0 for r in snapshot.loops},
    }


def loop_series(snapshot: Snapshot) -> Series:
    """Return busy and idle time, absent where no loop tells them, and lag."""
    told = snapshot.busy + snapshot.idle > 0
    times: dict[Labels, Value] = {("busy",): snapshot.busy, ("idle",): snapshot.idle}
    return {LOOP_TIME: times if told else {}, LOOP_LAG: {(): snapshot.lag}}


def added(values: Iterable[tuple[Labels, Value]]) -> dict[Labels, Value]:
    """Return values by labels; those of the same labels are added up."""
    whole: dict[Labels, Value] = {}
    for labels, value in values:
        add(whole, labels, value)
    return whole


def add(values: dict[Labels, Value], labels: Labels, value: Value) -> None:
    """Add a value to those of the same labels."""
    before = values.get(labels)
    values[labels] = value if before is None else before + value  # type: ignore[operator]


def merged(parts: Iterable[Series]) -> Series:
    """Return several watches' series as one: the same labels are added up."""
    first, *rest = [*parts] or [{}]
    whole: Series = {metric: dict(first.get(metric, {})) for metric in METRICS}
    for part in rest:
        for metric, values in part.items():
            for labels, value in values.items():
                add(whole[metric], labels, value)
    for labels in whole[INFO]:
        whole[INFO][labels] = 1.0
    return whole
