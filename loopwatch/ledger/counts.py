"""A mutable histogram, and a bounded table of rows by label."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Hashable, Iterator
from typing import Generic, TypeVar

from loopwatch.core.histogram import SECONDS_EDGES, Histogram

Key = TypeVar("Key", bound=Hashable)
Row = TypeVar("Row")


class Counts:
    """Counts and sums by bucket; one thread writes, any thread reads."""

    __slots__ = ("counts", "edges", "sums")

    def __init__(self, edges: tuple[float, ...] = SECONDS_EDGES) -> None:
        self.edges = edges
        self.counts = [0] * (len(edges) + 1)
        self.sums = [0.0] * (len(edges) + 1)

    def add(self, value: float) -> None:
        bucket = bisect_left(self.edges, value)
        self.counts[bucket] += 1
        self.sums[bucket] += value

    def reading(self) -> Histogram:
        return Histogram(self.edges, tuple(self.counts), tuple(self.sums))


class Table(Generic[Key, Row]):
    """Rows by key, at most `bound` of them; all other keys share one row, made by `rest()`.

    `overflow` counts the uses of that row.
    """

    def __init__(self, bound: int, rest: Callable[[], Row]) -> None:
        self.bound = bound
        self.overflow = 0
        self._rest_maker = rest
        self._rest: Row | None = None
        self._rows: dict[Key, Row] = {}

    def get(self, key: Key, make: Callable[[], Row]) -> Row:
        """Return the row of `key`, made by `make` if it is new and there is room."""
        row = self._rows.get(key)
        if row is not None:
            return row
        if len(self._rows) < self.bound:
            return self._rows.setdefault(key, make())
        self.overflow += 1
        if self._rest is None:
            self._rest = self._rest_maker()
        return self._rest

    def find(self, key: Key) -> Row | None:
        """Return the row of `key`, None if it has none of its own."""
        return self._rows.get(key)

    def __iter__(self) -> Iterator[Row]:
        rows = list(self._rows.values())
        return iter(rows if self._rest is None else [*rows, self._rest])

    def __len__(self) -> int:
        return len(self._rows)
