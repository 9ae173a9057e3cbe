"""Requests on connections that were not open yet.

While the loop is held, a client connects and sends a request. The loop then accepts the connection,
sets it up in its next ticks, and reads the request in the poll after that. So what made the reading
ready is the set-up, and not the arrival, which was before. The acceptance has the moment of the
arrival.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from loopwatch.core.recording import RecordedStep

SURE = 0.001  # s before the poll before, at least, at which the request has arrived
READS = "._add_reader"  # the callback in which asyncio begins to read a connection
REACH = 256  # steps before the reading that are searched for the set-up


def set_ups(
    steps: Sequence[RecordedStep],
    arrivals: Mapping[int, float],
    bounds: Callable[[int], tuple[float, float]],
    origin: Callable[[int], int],
) -> dict[int, int]:
    """Return the step that made a reading ready, of readings whose request had arrived before the
    poll before. `origin` gives the step that a poll returned, behind a step."""
    used: set[int] = set()
    found: dict[int, int] = {}
    for reading, arrived in sorted(arrivals.items()):
        least, _ = bounds(reading)
        if arrived >= least - SURE:
            continue
        for step in candidates(steps, reading, least):
            accepted = origin(step)
            fits = is_acceptance(steps[accepted]) and bounds(accepted)[1] >= arrived
            if step not in used and accepted not in arrivals and fits:
                used.add(step)
                found[reading] = step
                break
    return found


def is_acceptance(step: RecordedStep) -> bool:
    """Return whether a poll may have returned a step for a socket that listens."""
    return step.wake == "io" and not step.request


def candidates(steps: Sequence[RecordedStep], reading: int, since: float) -> list[int]:
    """Return the steps between the poll before and a reading that may have set its connection up,
    in order: where asyncio begins to read; on uvloop, gaps; else callbacks of no request."""
    ran = []
    for index in range(max(0, reading - REACH), reading):
        step = steps[index]
        if step.started >= since - 1e-9 and not step.request and step.kind in ("callback", "gap"):
            ran.append(index)
    reads = [index for index in ran if steps[index].name.endswith(READS)]
    gaps = [index for index in ran if steps[index].kind == "gap"]
    return reads or gaps or [index for index in ran if steps[index].wake == "soon"]
