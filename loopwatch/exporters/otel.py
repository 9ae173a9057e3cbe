"""OpenTelemetry: the metrics of the contract.

Only the API is needed: without an SDK every call here does nothing. Counters and gauges are
observed when a reader collects. The API has no observable histogram, so the first callback of a
collection records what has been counted since the one before: as many values as there were, each
the mean of its bucket's new ones. Counts and sums are exact.

What a watch had counted when it stopped is told on: a reader may not have collected it yet, and a
sum that falls would hide what others count from then on, or have it counted again.

A watch that is dropped without `stop` is collected like anything else: here are only weak
references. What it had counted as its last loop ended, or at the last collection, is told on.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence
from typing import Any
from weakref import ref

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation

from loopwatch.core.fork import no_fork_while
from loopwatch.core.guard import guarded
from loopwatch.core.histogram import Histogram
from loopwatch.core.record_types import Source
from loopwatch.core.version import __version__
from loopwatch.exporters.metric_attributes import Attributes, attributes_of
from loopwatch.exporters.metrics import METRICS, Labels, Metric, Series, merged, series

FRESH = 0.5  # s for which one reading serves all instruments of a collection
MOST = 10_000  # values recorded for one bucket at once; the rest follows at the next collection


class MetricBridge:
    """The instruments of the process, made once: the API cannot take one back."""

    def __init__(self) -> None:
        self._sources: dict[ref[Source], Series] = {}  # with what each told last
        self._ended: dict[ref[Source], Series] = {}  # what each had counted when it went
        self._past: Series = {}  # the same, added up, of those that cannot come back
        self._lock = threading.RLock()
        no_fork_while(self._lock)
        self._read_at = float("-inf")
        self._series: Series = {}
        self._told: dict[tuple[str, Labels], Histogram] = {}
        self._histograms: dict[Metric, Any] = {}

    def add(self, source: Source) -> None:
        """Tell what a source counts, what it had counted before included."""
        with self._lock:
            self._ended.pop(ref(source), None)
            self._settle()
            self._sources.setdefault(ref(source), {})
        self.create()

    def remove(self, source: Source) -> None:
        """Ask a source no more; its gauges go, what it has counted stays."""
        with self._lock:
            if self._sources.pop(ref(source), None) is None:
                return
            self._settle()
            self._ended[ref(source)] = counted(series(source.snapshot(recent=False)))
            self._read_at = float("-inf")

    def keep(self, source: Source) -> None:
        """Note what a source has counted, in case it is dropped."""
        with self._lock:
            if ref(source) in self._sources:
                self._sources[ref(source)] = counted(series(source.snapshot(recent=False)))

    def _settle(self) -> None:
        """Add up what those have counted that do not exist any more."""
        for known in (self._ended, self._sources):
            for gone in [source for source in known if source() is None]:
                self._past = merged((self._past, counted(known.pop(gone))))

    def create(self) -> None:
        """Make the instruments, with whatever meter provider is there or comes later."""
        if self._histograms:
            return
        meter = metrics.get_meter("loopwatch", __version__)
        make: dict[str, Any] = {
            "histogram": meter.create_histogram,
            "counter": meter.create_observable_counter,
            "gauge": meter.create_observable_gauge,
            "sum": meter.create_observable_up_down_counter,
        }
        for metric in sorted(METRICS, key=lambda metric: metric.kind != "histogram"):
            told: dict[str, Any] = {"unit": metric.otel_unit, "description": metric.help}
            if metric.kind == "histogram":
                edges = {"explicit_bucket_boundaries_advisory": metric.edges}
                self._histograms[metric] = make["histogram"](metric.name, **told, **edges)
            else:
                kind = "sum" if metric.is_additive else metric.kind
                make[kind](metric.name, callbacks=[self._callback(metric)], **told)

    def _callback(self, metric: Metric) -> Any:
        def observe(options: CallbackOptions) -> Iterable[Observation]:
            return [
                Observation(value, attributes_of(metric, labels))
                for labels, value in self._fresh().get(metric, {}).items()
                if isinstance(value, float)
            ]

        return observe

    def _fresh(self) -> Series:
        """Return one reading for all instruments of a collection; record what is new in it."""
        with self._lock:
            now = time.monotonic()
            if now - self._read_at > FRESH:
                self._read_at = now
                self._read()
                self._settle()
                told = *self._sources.values(), *self._ended.values(), self._past
                self._series = merged(told)
                self._record_news()
            return self._series

    def _read(self) -> None:
        for known in list(self._sources):
            if (source := known()) is not None:
                self._sources[known] = series(source.snapshot(recent=False))

    def _record_news(self) -> None:
        for metric, instrument in self._histograms.items():
            for labels, value in self._series.get(metric, {}).items():
                if isinstance(value, Histogram):
                    before = self._told.get((metric.name, labels))
                    named = attributes_of(metric, labels)
                    self._told[metric.name, labels] = tell(instrument, named, before, value)


def counted(told: Series) -> Series:
    """Return a reading without its gauges, which are of a moment."""
    return {metric: values for metric, values in told.items() if metric.kind != "gauge"}


def tell(
    instrument: Any, labels: Attributes, before: Histogram | None, now: Histogram
) -> Histogram:
    """Record what a histogram has more than before; return what has been told by now."""
    if before is not None and before.count > now.count:
        before = None  # a watch went, another came
    counts, sums = list(now.counts), list(now.sums)
    for bucket, (count, total) in enumerate(zip(now.counts, now.sums, strict=True)):
        new = count - (before.counts[bucket] if before else 0)
        if new <= 0:
            sums[bucket] = before.sums[bucket] if before else 0.0
            continue
        mean = (total - (before.sums[bucket] if before else 0.0)) / new
        told = min(new, MOST)
        counts[bucket], sums[bucket] = count - new + told, total - mean * (new - told)
        for _ in range(told):
            instrument.record(within(mean, now.edges, bucket), labels)
    return Histogram(now.edges, tuple(counts), tuple(sums))


def within(value: float, edges: Sequence[float], bucket: int) -> float:
    """Keep a mean inside its bucket, whatever rounding did to it."""
    if bucket < len(edges):
        value = min(value, edges[bucket])
    return max(value, edges[bucket - 1] * (1 + 1e-9)) if bucket else value


BRIDGE = MetricBridge()


def register(source: Source) -> None:
    """Export a source's metrics; several sources are added up."""
    BRIDGE.add(source)


@guarded
def unregister(source: Source) -> None:
    BRIDGE.remove(source)


@guarded
def keep(source: Source) -> None:
    BRIDGE.keep(source)
