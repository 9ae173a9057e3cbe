"""Latencies of `timed` coroutines by label."""

from __future__ import annotations

from loopwatch.core.histogram import Histogram
from loopwatch.core.record_types import OTHER
from loopwatch.core.safe_text import label
from loopwatch.ledger.counts import Counts, Table

LABELS = 256


class LabelTable:
    """Latencies by label; written by one loop's thread."""

    def __init__(self) -> None:
        self._rows: Table[str, tuple[str, Counts]] = Table(LABELS, lambda: (OTHER, Counts()))

    @property
    def overflow(self) -> int:
        return self._rows.overflow

    def add(self, name: str, seconds: float) -> None:
        row = self._rows.find(name)
        if row is None:
            kept = label(name)
            row = self._rows.get(kept, lambda: (kept, Counts()))
        row[1].add(seconds)

    def readings(self) -> dict[str, Histogram]:
        return {name: counts.reading() for name, counts in self._rows}
