"""Exemplars: from a slow bucket to the trace of the request that was in it."""

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from loopwatch import LoopWatchMiddleware
from loopwatch.core.exemplars import Exemplar, Exemplars
from loopwatch.core.histogram import SECONDS_EDGES, Histogram

from ..asgi import App, Receive, Send, answer, visit
from ..calm import in_calm
from ..conftest import MakeWatch, block_for, run_on, run_script, until
from ..prometheus import PATIENCE, Prometheus, prometheus
from ..serving import serve

STALL, REQUEST = "loopwatch_stall_seconds", "loopwatch_request_seconds"


class Traced:
    """A tracer, and the ids of the spans it began, by name."""

    def __init__(self, sampler: Sampler) -> None:
        self.provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
        self.tracer = self.provider.get_tracer("app")
        self.ids: dict[str, dict[str, str]] = {}

    def around(self, app: App) -> App:
        """Return an app as instrumentation wraps it: a span named for the path."""

        async def wrapped(scope: Any, receive: Receive, send: Send) -> None:
            with self.tracer.start_as_current_span(scope["path"]) as span:
                context = span.get_span_context()
                self.ids[scope["path"]] = {
                    "trace_id": trace.format_trace_id(context.trace_id),
                    "span_id": trace.format_span_id(context.span_id),
                }
                await app(scope, receive, send)

        return wrapped


@pytest.fixture
def traced() -> Iterator[Traced]:
    made = Traced(ALWAYS_ON)
    yield made
    made.provider.shutdown()


def exemplars(registry: CollectorRegistry) -> dict[tuple[str, str, str], Any]:
    """Return what the strict format has, by name, route and upper edge of the bucket."""
    text = str(openmetrics.generate_latest(registry).decode())  # type: ignore[no-untyped-call]
    return {
        (family.name, sample.labels["route"], sample.labels["le"]): sample.exemplar
        for family in text_string_to_metric_families(text)  # type: ignore[no-untyped-call]
        for sample in family.samples
        if sample.exemplar is not None
    }


async def blocks_sleeps_or_not(scope: Any, receive: Receive, send: Send) -> None:
    scope["path_template"], scope["endpoint"] = scope["path"], scope["path"]
    if scope["path"] == "/blocks":
        block_for(0.15)
    elif scope["path"] == "/sleeps":
        await asyncio.sleep(0.12)
    await answer(send)


def visited(loop: str, watch: Any, app: App, *paths: str) -> None:
    """Visit each path, one after the other, and wait until all stalls are explained."""

    async def main() -> None:
        watch.start()
        await asyncio.sleep(0.01)
        for path in paths:
            await asyncio.ensure_future(visit(app, path))
        stalls = sum(path == "/blocks" for path in paths)
        await until(lambda: len(watch.stalls) == stalls)

    run_on(loop, main())


@pytest.mark.parametrize("outside", [True, False])
def test_slow_requests_and_stalls_lead_to_their_traces(
    loop: str, make_watch: MakeWatch, traced: Traced, outside: bool
) -> None:
    """On whichever side of the middleware the instrumentation is; a fast request is not asked."""
    registry = CollectorRegistry()
    watch = make_watch(registry=registry, otel=True)
    if outside:
        app = traced.around(LoopWatchMiddleware(blocks_sleeps_or_not, watch=watch))
    else:
        app = LoopWatchMiddleware(traced.around(blocks_sleeps_or_not), watch=watch)
    before = time.time()
    visited(loop, watch, app, "/blocks", "/sleeps", "/fast")
    found = exemplars(registry)
    assert {key[:2] for key in found} == {
        (STALL, "/blocks"),
        (REQUEST, "/blocks"),
        (REQUEST, "/sleeps"),
    }
    for (_, route, edge), exemplar in found.items():
        assert exemplar.labels == traced.ids[route]
        assert 0.1 < exemplar.value <= float(edge)
        assert before < float(exemplar.timestamp) <= time.time()


def test_a_bucket_shows_the_latest(loop: str, make_watch: MakeWatch, traced: Traced) -> None:
    registry = CollectorRegistry()
    watch = make_watch(registry=registry, otel=True)
    app = traced.around(LoopWatchMiddleware(blocks_sleeps_or_not, watch=watch))
    visited(loop, watch, app, "/sleeps")
    first = {**traced.ids}
    visited(loop, watch, app, "/sleeps")
    shown = [exemplar.labels for exemplar in exemplars(registry).values()]
    assert traced.ids["/sleeps"] in shown
    assert first["/sleeps"] not in shown or len(shown) == 2  # in a bucket of its own


def test_a_trace_that_nobody_keeps_is_no_exemplar(loop: str, make_watch: MakeWatch) -> None:
    """It is not sampled, or there is no SDK; or OpenTelemetry is not wanted for requests."""
    dropping = Traced(ALWAYS_OFF)
    for around, otel in ((dropping.around, True), (lambda app: app, True)):
        registry = CollectorRegistry()
        watch = make_watch(registry=registry, otel=otel)
        app = around(LoopWatchMiddleware(blocks_sleeps_or_not, watch=watch))
        visited(loop, watch, app, "/blocks", "/sleeps")
        assert exemplars(registry) == {}


