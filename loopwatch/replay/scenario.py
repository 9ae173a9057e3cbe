"""A recording made ready to be replayed: its steps as nodes, its requests with their answers."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import inf
from typing import NamedTuple

from loopwatch.core.breath import breathe
from loopwatch.core.recording import Recording
from loopwatch.replay.loop_model import LoopModel, Node, Place
from loopwatch.replay.ready_times import settled
from loopwatch.replay.shared_places import SharedPlaces, shared_places
from loopwatch.replay.wake_ups import WakeUps, is_result, wake_ups
from loopwatch.replay.worker_model import WaitingWorkers, WorkingWorkers

POLL_RUNS = ("uvloop",)


class Answer(NamedTuple):
    """The end of a request's latency."""

    route: str
    method: str
    arrived: float  # clock, s
    latency: float  # s, as it was
    step: int  # in which it was answered
    before: float  # s before that step's end


class Slow(NamedTuple):
    """A step that something held."""

    rest: float  # s that it takes the loop without that
    work: float  # s that are done elsewhere


@dataclass(frozen=True, slots=True)
class Scenario:
    """What can be replayed of a recording."""

    recording: Recording
    found: WakeUps
    ready: list[float]  # by step: s after its parent's end; without one, clock, s
    answers: tuple[Answer, ...]
    shared: list[SharedPlaces]

    @classmethod
    def of(cls, recording: Recording, since: float = 0.0) -> Scenario:
        """Return the scenario of a recording, with the requests that arrived after `since`."""
        found = wake_ups(recording)
        return cls(
            recording,
            found,
            settled(recording, found),
            tuple(answers(recording, since)),
            shared_places(recording, found),
        )

    @property
    def handed_over(self) -> set[int]:
        return {one.to for shared in self.shared for one in shared.handovers}

    def model(
        self,
        slow: Mapping[int, Slow],
        workers: WaitingWorkers | WorkingWorkers | None = None,
        places: Mapping[int, int] | None = None,
    ) -> LoopModel:
        """Return the model of the loop with some steps changed, and other numbers of places (by
        index in `shared`)."""
        nodes = self.nodes(slow)
        roots = [*self.link(nodes)]
        asks = {
            step: Place(number, to)
            for number, one in enumerate(self.shared)
            for step, to in one.asks.items()
        }
        gives = {step: n for n, one in enumerate(self.shared) for step in one.gives}
        sizes = [(places or {}).get(n, one.places) for n, one in enumerate(self.shared)]
        return LoopModel(
            nodes,
            roots,
            workers=workers,
            poll_runs=self.recording.loop in POLL_RUNS,
            pools=sizes,
            asks=asks,
            gives=gives,
        )

    def nodes(self, slow: Mapping[int, Slow]) -> list[Node]:
        found = []
        for index, step in enumerate(self.recording.steps):
            changed = slow.get(index)
            took = step.ended - step.started if changed is None else changed.rest
            work = changed.work if changed is not None else 0.0
            result = step.wake == "thread" or is_result(step)
            timer, since = step.wake == "timer", self.found.arrivals.get(index, -inf)
            found.append(Node(took, work=work, timer=timer, result=result, since=since))
        return found

    def link(self, nodes: list[Node]) -> Iterator[tuple[float, int]]:
        """Let nodes follow each other; return when those are ready that follow none."""
        handed_over = self.handed_over
        for index, link in enumerate(self.found.of):
            breathe()
            if link.parent < 0:
                yield self.ready[index], index
            elif link.soon and index not in handed_over:
                nodes[link.parent].soon.append(index)
            elif not link.soon:
                nodes[link.parent].later.append((self.ready[index], index))

    def latencies(self, model: LoopModel, slow: Mapping[int, Slow]) -> list[float]:
        """Return the latency (s) of each answer in a model that has run."""
        found = []
        for answer in self.answers:
            before = answer.before
            if answer.step in slow:
                before = min(before, slow[answer.step].rest)
            ended = model.ended[answer.step]
            found.append(ended - before - answer.arrived if ended < inf else inf)
        return found


def answers(recording: Recording, since: float) -> Iterator[Answer]:
    """Return the requests that arrived, and were answered, within a recording."""
    starts = [step.started for step in recording.steps]
    for request in recording.requests:
        if request.arrived < max(since, recording.since) or not request.finished:
            continue
        step = bisect_left(starts, request.finished) - 1
        if step < 0 or request.finished > recording.until:
            continue
        before = max(0.0, recording.steps[step].ended - request.finished)
        latency = request.finished - request.arrived
        yield Answer(request.route, request.method, request.arrived, latency, step, before)
