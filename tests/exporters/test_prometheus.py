"""The Prometheus scrape, read by prometheus_client's own parser."""

import asyncio
import itertools
import time
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as openmetrics_families,
)

from loopwatch import LoopWatchMiddleware
from loopwatch.core.histogram import SECONDS_EDGES
from tests.exporters.life import some_life

from ..asgi import Receive, Send, answer, visit
from ..calm import in_calm
from ..conftest import MakeWatch, run_on
from .scrape import Scrape

CONTRACT = {
    "loopwatch_stall_seconds": ("histogram", {"route", "site", "cause"}),
    "loopwatch_request_seconds": ("histogram", {"route", "method"}),
    "loopwatch_request_time_seconds": ("counter", {"route", "state"}),
    "loopwatch_step_seconds": ("histogram", {"coroutine"}),
    "loopwatch_coroutine_seconds": ("histogram", {"coroutine"}),
    "loopwatch_loop_time_seconds": ("counter", {"state"}),
    "loopwatch_loop_lag_seconds": ("histogram", set()),
    "loopwatch_gc_pause_seconds": ("histogram", {"generation"}),
    "loopwatch_tasks": ("gauge", set()),
    "loopwatch_threadpool_threads": ("gauge", {"state"}),
    "loopwatch_threadpool_waiting": ("gauge", set()),
    "loopwatch_self_seconds": ("counter", set()),
    "loopwatch_dropped": ("counter", {"reason"}),
    "loopwatch_info": ("gauge", {"version", "loop", "layers"}),
}
EDGES = {*map(str, SECONDS_EDGES), "+Inf"}


@in_calm
def test_every_metric_of_the_contract_is_there(loop: str, make_watch: MakeWatch) -> None:
    """Names, types and label names, on both loops; 0.1 is a bucket edge."""
    registry = CollectorRegistry()
    watch = make_watch(registry=registry)

    async def main() -> Scrape:
        await some_life(watch)
        return Scrape(registry)

    scrape = run_on(loop, main())
    for name, (kind, expected) in CONTRACT.items():
        family = scrape.families[name]
        assert family.type == kind, name
        assert family.documentation
        assert family.samples, name
        for sample in family.samples:
            assert {*sample.labels} - {"le"} == expected, name
    for name, labels in scrape.samples:
        if name.endswith("_seconds_bucket") and "gc_pause" not in name:
            assert dict(labels)["le"] in EDGES
    assert 0.1 in SECONDS_EDGES
    assert scrape.value("loopwatch_request_seconds_count", route="/life", method="GET") == 2
    assert scrape.total("loopwatch_stall_seconds_count", route="/life") == 2
    assert scrape.value("loopwatch_coroutine_seconds_count", coroutine="nap") == 1
    assert scrape.total("loopwatch_info", loop=loop) == 1
    running = scrape.value("loopwatch_request_time_seconds_total", route="/life", state="running")
    assert running == pytest.approx(0.24, abs=0.02)
    busy = scrape.value("loopwatch_loop_time_seconds_total", state="busy")
    idle = scrape.value("loopwatch_loop_time_seconds_total", state="idle")
    assert busy > 0.24
    assert idle > 0.1


def test_openmetrics_readers_accept_it_too(make_watch: MakeWatch) -> None:
    """The stricter format: cumulative buckets, `_total` on counters, units."""
    registry = CollectorRegistry()
    watch = make_watch(registry=registry)

    async def main() -> str:
        await some_life(watch)
        return str(openmetrics.generate_latest(registry).decode())  # type: ignore[no-untyped-call]

    text = run_on("asyncio", main())
    names = {family.name for family in openmetrics_families(text)}  # type: ignore[no-untyped-call]
    assert CONTRACT.keys() <= names