def test_all_else_is_as_it_was(make_watch: MakeWatch, traced: Traced) -> None:
    """The plain format has no exemplars, and neither has JSON."""
    registry = CollectorRegistry()
    watch = make_watch(registry=registry, otel=True)
    app = traced.around(LoopWatchMiddleware(blocks_sleeps_or_not, watch=watch))
    visited("asyncio", watch, app, "/blocks", "/sleeps")
    assert len(exemplars(registry)) == 3
    ids = {text for pair in traced.ids.values() for text in pair.values()}
    plain = generate_latest(registry).decode()
    assert not [text for text in ids if text in plain]
    told = watch.snapshot().to_dict()
    assert {*told["sites"][0]["stalls"]} == {*told["requests"][0]["latency"]}
    assert {*told["sites"][0]["stalls"]} == {"edges", "counts", "sums"}


def test_a_span_that_cannot_be_read_is_no_matter_of_the_app(
    make_watch: MakeWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = make_watch(otel=True)
    told: list[str] = []

    def broken() -> Any:
        raise KeyError("x")

    monkeypatch.setattr("loopwatch.exporters.spans.trace.get_current_span", broken)
    monkeypatch.setattr("loopwatch.exporters.spans.log_once", told.append)
    app = LoopWatchMiddleware(blocks_sleeps_or_not, watch=watch)
    visited("asyncio", watch, app, "/sleeps")
    assert told
    (row,) = watch.snapshot().requests
    assert row.latency.count == 1


def test_without_the_compiled_twin_they_are_the_same() -> None:
    printed = run_script("""
        import sys
        sys.modules["loopwatch._speedups"] = None
        from opentelemetry.sdk.trace.sampling import ALWAYS_ON
        from prometheus_client import CollectorRegistry
        from loopwatch import LoopWatchMiddleware
        from loopwatch.loop.step_timing import COMPILED
        from tests.conftest import private_watch
        from tests.exporters.test_exemplars import Traced, blocks_sleeps_or_not, exemplars, visited

        traced, registry = Traced(ALWAYS_ON), CollectorRegistry()
        watch = private_watch(registry=registry, otel=True)
        app = LoopWatchMiddleware(traced.around(blocks_sleeps_or_not), watch=watch)
        visited("asyncio", watch, app, "/sleeps", "/fast")
        (key, exemplar), = exemplars(registry).items()
        print(COMPILED, key[1], exemplar.labels == traced.ids["/sleeps"])
        watch.stop()
    """)
    assert printed.split() == ["False", "/sleeps", "True"]


def test_each_bucket_keeps_its_latest_when_readings_are_added_up() -> None:
    def one(value: float, at: float) -> Exemplar:
        return Exemplar(value, at, f"{at:032.0f}", "0" * 16)

    kept = Exemplars(SECONDS_EDGES)
    for each in (one(0.1, 1.0), one(0.1001, 2.0), one(0.06, 3.0)):
        kept.keep(each)
    assert {*kept.reading()} == {one(0.06, 3.0), one(0.1001, 2.0)}
    empty = Histogram.empty(SECONDS_EDGES)
    first = Histogram(*(empty.edges, empty.counts, empty.sums), kept.reading())
    second = Histogram(*(empty.edges, empty.counts, empty.sums), (one(0.2, 1.5), one(20.0, 0.5)))
    for both in (first + second, second + first):
        assert {*both.exemplars} == {one(0.06, 3.0), one(0.1001, 2.0), one(20.0, 0.5)}
    assert (empty + empty).exemplars == ()


def wait_for_targets(prom: Prometheus) -> None:
    """Wait until Prometheus has taken in whom to scrape, soon after it is ready."""
    deadline = time.monotonic() + PATIENCE
    while not prom.targets():
        assert time.monotonic() < deadline, "there are no targets"
        time.sleep(0.1)


@pytest.mark.slow
@in_calm
def test_prometheus_finds_the_trace_of_a_slow_request() -> None:
    """A real one, with exemplar storage, which scrapes an app with OpenTelemetry's SDK."""
    with serve("traced:app", "asyncio") as server, prometheus({"app": [server.port]}, ()) as prom:
        since = time.time()
        assert server.get("/blocks/1").status_code == 200
        wait_for_targets(prom)
        prom.wait_for_scrape(time.time() + 0.2)  # the stall has been explained by then
        (own,) = (span for span in server.read("spans") if span["name"] == "own")
        found = {
            metric: [
                one["labels"]
                for series in prom.query_exemplars(f"{metric}_bucket", since, time.time() + 1.0)
                for one in series["exemplars"]
            ]
            for metric in (STALL, REQUEST)
        }
    assert found[STALL] == [{"trace_id": own["trace"], "span_id": own["id"]}]
    assert [labels["trace_id"] for labels in found[REQUEST]] == [own["trace"]]
