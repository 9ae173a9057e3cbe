"""The share of steps that a site took: what a replay takes off the loop.

A stall names the site of one step. The same line may hold the loop for a little less than the
threshold another time, and nobody looks then. So a step counts as held by the site, too, if it is
alike (the same route, coroutine and position in its task) and took at least half as long as such
stalls usually do. Without the site, a step takes what the shorter steps alike take, if these are
half of all: fewer may be the same call with less to do. Otherwise it takes next to nothing.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable
from statistics import median
from typing import NamedTuple

from loopwatch.core.breath import breathe
from loopwatch.core.record_types import Stall
from loopwatch.core.recording import RecordedStep, Recording
from loopwatch.replay.scenario import Slow

LIKE = 0.5  # of the usual duration of a site's stalls, from which a step alike is held by it
COVERED = 0.5  # of a stall, by one step: else the stall was one of many callbacks
LEAST = 0.0001  # s: what a step takes without its site, if nothing tells
SLACK = 0.002  # s between a stall's beginning by the Unix clock and by the loop's


class Alike(NamedTuple):
    """Steps that do the same."""

    route: str
    name: str  # of the coroutine or callback
    position: int  # in its task


def steps_of(recording: Recording, stalls: Iterable[Stall]) -> dict[int, Stall]:
    """Return the step of each stall that the recording has."""
    starts = [step.started for step in recording.steps]
    found = {}
    for stall in stalls:
        began = stall.started_at - recording.unix
        first = max(0, bisect_right(starts, began + SLACK) - 2)
        last = bisect_right(starts, began + stall.duration)
        rows = range(first, last)
        best = max(rows, key=lambda n: overlap(recording.steps[n], began, stall), default=None)
        if best is not None and covers(recording.steps[best], began, stall):
            found[best] = stall
    return found


def overlap(step: RecordedStep, began: float, stall: Stall) -> float:
    return min(step.ended, began + stall.duration) - max(step.started, began)


def covers(step: RecordedStep, began: float, stall: Stall) -> bool:
    return overlap(step, began, stall) >= COVERED * stall.duration


def slow_steps(recording: Recording, stalls: Iterable[Stall]) -> dict[int, Slow]:
    """Return the steps that the sites of some stalls held, and what of each is the sites'."""
    known = steps_of(recording, stalls)
    if not known:
        return {}
    groups = defaultdict(list)
    alike = alike_steps(recording)
    for index in known:
        groups[alike(index)].append(index)
    others = defaultdict(list)
    for index in range(len(recording.steps)):
        breathe()
        if (kind := alike(index)) in groups:
            others[kind].append(index)
    found = {}
    for kind, mine in groups.items():
        found.update(held(recording, others[kind], mine))
    return found


def held(recording: Recording, alike: list[int], known: list[int]) -> dict[int, Slow]:
    """Return which steps alike a site held, if it is known of some."""
    took = {index: seconds(recording.steps[index]) for index in alike}
    usual = median(took[index] for index in known)
    short = [each for each in took.values() if each < LIKE * usual]
    rest = median(short) if 2 * len(short) >= len(took) else LEAST
    sure = {*known}
    return {
        index: Slow(min(rest, each), max(0.0, each - rest))
        for index, each in took.items()
        if index in sure or each >= LIKE * usual
    }


def seconds(step: RecordedStep) -> float:
    return step.ended - step.started


def alike_steps(recording: Recording) -> Callable[[int], Alike]:
    """Return a function that says which steps are alike, by index."""
    routes = {request.serial: request.route for request in recording.requests}
    passed: defaultdict[tuple[int, int, str], int] = defaultdict(int)
    kinds = []
    for step in recording.steps:
        name = step.name if step.kind != "request" else "request"
        mine = step.request, step.task, "" if step.task else name
        kinds.append(Alike(routes.get(step.request, ""), name, passed[mine] if step.request else 0))
        passed[mine] += 1
    return kinds.__getitem__
