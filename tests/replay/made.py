"""Recordings of made loops: a model of an app runs, and what a flight recorder would have of it.

The model knows the truth: what latency is with other steps, without a culprit, or with more places.
A replay gets the recording alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from loopwatch.core.record_types import Site, Stall
from loopwatch.core.recording import RecordedPoll, RecordedRequest, RecordedStep, Recording
from loopwatch.replay.loop_model import LoopModel, Node, Place
from loopwatch.replay.worker_model import WaitingWorkers, WorkingWorkers

READ, TIMER = 0.00005, 0.00002  # s: of a callback that reads a socket, or wakes a task


@dataclass(frozen=True)
class Made:
    """One kind of request: it runs, then for each wait takes a place, waits, and runs again."""

    route: str
    runs: float = 0.0005  # s of its first step
    waits: Sequence[float] = ()  # s
    after: float = 0.0003  # s of each step after a wait
    pool: int | None = None  # of which it takes a place before its first wait, until it has passed
    second: int | None = None  # the same before its second wait
    held: float = 0.0  # s of its first step that are a culprit's


@dataclass
class App:
    """Nodes of requests, and what is known of each."""

    nodes: list[Node] = field(default_factory=list)
    roots: list[tuple[float, int]] = field(default_factory=list)
    meta: list[tuple[str, str, int, float]] = field(
        default_factory=list
    )  # kind, wake, request, due
    asks: dict[int, Place] = field(default_factory=dict)
    gives: dict[int, int] = field(default_factory=dict)
    requests: list[tuple[Made, float, int, int]] = field(default_factory=list)

    def node(self, took: float, kind: str, wake: str, request: int, after: float = 0.0) -> int:
        self.nodes.append(Node(took, timer=wake == "timer"))
        self.meta.append((kind, wake, request, after))
        return len(self.nodes) - 1

    def request(self, made: Made, arrived: float, *, held: bool = True, work: float = 0.0) -> None:
        serial = len(self.requests) + 1
        read = self.node(READ, "callback", "io", 0)
        self.roots.append((arrived, read))
        first = last = self.node(made.runs + made.held * held, "request", "soon", serial)
        self.nodes[first].work = work
        self.nodes[read].soon.append(first)
        for number, wait in enumerate(made.waits):
            timer = self.node(TIMER, "callback", "timer", serial, wait)
            step = self.node(made.after, "request", "soon", serial)
            pool = (made.pool, made.second, None)[min(number, 2)]
            if pool is not None:
                granted = self.node(made.after, "request", "soon", serial)
                self.asks[last] = Place(pool, granted)
                self.gives[step] = pool
                last = granted
            self.nodes[last].later.append((wait, timer))
            self.nodes[timer].soon.append(step)
            last = step
        self.requests.append((made, arrived, first, last))


class RecordedLoop(LoopModel):
    """A model that notes what it does."""

    def __init__(self, app: App, pools: Sequence[int], workers: object, poll_runs: bool) -> None:
        assert workers is None or isinstance(workers, WaitingWorkers | WorkingWorkers)
        super().__init__(
            app.nodes,
            app.roots,
            workers=workers,
            poll_runs=poll_runs,
            pools=pools,
            asks=app.asks,
            gives=app.gives,
        )
        self.app = app
        self.order: list[tuple[int, float, float]] = []
        self.polls: list[RecordedPoll] = []
        self.by: dict[int, int] = {}
        self.due: dict[int, float] = {}

    def poll(self) -> bool:
        began, at = self.now, len(self.polls)
        self.polls.append(RecordedPoll(began, began))
        count = len(self.order)
        found = super().poll()
        ended = self.order[count][1] if len(self.order) > count else self.now
        self.polls[at] = RecordedPoll(began, ended)
        return found

    def go_on(self, index: int, place: Place | None) -> None:
        """As a semaphore does it: who finds a place free goes on within the same step."""
        super().go_on(index, None)
        if place is not None and place.waiter is not None:
            self.schedule(place.waiter)

    def step(self, index: int) -> None:
        began = self.now
        before = len(self.ready)
        coming = {child for _, child in (*self.coming, *self.timers)}
        super().step(index)
        self.order.append((index, began, self.now))
        for child in [*self.ready][before:]:
            self.by.setdefault(child, index)
        for when, child in (*self.coming, *self.timers):
            if child not in coming and child != index:
                self.due[child] = when
                self.by.setdefault(child, index)


def run(
    app: App,
    pools: Sequence[int] = (),
    workers: WaitingWorkers | WorkingWorkers | None = None,
    loop: str = "asyncio",
) -> RecordedLoop:
    """Run an app's model to its end."""
    model = RecordedLoop(app, pools, workers, loop == "uvloop")
    model.run()
    return model


def latencies(model: RecordedLoop, route: str) -> list[float]:
    """Return the true latencies of a route, s."""
    return [
        model.ended[last] - arrived
        for made, arrived, _, last in model.app.requests
        if made.route == route
    ]


def recording(model: RecordedLoop, loop: str = "asyncio") -> Recording:
    """Return what a flight recorder has of it."""
    places = {index: place for place, (index, _, _) in enumerate(model.order)}
    steps = []
    for index, began, ended in model.order:
        kind, wake, request, _ = model.app.meta[index]
        due = model.due.get(index, 0.0) if wake == "timer" else 0.0
        by = places.get(model.by.get(index, -1), -1) if wake != "io" else -1
        name = "" if kind == "request" else "callback"
        steps.append(RecordedStep(began, ended, kind, wake, request, 0, name, 0.0, due, by))  # type: ignore[arg-type]
    starts = {index: at for index, at, _ in model.order}
    requests = tuple(
        RecordedRequest(
            number,
            "GET",
            made.route,
            arrived,
            starts[first],
            model.ended[last],
            *(model.ended[last], 0.0, 0.0, 0.0),
        )
        for number, (made, arrived, first, last) in enumerate(model.app.requests, 1)
    )
    return Recording(
        loop, "main", 1, 1e9, 0.0, model.now + 1.0, tuple(steps), tuple(model.polls), requests,
        (), (), False,
    )  # fmt: skip


def stalls(model: RecordedLoop, cause: str = "blocking_call", least: float = 0.1) -> list[Stall]:
    """Return the stalls that a watch has seen."""
    return [
        Stall(started_at=began + 1e9, duration=ended - began, cause=cause, site=Site("app.slow"))  # type: ignore[arg-type]
        for index, began, ended in model.order
        if ended - began >= least
    ]