@in_calm
def test_lag_as_scraped_is_the_truth(loop: str, make_watch: MakeWatch) -> None:
    """0.25 s held in 1.5 s, as PromQL would say it: p99 is 0.235 s."""
    registry = CollectorRegistry()
    watch = make_watch(registry=registry)

    async def main() -> Scrape:
        watch.start()
        await asyncio.sleep(0.5)
        time.sleep(0.25)
        await asyncio.sleep(0.75)
        return Scrape(registry)

    scrape = run_on(loop, main())
    assert scrape.quantile("loopwatch_loop_lag_seconds", 0.99) == pytest.approx(0.235, abs=0.02)


def test_counters_never_fall(loop: str, make_watch: MakeWatch) -> None:
    """Neither from scrape to scrape, nor when a loop is closed and another begins."""
    registry = CollectorRegistry()
    watch = make_watch(registry=registry)
    scrapes: list[Scrape] = []

    async def main() -> None:
        for _ in range(2):
            await some_life(watch)
            scrapes.append(Scrape(registry))

    for _ in range(2):
        run_on(loop, main())
        scrapes.append(Scrape(registry))
    growing = ("_total", "_count", "_sum", "_bucket")
    for before, after in itertools.pairwise(scrapes):
        for key, value in before.samples.items():
            if key[0].endswith(growing):
                assert after.samples[key] >= value - 1e-9, key


def test_watches_that_share_a_registry_are_added_up(make_watch: MakeWatch) -> None:
    """And leave it one by one; the last takes the metrics with it."""
    registry = CollectorRegistry()
    first, second = (make_watch(registry=registry) for _ in range(2))
    run_on("asyncio", some_life(first))
    run_on("asyncio", some_life(second))
    counted = ("loopwatch_request_seconds_count", "loopwatch_coroutine_seconds_count")
    assert [Scrape(registry).total(name) for name in counted] == [4, 2]
    first.stop()
    assert [Scrape(registry).total(name) for name in counted] == [2, 1]
    scrape = Scrape(registry)
    looks = scrape.value("loopwatch_dropped_total", reason="looks")  # of a busy machine
    assert scrape.total("loopwatch_dropped_total") == looks
    second.stop()
    assert Scrape(registry).text == ""


def test_other_metrics_of_the_registry_are_left_alone(make_watch: MakeWatch) -> None:
    registry = CollectorRegistry()
    Counter("mine", "Mine.", registry=registry).inc()
    watch = make_watch(registry=registry)
    run_on("asyncio", some_life(watch))
    watch.stop()
    assert Scrape(registry).value("mine_total") == 1


def test_a_name_that_is_taken_harms_nobody(
    make_watch: MakeWatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Somebody else's `loopwatch_tasks`: the app answers, the log says what happened."""
    registry = CollectorRegistry()
    Gauge("loopwatch_tasks", "Theirs.", registry=registry)
    watch = make_watch(registry=registry)

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await answer(send, b"fine")

    middleware = LoopWatchMiddleware(app, watch=watch)
    for _ in range(2):
        assert run_on("asyncio", visit(middleware))[1]["body"] == b"fine"
    assert Scrape(registry).value("loopwatch_tasks") == 0


@in_calm
def test_labels_are_bounded(make_watch: MakeWatch) -> None:
    """256 routes, then `_OTHER`; sums stay whole, and losses are told."""
    registry = CollectorRegistry()
    watch = make_watch(registry=registry)

    async def main() -> Scrape:
        watch.start()
        await asyncio.sleep(0)
        for number in range(300):

            async def app(scope: Any, receive: Receive, send: Send, number: int = number) -> None:
                scope["path_template"] = f"/route/{number}"
                await answer(send)

            await asyncio.ensure_future(visit(LoopWatchMiddleware(app, watch=watch)))
        await asyncio.sleep(0)
        return Scrape(registry)

    scrape = run_on("asyncio", main())
    routes = [k for k in scrape.samples if k[0] == "loopwatch_request_seconds_count"]
    assert len(routes) == 257
    counted = scrape.value("loopwatch_request_seconds_count", route="_OTHER", method="_OTHER")
    assert counted == 44
    assert scrape.total("loopwatch_request_seconds_count") == 300
    assert scrape.value("loopwatch_dropped_total", reason="routes") > 0
