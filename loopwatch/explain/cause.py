"""Why the loop was held, from evidence only; `unknown` where there is too little.

The loop thread's CPU time between the first photograph and the end of the step, over the wall time
between the two: near one is code on the CPU, near zero in one and the same place is a wait.
"""

from __future__ import annotations

from loopwatch.evidence import Slow
from loopwatch.records import Cause

BUSY, PARKED = 0.8, 0.1  # CPU seconds per second
SHORTEST = 0.01  # s of wall time that the comparison must span


def cause(slow: Slow) -> Cause:
    """Return `cpu`, `blocking_call` or `unknown`."""
    timely = [s for s in slow.samples if not s.late and s.cpu]
    if not timely or not slow.cpu:
        return "unknown"
    first = timely[0]
    wall = slow.ended - first.at
    if wall < SHORTEST:
        return "unknown"
    share = (slow.cpu - first.cpu) / wall
    if share >= BUSY:
        return "cpu"
    if share <= PARKED and len({s.spots[:1] for s in timely}) == 1:
        return "blocking_call"
    return "unknown"
