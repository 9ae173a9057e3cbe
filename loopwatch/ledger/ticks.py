"""Lag, from the duration of ticks: how long a callback waits that becomes ready at random.

Whoever becomes ready in a tick that is busy for d seconds waits uniformly between 0 and d; who
becomes ready in the poll waits for nothing. So a tick of d adds, to every bucket (a, b], as many
seconds of time as the part of (0, d] that falls into it, and d squared / 2 to the sum. This is
exact, where a heartbeat's lateness is not (coordinated omission).

`OBSERVATIONS` per second turn time into counts: as if something became ready every 10 ms.
"""

from __future__ import annotations

from loopwatch.records import SECONDS_EDGES, Histogram

OBSERVATIONS = 100.0  # per second of time
FIRST = SECONDS_EDGES[0]


class Ticks:
    """The ticks longer than the first edge; shorter ones need only `squares`."""

    __slots__ = ("seconds", "squares", "weights")

    def __init__(self) -> None:
        self.seconds = [0.0] * (len(SECONDS_EDGES) + 1)  # of time, by bucket of the wait
        self.weights = [0.0] * (len(SECONDS_EDGES) + 1)  # wait x time, by bucket
        self.squares = 0.0  # of ticks within the first edge

    def add(self, tick: float, times: int = 1) -> None:
        """File `times` ticks that were busy for `tick` seconds each."""
        if tick <= FIRST:
            self.squares += tick * tick * times
            return
        low = 0.0
        for bucket, edge in enumerate((*SECONDS_EDGES, tick)):
            high = min(edge, tick)
            self.seconds[bucket] += (high - low) * times
            self.weights[bucket] += (high * high - low * low) / 2 * times
            if edge >= tick:
                return
            low = edge


def lag(wall: float, squares: float, *tables: Ticks) -> Histogram:
    """Return the lag over `wall` seconds; `squares` is that of ticks within the first edge."""
    seconds = [sum(column) for column in zip(*(t.seconds for t in tables), strict=True)]
    weights = [sum(column) for column in zip(*(t.weights for t in tables), strict=True)]
    seconds[0] = max(0.0, wall - sum(seconds[1:]))
    weights[0] += (squares + sum(t.squares for t in tables)) / 2
    counts, before, total = [], 0, 0.0
    for part in seconds:  # whole numbers that never fall, whatever the fractions do
        total += part
        upto = int(total * OBSERVATIONS)
        counts.append(upto - before)
        before = upto
    return Histogram(SECONDS_EDGES, tuple(counts), tuple(w * OBSERVATIONS for w in weights))
