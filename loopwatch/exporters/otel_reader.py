"""OpenTelemetry's Prometheus reader, where it shares a registry with our collector.

That reader exports whatever OpenTelemetry has, and so each of our metrics a second time, with the
labels of its scope. Prometheus takes neither of two families of one name for certain, and sums are
double. So its answer leaves out what our collector tells in the same scrape. Whatever else it has
stays, and so do our metrics in OpenTelemetry's other exporters; a reader that gives our names a
prefix of its own is left alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any
from weakref import WeakSet

from prometheus_client.metrics_core import Metric as Family

from loopwatch.core.guard import guarded

PACKAGE = "opentelemetry."


class Remainder:
    """Stands for a reader's `collect`: what it returns, without families of some names."""

    def __init__(self, collect: Callable[[], Iterable[Family]], names: frozenset[str]) -> None:
        self._collect, self._names = collect, names

    def __call__(self) -> Iterator[Family]:
        return (family for family in self._collect() if family.name not in self._names)


class OtelReaders:
    """The readers of one registry whose answers leave out families of some names."""

    def __init__(self, registry: Any, names: Iterable[str]) -> None:
        self._registry, self._names = registry, frozenset(names)
        self._shortened: WeakSet[Any] = WeakSet()

    @guarded
    def shorten(self) -> None:
        """Have those that are there by now leave our families out; one may come at any time."""
        for collector in list(getattr(self._registry, "_collector_to_names", ())):
            if is_reader(collector) and "collect" not in vars(collector):
                collector.collect = Remainder(collector.collect, self._names)
                self._shortened.add(collector)

    @guarded
    def restore(self) -> None:
        """Undo it, unless somebody has replaced `collect` since."""
        for collector in list(self._shortened):
            if isinstance(vars(collector).get("collect"), Remainder):
                del collector.collect
        self._shortened.clear()


def is_reader(collector: object) -> bool:
    """Return whether a collector is OpenTelemetry's, or derived from it."""
    return any(kind.__module__.startswith(PACKAGE) for kind in type(collector).__mro__)
