"""Exemplars: for each bucket of a histogram, the latest value measured within a sampled span."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from typing import NamedTuple


class Exemplar(NamedTuple):
    """A value, and the span in which it was measured."""

    value: float  # s
    at: float  # Unix time, s, when it was measured
    trace_id: str  # 32 hex digits
    span_id: str  # 16 hex digits


class Exemplars:
    """The latest exemplar of each bucket; one thread writes, any thread reads."""

    __slots__ = ("_edges", "_latest")

    def __init__(self, edges: tuple[float, ...]) -> None:
        self._edges = edges
        self._latest: dict[int, Exemplar] = {}

    def keep(self, exemplar: Exemplar) -> None:
        self._latest[bisect_left(self._edges, exemplar.value)] = exemplar

    def reading(self) -> tuple[Exemplar, ...]:
        return tuple(self._latest.copy().values())


def latest(edges: tuple[float, ...], exemplars: Iterable[Exemplar]) -> dict[int, Exemplar]:
    """Return the latest exemplar of each bucket that has one, by the bucket's index."""
    ordered = sorted(exemplars, key=lambda exemplar: exemplar.at)
    return {bisect_left(edges, exemplar.value): exemplar for exemplar in ordered}
