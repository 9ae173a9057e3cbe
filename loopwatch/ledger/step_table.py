"""Steps by coroutine. Short steps only add to two numbers; long ones go into buckets."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from loopwatch.core.histogram import SECONDS_EDGES, Histogram
from loopwatch.core.names import callable_name, coroutine_code, coroutine_name
from loopwatch.core.record_types import NONE, OTHER
from loopwatch.core.safe_text import label
from loopwatch.core.speedups import speedups
from loopwatch.core.task_context import task_coroutine
from loopwatch.ledger.counts import Table

COROUTINES = 256
FIRST = SECONDS_EDGES[0]


if TYPE_CHECKING or speedups is None:

    class StepNumbers:
        """The part of a row that the end of a request updates."""

        __slots__ = ("counts", "seconds", "steps", "sums")

        steps: int  # shorter than the first edge
        seconds: float  # of those
        counts: Sequence[int]  # of the long ones, by bucket
        sums: Sequence[float]

        def __init__(self) -> None:
            self.steps, self.seconds = 0, 0.0
            self.counts = [0] * (len(SECONDS_EDGES) + 1)
            self.sums = [0.0] * (len(SECONDS_EDGES) + 1)

        def add(self, took: float) -> None:
            """Count one long step."""
            bucket = bisect_left(SECONDS_EDGES, took)
            self.counts[bucket] += 1  # type: ignore[index]
            self.sums[bucket] += took  # type: ignore[index]

else:
    StepNumbers = speedups.StepNumbers


class StepRow(StepNumbers):
    """The steps of one coroutine."""

    __slots__ = ("label",)

    def __init__(self, label: str) -> None:
        super().__init__()
        self.label = label

    def reading(self) -> Histogram:
        counts, sums = self.counts, self.sums
        return Histogram(
            SECONDS_EDGES,
            (counts[0] + self.steps, *counts[1:]),
            (sums[0] + self.seconds, *sums[1:]),
        )


class StepTable:
    """The rows of one loop; only its thread writes."""

    def __init__(self) -> None:
        self.none = StepRow(NONE)
        self._rows: Table[str, StepRow] = Table(COROUTINES, lambda: StepRow(OTHER))
        self.by_code: dict[int, tuple[Any, StepRow]] = {}  # at most 4 * COROUTINES

    @property
    def overflow(self) -> int:
        return self._rows.overflow

    def of_label(self, name: str) -> StepRow:
        kept = label(name)
        return self._rows.get(kept, lambda: StepRow(kept))

    def of_endpoint(self, endpoint: Any) -> StepRow:
        return self.none if endpoint is None else self.of_label(callable_name(endpoint))

    def of_task(self, task: Any) -> StepRow:
        """Return the row of a task's coroutine; found by code object, named once."""
        coroutine = task_coroutine(task)
        code = coroutine_code(coroutine)
        known = self.by_code.get(id(code))  # hashing a code object is slow
        if known is not None and known[0] is code:
            return known[1]
        row = self.of_label(coroutine_name(coroutine) or NONE)
        if code is not None and len(self.by_code) < 4 * COROUTINES:
            self.by_code[id(code)] = code, row
        return row

    def readings(self, other_steps: int, other_seconds: float) -> dict[str, Histogram]:
        """Return histograms by label; `_NONE` includes the short steps of plain callbacks, which
        are counted elsewhere."""
        readings = {NONE: self.none.reading()}
        for row in self._rows:
            histogram, known = row.reading(), readings.get(row.label)
            readings[row.label] = histogram if known is None else known + histogram
        readings[NONE] += Histogram.of_first(SECONDS_EDGES, other_steps, other_seconds)
        return readings
