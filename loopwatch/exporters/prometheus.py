"""Prometheus: a collector that reads a snapshot at scrape time, so that the app pays nothing.

One collector a registry; several watches that share a registry are added up.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, TypeAlias
from weakref import WeakValueDictionary

from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.metrics_core import (
    Metric as Family,
)
from prometheus_client.registry import Collector, CollectorRegistry
from prometheus_client.samples import Exemplar

from loopwatch.core.exemplars import Exemplar as Measured
from loopwatch.core.exemplars import latest
from loopwatch.core.histogram import Histogram
from loopwatch.core.record_types import Source
from loopwatch.exporters.exposition import SnapshotFamily
from loopwatch.exporters.metrics import METRICS, Labels, Metric, Value, merged, series
from loopwatch.exporters.otel_reader import OtelReaders

Bucket: TypeAlias = tuple[str, float] | tuple[str, float, Exemplar]

# by the id of the registry, which keeps its collector; that knows watches, which know registries
_collectors: WeakValueDictionary[int, SnapshotCollector] = WeakValueDictionary()


class SnapshotCollector(Collector):
    """All metrics of the contract, from the snapshots of its sources."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.sources: tuple[Source, ...] = ()
        self.readers = OtelReaders(registry, (family(metric).name for metric in METRICS))

    def describe(self) -> Iterator[Family]:
        return (family(metric) for metric in METRICS)

    def collect(self) -> Iterator[Family]:
        self.readers.shorten()
        whole = merged(series(source.snapshot(recent=False)) for source in self.sources)
        return (SnapshotFamily(metric, values, filled) for metric, values in whole.items())


def register(registry: CollectorRegistry, source: Source) -> None:
    """Export a source through a registry; raises ValueError if a metric's name is taken."""
    collector = _collectors.get(id(registry))
    if collector is None:
        collector = SnapshotCollector(registry)
        registry.register(collector)
        collector.readers.shorten()
        _collectors[id(registry)] = collector
    if source not in collector.sources:
        collector.sources = (*collector.sources, source)


def unregister(registry: CollectorRegistry, source: Source) -> None:
    """Undo `register`; the last source takes the collector with it."""
    collector = _collectors.get(id(registry))
    if collector is None:
        return
    collector.sources = tuple(s for s in collector.sources if s is not source)
    if not collector.sources:
        del _collectors[id(registry)]
        registry.unregister(collector)
        collector.readers.restore()


FAMILIES: dict[str, type[Any]] = {
    "histogram": HistogramMetricFamily,
    "counter": CounterMetricFamily,
    "gauge": GaugeMetricFamily,
}


def family(metric: Metric) -> Family:
    made: Family = FAMILIES[metric.kind](metric.prometheus_name, metric.help, labels=metric.labels)
    return made


def filled(metric: Metric, values: dict[Labels, Value]) -> Family:
    made = family(metric)
    for labels, value in values.items():
        add_sample(made, labels, value)
    return made


def add_sample(filled: Family, labels: Labels, value: Value) -> None:
    if isinstance(filled, HistogramMetricFamily) and isinstance(value, Histogram):
        filled.add_metric(labels, buckets(value), value.sum)
    elif isinstance(filled, CounterMetricFamily | GaugeMetricFamily) and isinstance(value, float):
        filled.add_metric(labels, value)


def buckets(histogram: Histogram) -> list[Bucket]:
    """Return cumulative buckets as Prometheus has them, some with an exemplar."""
    edges = [*(str(edge) for edge in histogram.edges), "+Inf"]
    counts = map(float, itertools.accumulate(histogram.counts))
    shown = latest(histogram.edges, histogram.exemplars)
    return [
        (edge, count, exemplar(shown[number])) if number in shown else (edge, count)
        for number, (edge, count) in enumerate(zip(edges, counts, strict=True))
    ]


def exemplar(found: Measured) -> Exemplar:
    return Exemplar({"trace_id": found.trace_id, "span_id": found.span_id}, found.value, found.at)
