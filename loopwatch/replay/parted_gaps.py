"""Gaps of a recording, parted: one for each callback that it has put in line.

On uvloop a gap is all that the loop itself ran between two steps, such as the reading of several
sockets. What was read there arrived at different moments, so a replay needs each by itself.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise

from loopwatch.core.breath import breathe
from loopwatch.core.recording import RecordedStep, Recording


def parted(recording: Recording) -> Recording:
    """Return a recording in which no gap has put more than one callback in line; its parts are
    equally long."""
    counts: defaultdict[int, int] = defaultdict(int)
    for step in recording.steps:
        if step.wake == "soon":
            counts[step.by] += 1
    steps: list[RecordedStep] = []
    firsts: list[int] = []  # of a step's parts
    used: defaultdict[int, int] = defaultdict(int)
    for index, step in enumerate(recording.steps):
        breathe()
        by = firsts[step.by] if 0 <= step.by < index else -1
        if by >= 0 and step.wake == "soon" and recording.steps[step.by].kind == "gap":
            by += used[step.by]
            used[step.by] += 1
        firsts.append(len(steps))
        steps += parts(step._replace(by=by), counts[index] if step.kind == "gap" else 1)
    return recording._replace(steps=tuple(steps))


def parts(step: RecordedStep, count: int) -> list[RecordedStep]:
    """Return a step in `count` equal parts, at least one."""
    if count < 2:
        return [step]
    length = (step.ended - step.started) / count
    moments = [step.started + length * n for n in range(count)] + [step.ended]
    return [step._replace(started=began, ended=ended) for began, ended in pairwise(moments)]
