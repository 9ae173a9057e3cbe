"""What a scrape gets is what `prometheus_client` would have written, byte for byte, but sooner."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Counter, Summary
from prometheus_client.exposition import choose_encoder

from loopwatch.core.exemplars import Exemplar
from loopwatch.core.histogram import SECONDS_EDGES, Histogram
from loopwatch.core.record_types import RequestReading, SiteReading, Snapshot
from loopwatch.exporters import prometheus
from loopwatch.exporters.exposition import Families, render

from ..conftest import MakeWatch, private_watch

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
ACCEPTED = (
    "",
    "text/plain; version=0.0.4",
    "text/plain; version=1.0.0; escaping=allow-utf-8",
    "text/plain; version=1.0.0; escaping=values",
    OPENMETRICS,
    f"{OPENMETRICS}; escaping=allow-utf-8,text/plain;q=0.5",
    f"{OPENMETRICS}; escaping=underscores",
    f"{OPENMETRICS}; escaping=dots",
    f"{OPENMETRICS}; escaping=values",
)
NAMES = ("/items/{id}", 'C:\\"quoted"\n', "@0@{0}{{1}}%s 10000.5", "naïve ☃", "")
BUCKETS = len(SECONDS_EDGES) + 1
EXEMPLARS = (
    Exemplar(0.3, 1_800_000_000.25, "a" * 32, "b" * 16),
    Exemplar(12.5, 1_800_000_001.0, "c" * 32, "d" * 16),
)


class Told:
    """A source that tells what it is given."""

    def __init__(self, shot: Snapshot) -> None:
        self.shot = shot

    def snapshot(self, *, recent: bool = True) -> Snapshot:
        return self.shot


def histogram(count: int, total: float, *exemplars: Exemplar) -> Histogram:
    return Histogram(SECONDS_EDGES, (count,) * BUCKETS, (total,) * BUCKETS, exemplars)


HISTOGRAMS = (
    histogram(0, 0.0),
    histogram(7, 0.1, *EXEMPLARS),
    histogram(71_428, 1e-7),  # in all 999,992
    histogram(71_429, 1234567.125, EXEMPLARS[1]),  # 1,000,006
    histogram(10**17, 1e22),
)


def rich_registry() -> CollectorRegistry:
    """Return a registry with every kind of label and value in loopwatch's metrics, and others."""
    shot = private_watch().snapshot()
    kinds = [*zip(NAMES, HISTOGRAMS, strict=True)]
    values: dict[str, Any] = {
        "requests": tuple(
            RequestReading(route=name, method="GET", latency=h, running=h.sum, waiting=1e-9)
            for name, h in kinds
        ),
        "sites": tuple(SiteReading(route=n, site=n, cause="cpu", stalls=h) for n, h in kinds),
        "steps": tuple(kinds),
        "busy": 1e6,
        "idle": float("inf"),
        "dropped": {"log": 10**7, "routes": 999_999},
    }
    fields = {name: getattr(shot, name) for name in Snapshot.__dataclass_fields__}
    registry = CollectorRegistry()
    Counter("before", "Not ours.", registry=registry).inc(exemplar={"trace_id": "x"})
    prometheus.register(registry, Told(Snapshot(**fields | values)))
    Summary("after", "Not ours.\nEither.", registry=registry).observe(0.5)
    return registry


@pytest.mark.parametrize("accept", ACCEPTED)
def test_it_is_what_the_client_writes(accept: str) -> None:
    registry = rich_registry()
    families = Families([*registry.collect()])
    encode, kind = choose_encoder(accept)
    body, told = render(families, accept)
    assert told == kind
    assert body.decode().splitlines() == encode(families).decode().splitlines()
    assert body == encode(families)
    assert body.count(b"\n") > 300


def test_exemplars_are_in_openmetrics_alone() -> None:
    registry = rich_registry()
    assert render(registry, OPENMETRICS)[0].count(b'# {span_id="bbbbbbbbbbbbbbbb"') == 3
    assert b"bbbbbbbbbbbbbbbb" not in render(registry)[0]


def test_a_registry_restricted_by_name_works_as_well() -> None:
    registry = rich_registry()
    names = ["loopwatch_request_seconds_sum", "before_total"]
    restricted: Any = registry.restricted_registry(names)
    text = render(restricted)[0].decode()
    samples = [line for line in text.splitlines() if not line.startswith("#")]
    assert len(samples) == len(NAMES) + 1
    assert all(line.startswith(tuple(names)) for line in samples)


def test_an_empty_registry_is_no_error() -> None:
    assert render(CollectorRegistry())[0] == b""
    assert render(CollectorRegistry(), OPENMETRICS)[0] == b"# EOF\n"


def cpu_seconds(work: Callable[[], object]) -> float:
    """Return the least of several rounds: what others do on the machine can only add to it."""
    least = float("inf")
    for _ in range(7):
        began = time.thread_time()
        work()
        least = min(least, time.thread_time() - began)
    return least


@pytest.mark.parametrize("accept", ["", OPENMETRICS])
def test_it_takes_a_quarter_of_the_client_s_time_at_most(accept: str) -> None:
    """7 to 12 times faster where it was measured; `benchmarks/scrape.py` has the figures."""
    shot = private_watch().snapshot()
    fields = {name: getattr(shot, name) for name in Snapshot.__dataclass_fields__}
    steps = tuple((f"shop.coroutine_{n}", histogram(n, 0.1 * n)) for n in range(256))
    registry = CollectorRegistry()
    prometheus.register(registry, Told(Snapshot(**fields | {"steps": steps})))
    families = Families([*registry.collect()])
    encode, _ = choose_encoder(accept)
    assert cpu_seconds(lambda: render(families, accept)) < cpu_seconds(lambda: encode(families)) / 4


def test_a_scrape_copies_no_single_requests(make_watch: MakeWatch) -> None:
    """They are ten megabytes of a full watch, and no metric has them."""
    registry = CollectorRegistry()
    asked: list[bool] = []

    class Asked(Told):
        def snapshot(self, *, recent: bool = True) -> Snapshot:
            asked.append(recent)
            return self.shot

    prometheus.register(registry, Asked(make_watch().snapshot()))
    render(registry)
    assert asked == [False]
