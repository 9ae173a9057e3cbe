"""Which step of a recording made which other one ready, and how long before.

A step is ready at the end of the step that scheduled it, unless a poll came between. Then it ends a
wait: of a task for a timer, a socket or a thread. Such a wait begins where that task was suspended,
so a replay lets it begin there again. An arrival is the beginning of a request: nothing in the
process makes it ready, so it keeps its moment. So does what nobody can tell the reason of.

What the poll returned when the loop had just been waiting became ready at that moment. After a poll
that did not wait, it became ready at some moment since the poll before: only bounds are known,
unless it is a timer, or a request of which the kernel knows the age. A timer comes as late as it
usually does when the loop sleeps.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple

from loopwatch.core.breath import breathe
from loopwatch.core.recording import RecordedStep, Recording
from loopwatch.replay.new_connections import set_ups

WAITED = 0.00005  # s of a poll from which the loop has slept in it
REACH = 8  # steps that one wake-up leads to, searched for the task that waited

RESULTS = (  # the callbacks with which anyio's and asyncio's worker threads tell their results
    "WorkerThread._report_result",
    "_chain_future.<locals>._set_state",
)

Owner = tuple[int, int, str]  # request, task, coroutine: a number of a task is used again


class WakeUp(NamedTuple):
    """What made a step ready."""

    parent: int  # the step after which it was; -1: none, the moment stands by itself
    soon: bool  # it was ready at that step's end
    least: float  # otherwise: s after that end; without a parent: clock, s
    most: float  # the same if it is known exactly


@dataclass(frozen=True, slots=True)
class WakeUps:
    """The wake-ups of all steps of a recording."""

    of: list[WakeUp]  # by step
    waiters: list[Owner | None]  # by step: whose wait it ends
    owned: dict[Owner, list[int]]  # the steps of each task, and of each request's own
    arrivals: dict[int, float]  # clock, s: of the request that a poll found, by step
    unknown: float  # s of the steps of which nobody knows what made them ready


def wake_ups(recording: Recording) -> WakeUps:
    """Return what made each step of a recording ready."""
    return Linking(recording).linked()


def owner(step: RecordedStep) -> Owner | None:
    """Return the task whose step it is; None for a plain callback."""
    if step.kind == "request":
        return step.request, 0, ""
    return (step.request, step.task, step.name) if step.task else None


def is_result(step: RecordedStep) -> bool:
    """Return whether a worker thread has put a step in line. If it did so while another step ran,
    the recorder takes it for that step's."""
    return step.kind == "callback" and step.name.endswith(RESULTS)


class Linking:
    """The search for what made steps ready."""

    def __init__(self, recording: Recording) -> None:
        self.steps = recording.steps
        self.since = recording.since
        self.polls = recording.polls
        self.poll_ends = [poll.ended for poll in recording.polls]
        self.owned: dict[Owner, list[int]] = defaultdict(list)
        self.woken: dict[int, list[int]] = defaultdict(list)
        for index, step in enumerate(self.steps):
            breathe()
            if (mine := owner(step)) is not None:
                self.owned[mine].append(index)
            if self.is_soon(index):
                self.woken[step.by].append(index)
        self.arrivals = self.find_arrivals(recording)
        self.set_ups = set_ups(self.steps, self.arrivals, self.bounds, self.origin)
        for reading, set_up in self.set_ups.items():
            accepted, arrived = self.origin(set_up), self.arrivals[reading]
            self.arrivals[accepted] = min(arrived, self.arrivals.get(accepted, arrived))
        self.late = self.lateness()

    def is_soon(self, index: int) -> bool:
        step = self.steps[index]
        return step.wake == "soon" and 0 <= step.by < index and not is_result(step)

    def origin(self, index: int) -> int:
        """Return the step that a poll returned, and that led to another one at once."""
        while self.is_soon(index):
            index = self.steps[index].by
        return index

    def find_arrivals(self, recording: Recording) -> dict[int, float]:
        """Return the moments (clock, s) at which requests arrived, by the step that the poll
        returned for it."""
        found: dict[int, float] = {}
        for request in recording.requests:
            mine = self.owned.get((request.serial, 0, ""))
            if not mine or request.started < self.since:
                continue
            index = self.origin(mine[0])
            found[index] = min(request.arrived, found.get(index, request.arrived))
        return found

    def lateness(self) -> float:
        """Return how late the poll is for a timer, s: a poll counts whole milliseconds."""
        late = []
        for index, step in enumerate(self.steps):
            if step.due:
                least, most = self.bounds(index)
                late += [most - step.due] if least == most else []
        return max(0.0, median(late)) if late else 0.0

    def linked(self) -> WakeUps:
        links, waiters, unknown = [], [], 0.0
        for index, step in enumerate(self.steps):
            breathe()
            waiter = None
            if self.is_soon(index):
                links.append(WakeUp(step.by, True, 0.0, 0.0))
            else:
                waiter, link = self.from_poll(index)
                links.append(link)
                if link.parent < 0 and not step.wake and index not in self.arrivals:
                    unknown += step.ended - step.started
            waiters.append(waiter)
        return WakeUps(links, waiters, dict(self.owned), self.arrivals, unknown)

    def from_poll(self, index: int) -> tuple[Owner | None, WakeUp]:
        """Return whose wait a step ends that no other step has made ready, and its wake-up."""
        least, most = self.bounds(index)
        if (set_up := self.set_ups.get(index)) is not None:
            return None, WakeUp(set_up, False, 0.0, 0.0)
        if (arrived := self.arrivals.get(index)) is not None:
            moment = min(arrived, most)
            return None, WakeUp(-1, False, moment, moment)
        step = self.steps[index]
        if (step.wake == "thread" or is_result(step)) and step.made:
            least = most = step.made
        elif due := step.due:
            least = most = least if least == most else min(due + self.late, most)
        waiter, parent = self.suspended(index)
        if parent < 0:
            return None, WakeUp(-1, False, least, most)
        ended = self.steps[parent].ended
        return waiter, WakeUp(parent, False, max(0.0, least - ended), max(0.0, most - ended))

    def bounds(self, index: int) -> tuple[float, float]:
        """Return between which moments (clock, s) the poll's finding became ready."""
        started = self.steps[index].started
        poll = bisect_right(self.poll_ends, started + 1e-9) - 1
        if poll < 0:
            return self.since, started
        most = self.polls[poll].ended
        if most - self.polls[poll].started > WAITED:
            return most, most
        return (self.poll_ends[poll - 1] if poll else self.since), most

    def suspended(self, index: int) -> tuple[Owner | None, int]:
        """Return the task that a wake-up leads to, and the step in which it was suspended."""
        setter = self.steps[index].by if self.steps[index].due else -1
        queue = [index]
        for at in queue:
            mine = owner(self.steps[at])
            before = self.before(mine, index) if mine is not None else -1
            if before >= 0:
                return mine, before if setter < 0 else setter
            if len(queue) < REACH:
                queue.extend(self.woken.get(at, ()))
        return None, setter

    def before(self, mine: Owner, index: int) -> int:
        """Return the last step of a task before another step; -1 if there is none."""
        steps = self.owned[mine]
        place = bisect_left(steps, index)
        return steps[place - 1] if place else -1
