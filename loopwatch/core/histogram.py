"""A histogram of durations, as frozen plain data."""

from __future__ import annotations

from dataclasses import dataclass, field

from loopwatch.core.exemplars import Exemplar, latest
from loopwatch.core.plain import BULKY

SECONDS_EDGES = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
PAUSE_EDGES = (0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0)


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts by bucket: `counts[i]` is for (`edges[i-1]`, `edges[i]`], the last for the rest."""

    edges: tuple[float, ...]  # upper bounds, s
    counts: tuple[int, ...]  # not cumulative; one more than edges
    sums: tuple[float, ...]  # s, by bucket
    exemplars: tuple[Exemplar, ...] = field(default=(), repr=False, metadata={BULKY: True})

    @classmethod
    def empty(cls, edges: tuple[float, ...]) -> Histogram:
        size = len(edges) + 1
        return cls(edges, (0,) * size, (0.0,) * size)

    @classmethod
    def of_first(cls, edges: tuple[float, ...], count: int, total: float) -> Histogram:
        """Return a histogram whose values are all in the first bucket; `total` is in seconds."""
        rest = len(edges)
        return cls(edges, (count, *(0,) * rest), (total, *(0.0,) * rest))

    @property
    def count(self) -> int:
        return sum(self.counts)

    @property
    def sum(self) -> float:
        return sum(self.sums)

    def quantile(self, q: float) -> float:
        """Return the q-quantile in seconds by linear interpolation, as PromQL's
        `histogram_quantile` does; the last edge for values beyond it; 0.0 when empty. Raises
        ValueError if q is not from 0 to 1."""
        if not 0.0 <= q <= 1.0:
            raise ValueError(f"q must be between 0 and 1, got {q!r}")
        rank, seen, low = q * self.count, 0, 0.0
        for edge, count in zip(self.edges, self.counts, strict=False):
            if count and seen + count >= rank:
                return low + (edge - low) * (rank - seen) / count
            seen, low = seen + count, edge
        return low if seen or self.counts[-1] else 0.0

    def __add__(self, other: Histogram) -> Histogram:
        return Histogram(
            self.edges,
            tuple(a + b for a, b in zip(self.counts, other.counts, strict=True)),
            tuple(a + b for a, b in zip(self.sums, other.sums, strict=True)),
            tuple(latest(self.edges, (*self.exemplars, *other.exemplars)).values()),
        )

    def __sub__(self, earlier: Histogram) -> Histogram:
        """Return what was added since an earlier reading of the same histogram; never negative."""
        return Histogram(
            self.edges,
            tuple(max(0, a - b) for a, b in zip(self.counts, earlier.counts, strict=True)),
            tuple(max(0.0, a - b) for a, b in zip(self.sums, earlier.sums, strict=True)),
        )
