"""Quantiles of latencies."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Quantiles of latencies, s, by linear interpolation between the two nearest."""

    p50: float
    p90: float
    p99: float

    @classmethod
    def of(cls, latencies: Iterable[float], weights: Sequence[float] = ()) -> Quantiles:
        """Return the quantiles of at least one latency; without weights all count the same."""
        return cls(*quantiles((0.5, 0.9, 0.99), latencies, weights))

    def at_most(self, other: Quantiles) -> Quantiles:
        """Return the smaller one of each quantile."""
        return Quantiles(
            min(self.p50, other.p50), min(self.p90, other.p90), min(self.p99, other.p99)
        )


def quantiles(
    qs: Sequence[float], values: Iterable[float], weights: Sequence[float] = ()
) -> list[float]:
    """Return quantiles of one or more values, interpolated between the middles of their weights."""
    values = [*values]
    ordered = sorted(zip(values, weights or [1.0] * len(values), strict=True))
    sums = accumulate(w for _, w in ordered)
    middles = [a - w / 2 for a, (_, w) in zip(sums, ordered, strict=True)]
    return [_interpolated(ordered, middles, q) for q in qs]


def _interpolated(
    ordered: Sequence[tuple[float, float]], middles: Sequence[float], q: float
) -> float:
    at = middles[0] + q * (middles[-1] - middles[0])
    high = min(bisect_left(middles, at), len(ordered) - 1)
    low = max(0, high - 1)
    width = middles[high] - middles[low]
    share = (at - middles[low]) / width if width else 1.0
    return ordered[low][0] + (ordered[high][0] - ordered[low][0]) * share
