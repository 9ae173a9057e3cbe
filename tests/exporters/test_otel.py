"""OpenTelemetry with the real SDK, under a real server: spans where they belong, equal metrics."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from loopwatch.exporters.metric_attributes import CONVENTIONS

from ..calm import in_calm
from ..conftest import TOLERANCE, run_script
from ..serving import Server, serve

NAMES = {  # OpenTelemetry's: type of the value, unit
    "loopwatch.stall": ("count", "s"),
    "loopwatch.request": ("count", "s"),
    "loopwatch.request.time": ("value", "s"),
    "loopwatch.step": ("count", "s"),
    "loopwatch.coroutine": ("count", "s"),
    "loopwatch.loop.time": ("value", "s"),
    "loopwatch.loop.lag": ("count", "s"),
    "loopwatch.gc.pause": ("count", "s"),
    "loopwatch.tasks": ("value", "{task}"),
    "loopwatch.threadpool.threads": ("value", "{thread}"),
    "loopwatch.threadpool.waiting": ("value", "{call}"),
    "loopwatch.self": ("value", "s"),
    "loopwatch.dropped": ("value", "{item}"),
    "loopwatch.info": ("value", ""),
}


@pytest.fixture(scope="module")
def server(loop: str) -> Iterator[Server]:
    with serve("traced:app", loop) as server:
        for number in range(3):
            server.get(f"/blocks/{number}")
        server.get("/native")
        server.get("/steps")
        time.sleep(0.7)
        yield server


def stall_spans(server: Server, route: str) -> list[dict[str, Any]]:
    return [
        span
        for span in server.read("spans")
        if span["name"] == "loopwatch.stall" and span["attributes"].get("http.route") == route
    ]


@pytest.mark.slow
def test_stall_span_is_a_child_of_the_culprit_s_own(server: Server) -> None:
    """Though that span ended in the very step that blocked, before the stall was known."""
    spans = {span["id"]: span for span in server.read("spans")}
    stalls = stall_spans(server, "/blocks/{number}")[:3]
    assert len(stalls) == 3
    parents = [spans[stall["parent"]] for stall in stalls]
    assert [parent["name"] for parent in parents] == ["own"] * 3
    assert [parent["attributes"]["number"] for parent in parents] == [0, 1, 2]
    for stall, parent in zip(stalls, parents, strict=True):
        assert stall["trace"] == parent["trace"]


@pytest.mark.slow
def test_stall_span_joins_the_span_fastapi_makes(server: Server) -> None:
    """The request's trace is the stall's: no second server span beside it."""
    spans = {span["id"]: span for span in server.read("spans")}
    (stall,) = stall_spans(server, "/native")
    if stall["parent"] is None:
        pytest.skip("this FastAPI makes no spans of its own")
    parent = spans[stall["parent"]]
    assert parent["name"] != "loopwatch.stall"
    assert parent["trace"] == stall["trace"]
    names = [span["name"] for span in spans.values() if span["trace"] == stall["trace"]]
    assert names.count("loopwatch.stall") == 1


@pytest.mark.slow
@in_calm
def test_stall_span_is_back_dated_and_says_where(server: Server) -> None:
    server.get("/blocks/9")
    record, span = server.stalls()[-1], stall_spans(server, "/blocks/{number}")[-1]
    truth, slack = server.read("measured")[-1]
    duration = span["end"] - span["start"]
    assert truth - TOLERANCE <= duration <= truth + max(TOLERANCE, slack + 0.001)
    assert span["start"] == pytest.approx(record["started_at"], abs=1e-5)
    assert duration == pytest.approx(record["duration"], abs=1e-5)
    attributes = span["attributes"]
    assert attributes["code.function.name"] == "tests.apps.traced.blocks"
    assert attributes["code.file.path"].endswith("tests/apps/traced.py")
    assert attributes["code.line.number"] == record["site"]["line"]
    assert "in tests.apps.traced.blocks" in attributes["code.stacktrace"].splitlines()[-1]
    assert attributes["http.route"] == "/blocks/{number}"
    assert attributes["loopwatch.cause"] == record["cause"]
    assert attributes["loopwatch.advice"] == record["advice"] != ""
    assert attributes["loopwatch.victims"] == 0
    assert attributes["loopwatch.lost_request_seconds"] == 0.0


@pytest.mark.slow
def test_metrics_are_those_of_the_scrape(server: Server) -> None:
    """Same names, labels, counts, sums and buckets; read while nothing is going on."""
    time.sleep(0.7)  # a reading may serve several readers for half a second
    points = server.read("points")
    named = {point["name"]: point for point in points}
    assert NAMES.keys() <= named.keys()
    for name, (kind, unit) in NAMES.items():
        assert kind in named[name], name
        assert named[name]["unit"] == unit
    scraped = scrape(server)
    compared = 0
    for point in points:
        if point["name"] not in {"loopwatch.stall", "loopwatch.request", "loopwatch.coroutine"}:
            continue
        compared += 1
        name, labels = prometheus_name(point), labels_of(point)
        assert point["count"] == scraped[f"{name}_count", labels]
        assert point["sum"] == pytest.approx(scraped[f"{name}_sum", labels], rel=1e-6)
        upto = 0
        for edge, count in zip(point["edges"], point["counts"], strict=False):
            upto += count
            assert upto == scraped[f"{name}_bucket", labels | {("le", str(edge))}]
    assert compared >= 5
    for point in points:
        if point["name"] == "loopwatch.request.time":
            labels = labels_of(point)
            name = f"{prometheus_name(point)}_total"
            assert point["value"] == pytest.approx(scraped[name, labels], abs=1e-6)


def prometheus_name(point: dict[str, Any]) -> str:
    return str(point["name"]).replace(".", "_") + ("_seconds" if point["unit"] == "s" else "")


def labels_of(point: dict[str, Any]) -> frozenset[Any]:
    """Return the attributes that are labels in Prometheus as well."""
    conventions = CONVENTIONS.values()
    return frozenset(item for item in point["attributes"].items() if item[0] not in conventions)


def scrape(server: Server) -> dict[tuple[str, frozenset[Any]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(server.read("scrape"))
        for sample in family.samples
    }


def test_without_an_sdk_nothing_is_imported_and_nothing_happens() -> None:
    """The core needs the API only."""
    printed = run_script("""
        import asyncio, sys, time
        from loopwatch import Watch

        async def main():
            await asyncio.sleep(0.01)
            time.sleep(0.12)
            await asyncio.sleep(0.05)

        with Watch(registry=None, log=False) as watch:
            asyncio.run(main())
        print(len(watch.stalls), "opentelemetry.sdk" in sys.modules, "uvicorn" in sys.modules)
    """)
    assert printed.split() == ["1", "False", "False"]


def test_what_a_watch_counted_is_told_after_it_stopped() -> None:
    """Once, whoever else counts, stops and begins again; its gauges are not."""
    printed = run_script("""
        import asyncio, time
        from opentelemetry import metrics
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import InMemoryMetricReader
        from loopwatch import Watch
        from loopwatch.exporters import otel

        otel.FRESH = 0.0
        reader = InMemoryMetricReader()
        metrics.set_meter_provider(MeterProvider([reader]))
        watches = [Watch(registry=None, log=False) for _ in range(3)]

        async def main(watch):
            watch.start()
            await asyncio.sleep(0.01)
            time.sleep(0.12)
            await asyncio.sleep(0.05)

        def told():
            found = reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics
            points = {metric.name: metric.data.data_points for metric in found}
            tasks = points.get("loopwatch.tasks", ())
            busy, idle = (point.value for point in points["loopwatch.loop.time"])
            stalls = sum(
                point.count
                for point in points["loopwatch.stall"]
                if point.attributes["site"].endswith("main")
            )
            print(stalls, 0.12 * stalls < busy < 0.24 * stalls, len(tasks))

        for watch in watches[:2]:
            asyncio.run(main(watch))
        watches[0].stop()
        told()
        watches[1].stop()
        told()
        asyncio.run(main(watches[1]))
        asyncio.run(main(watches[2]))
        told()
        del watch
        while watches:
            watches.pop().stop()
        told()
    """)
    assert printed.split() == [
        "2",
        "True",
        "1",
        "2",
        "True",
        "0",
        "4",
        "True",
        "1",
        "4",
        "True",
        "0",
    ]


DROPPED = """
    import asyncio, gc, time, weakref
    from opentelemetry import metrics
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from loopwatch import Watch
    from loopwatch.exporters import otel

    otel.FRESH = 0.0
    reader = InMemoryMetricReader()
    metrics.set_meter_provider(MeterProvider([reader]))

    async def main():
        watch = Watch(registry=None, log=False)
        watch.start()
        await asyncio.sleep(0.01)
        time.sleep(0.3)
        await asyncio.sleep(0.01)
        return watch

    def told():
        found = reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics
        points = {metric.name: metric.data.data_points for metric in found}
        return sum(
            point.count
            for point in points["loopwatch.stall"]
            if point.attributes["site"].endswith("main")
        )
"""


def test_what_a_watch_has_told_stays_when_it_is_dropped_without_a_stop() -> None:
    printed = run_script(f"""{DROPPED}
    for again in range(3):
        watch = asyncio.run(main())
        print(told())
        del watch
        gc.collect()
    print(told(), len(otel.BRIDGE._sources))
    """)
    assert printed.split() == ["1", "2", "3", "3", "0"]


def test_what_a_watch_had_counted_stays_if_it_is_dropped_before_a_reader_asks() -> None:
    printed = run_script(f"""{DROPPED}
    dropped = [weakref.ref(asyncio.run(main())) for _ in range(3)]
    gc.collect()
    print([watch() for watch in dropped], told(), told(), len(otel.BRIDGE._sources))
    """)
    assert printed.split() == ["[None,", "None,", "None]", "3", "3", "0"]
