"""OpenTelemetry's Prometheus reader on our registry: our metrics once, all else as it was."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families

from loopwatch.exporters.metrics import METRICS
from loopwatch.exporters.prometheus import family
from tests.conftest import run_script

from ..conftest import MakeWatch


class Reader:
    """Collects as OpenTelemetry's does: our metrics with its labels, and the app's."""

    def __init__(self, prefix: str = "") -> None:
        self.prefix = prefix

    def collect(self) -> Iterator[Metric]:
        for metric in METRICS:
            told = family(metric)
            told.name = self.prefix + told.name
            told.add_sample(told.name, {"otel_scope_name": "loopwatch"}, 1.0)
            yield told
        yield GaugeMetricFamily("app_rooms", "The app's.", value=3.0)
        yield CounterMetricFamily("loopwatch_custom", "The app's as well.", value=4.0)


Reader.__module__ = "opentelemetry.exporter.prometheus"


class Derived(Reader):
    """An app's own."""


class Foreign:
    """None of OpenTelemetry's."""

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily("app_rooms", "The app's.", value=3.0)


def families(registry: CollectorRegistry) -> Counter[str]:
    text = generate_latest(registry).decode()
    return Counter(found.name for found in text_string_to_metric_families(text))


@pytest.mark.parametrize("kind", [Reader, Derived])
@pytest.mark.parametrize("first", [True, False], ids=["before us", "after us"])
def test_each_of_our_metrics_is_there_once(
    make_watch: MakeWatch, registry: CollectorRegistry, kind: type[Reader], first: bool
) -> None:
    reader: Any = kind()
    if first:
        registry.register(reader)
    watch = make_watch(registry=registry)
    watch.start()
    if not first:
        registry.register(reader)
    for _ in range(2):
        found = families(registry)
        assert set(found.values()) == {1}
        assert {family(metric).name for metric in METRICS} <= found.keys()
        assert {"app_rooms", "loopwatch_custom"} <= found.keys()
        assert "otel_scope_name" not in generate_latest(registry).decode()
    watch.stop()
    assert "collect" not in vars(reader)
    assert "otel_scope_name" in generate_latest(registry).decode()


def test_another_registry_is_its_owner_s(make_watch: MakeWatch) -> None:
    mine, other = CollectorRegistry(), CollectorRegistry()
    other.register(Reader())
    make_watch(registry=mine).start()
    assert families(mine)
    assert len(families(other)) == len(METRICS) + 2


def test_names_with_a_prefix_stay(make_watch: MakeWatch, registry: CollectorRegistry) -> None:
    registry.register(Reader("shop_"))
    make_watch(registry=registry).start()
    found = families(registry)
    assert "shop_loopwatch_stall_seconds" in found
    assert "loopwatch_stall_seconds" in found


def test_whoever_replaces_collect_keeps_it(
    make_watch: MakeWatch, registry: CollectorRegistry
) -> None:
    before, after = Reader(), Reader()
    before.collect = lambda: iter(())  # type: ignore[method-assign]
    theirs = before.collect
    for reader in (before, after):
        registry.register(reader)
    watch = make_watch(registry=registry)
    watch.start()
    assert before.collect is theirs
    after.collect = theirs  # type: ignore[method-assign]
    watch.stop()
    assert after.collect is theirs


def test_collectors_of_others_are_left_alone(
    make_watch: MakeWatch, registry: CollectorRegistry
) -> None:
    foreign = Foreign()
    registry.register(foreign)
    make_watch(registry=registry).start()
    assert families(registry)["app_rooms"] == 1
    assert vars(foreign) == {}


def test_with_the_real_reader() -> None:
    pytest.importorskip("opentelemetry.exporter.prometheus")
    printed = run_script("""
        import asyncio, collections, time
        from opentelemetry import metrics
        from opentelemetry.exporter.prometheus import PrometheusMetricReader
        from opentelemetry.sdk.metrics import MeterProvider
        from prometheus_client import generate_latest
        metrics.set_meter_provider(MeterProvider(metric_readers=[PrometheusMetricReader()]))
        metrics.get_meter("app").create_counter("app.rooms").add(3)
        from loopwatch import Watch

        async def main():
            await asyncio.sleep(0.01)
            time.sleep(0.12)
            await asyncio.sleep(0.05)
            return generate_latest().decode()

        with Watch(log=False):
            text = asyncio.run(main())
        types = collections.Counter(l.split()[2] for l in text.splitlines() if l[:6] == "# TYPE")
        print(sorted(name for name, times in types.items() if times > 1))
        print(types["loopwatch_stall_seconds"], types["app_rooms_total"])
    """)
    assert printed.splitlines() == ["[]", "1 1"]
