"""Garbage collector pauses by generation."""

from __future__ import annotations

from loopwatch.core.histogram import PAUSE_EDGES, Histogram
from loopwatch.ledger.counts import Counts


class PauseTable:
    """Pauses by generation; the collecting thread writes, one at a time."""

    def __init__(self) -> None:
        self._rows = tuple(Counts(PAUSE_EDGES) for _ in range(3))

    def add(self, generation: int, seconds: float) -> None:
        self._rows[generation].add(seconds)

    def readings(self) -> tuple[tuple[str, Histogram], ...]:
        return tuple((str(g), row.reading()) for g, row in enumerate(self._rows))
