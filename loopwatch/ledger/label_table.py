"""Latencies of `timed` coroutines by label."""

from __future__ import annotations

from loopwatch.core.histogram import Histogram
from loopwatch.core.record_types import OTHER
from loopwatch.ledger.counts import Counts, Table

LABELS = 256


class LabelTable:
    """Latencies by label; written by one loop's thread."""

    def __init__(self) -> None:
        self._rows: Table[str, tuple[str, Counts]] = Table(LABELS, lambda: (OTHER, Counts()))

    @property
    def overflow(self) -> int:
        return self._rows.overflow

    def add(self, label: str, seconds: float) -> None:
        self._rows.get(label, lambda: (label, Counts()))[1].add(seconds)

    def readings(self) -> dict[str, Histogram]:
        return {label: counts.reading() for label, counts in self._rows}
