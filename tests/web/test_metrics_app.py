"""`/metrics` as an ASGI app: what `prometheus_client` answers, made off the loop."""

import asyncio
import gzip
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, values
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.routing import Mount

from loopwatch import LoopWatchMiddleware, metrics
from tests.asgi import Message, visit
from tests.calm import in_calm
from tests.conftest import MakeWatch, run_on, run_script

STRICT = "application/openmetrics-text; version=1.0.0"


class Slow(Collector):
    """A collector that takes its time, and remembers on which thread."""

    def __init__(self) -> None:
        self.threads: list[threading.Thread] = []

    def collect(self) -> Iterator[Metric]:
        self.threads.append(threading.current_thread())
        time.sleep(0.15)
        yield from ()


class Broken(Collector):
    def collect(self) -> Iterator[Metric]:
        raise KeyError("x")


def with_one_metric() -> CollectorRegistry:
    registry = CollectorRegistry()
    Counter("mine", "Mine.", registry=registry).inc(3)
    Gauge("other", "Other.", registry=registry).set(1)
    return registry


def asked(app: Any, method: str = "GET", query: bytes = b"", **headers: str) -> tuple[Any, Any]:
    """Return the first and the last message of an answer."""
    raw = [(name.replace("_", "-").encode(), text.encode()) for name, text in headers.items()]
    more: Any = {"method": method, "query_string": query, "headers": raw}
    sent: list[Message] = run_on("asyncio", visit(app, "/metrics", **more))
    return sent[0], sent[-1]


def fields(start: Message) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in start["headers"]}


def test_it_answers_as_plain_text_or_as_openmetrics() -> None:
    app = metrics(with_one_metric())
    start, body = asked(app)
    assert start["status"] == 200
    assert fields(start)["content-type"].startswith("text/plain")
    assert b"mine_total 3.0" in body["body"]
    assert b"# EOF" not in body["body"]
    start, body = asked(app, accept=f"{STRICT},text/plain;q=0.5")
    assert fields(start)["content-type"].startswith("application/openmetrics-text")
    assert body["body"].endswith(b"# EOF\n")


def test_it_is_zipped_where_that_is_accepted() -> None:
    app = metrics(with_one_metric())
    start, body = asked(app, accept_encoding="gzip, br")
    assert fields(start)["content-encoding"] == "gzip"
    assert b"mine_total 3.0" in gzip.decompress(body["body"])
    assert int(fields(start)["content-length"]) == len(body["body"])
    assert "content-encoding" not in fields(asked(app)[0])


def test_single_metrics_can_be_asked_for() -> None:
    _, body = asked(metrics(with_one_metric()), query=b"name%5B%5D=other")
    assert b"other 1.0" in body["body"]
    assert b"mine" not in body["body"]


def test_head_is_get_without_the_body_and_nothing_else_is_allowed() -> None:
    app = metrics(with_one_metric())
    start, body = asked(app, "HEAD")
    assert (start["status"], body["body"]) == (200, b"")
    assert int(fields(start)["content-length"]) > 50
    start, body = asked(app, "POST")
    assert start["status"] == 405
    assert fields(start)["allow"] == "GET, HEAD"


@in_calm
def test_the_loop_is_not_held_meanwhile(loop: str, make_watch: MakeWatch) -> None:
    slow, registry = Slow(), CollectorRegistry()
    registry.register(slow)
    slow.threads.clear()
    watch = make_watch()
    app = LoopWatchMiddleware(metrics(registry), watch=watch)

    async def main() -> float:
        watch.start()
        await asyncio.sleep(0)
        longest, before = 0.0, time.perf_counter()
        asking = asyncio.ensure_future(visit(app))
        while not asking.done():
            await asyncio.sleep(0.005)
            longest, before = max(longest, time.perf_counter() - before), time.perf_counter()
        return longest

    assert run_on(loop, main()) < 0.1
    assert watch.stalls == ()
    assert slow.threads
    assert threading.main_thread() not in slow.threads


def test_a_collector_that_raises_is_an_answer_and_is_logged_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loopwatch.core.guard._told", {})
    registry = CollectorRegistry()
    registry.register(Broken())
    app = metrics(registry)
    for _ in range(2):
        start, body = asked(app)
        assert start["status"] == 500
        assert body["body"] == b"the metrics could not be made; the log says why\n"
    assert len(caplog.records) == 1


@pytest.mark.parametrize("make", [FastAPI, Starlette])
def test_it_can_be_mounted(make: Callable[[], Any]) -> None:
    app = make()
    app.router.routes.append(Mount("/metrics", metrics(with_one_metric())))
    with TestClient(app) as client:
        assert "mine_total 3.0" in client.get("/metrics").text
        assert client.head("/metrics/").status_code == 200


def test_it_can_be_served_alone() -> None:
    with TestClient(metrics(with_one_metric())) as client:
        assert "mine_total 3.0" in client.get("/").text


def test_a_websocket_is_closed() -> None:
    async def main() -> list[Message]:
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        await metrics()({"type": "websocket"}, None, send)  # type: ignore[arg-type]
        return sent

    assert run_on("asyncio", main()) == [{"type": "websocket.close", "code": 1000}]


def test_without_an_asyncio_loop_it_answers_too() -> None:
    import trio

    sent = trio.run(visit, metrics(with_one_metric()))
    assert b"mine_total 3.0" in sent[-1]["body"]


@pytest.mark.parametrize("wrong", [None, "registry", 1])
def test_what_is_no_registry_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"registry must be a prometheus_client\.Collector"):
        metrics(wrong)


def test_by_default_it_is_the_registry_of_everybody() -> None:
    assert b"python_info" in asked(metrics(REGISTRY))[1]["body"]
    assert b"python_info" in asked(metrics())[1]["body"]


# In multiprocess mode.


def test_there_it_answers_for_all_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the registry; by name too; and with an answer if the directory has gone."""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    fresh: Any = values.MultiProcessValue
    for process in (1, 2):
        made = fresh(lambda pid=process: pid)
        monkeypatch.setattr(values, "ValueClass", made)
        Counter("mine", "Mine.", registry=None).inc(process)
        Counter("other", "Other.", registry=None).inc(process)
    app = metrics(with_one_metric())
    assert b"mine_total 6.0" in asked(app)[1]["body"]
    _, body = asked(app, query=b"name[]=mine_total")
    assert b"mine_total 6.0" in body["body"]
    assert b"other" not in body["body"]
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path / "gone"))
    assert asked(app)[0]["status"] == 500


def test_files_that_change_meanwhile_are_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    fresh: Any = values.MultiProcessValue
    monkeypatch.setattr(values, "ValueClass", fresh())
    Counter("mine", "Mine.", registry=None).inc()
    half_made = tmp_path / "counter_1.db"  # as it is before it has got its size
    half_made.touch()
    read: Any = MultiProcessCollector.collect

    def collect(self: Any) -> Any:
        try:
            return read(self)
        finally:
            half_made.unlink(missing_ok=True)

    monkeypatch.setattr(MultiProcessCollector, "collect", collect)
    start, body = asked(metrics())
    assert start["status"] == 200
    assert b"mine_total 1.0" in body["body"]


FORKED = """
    import asyncio, os, warnings
    warnings.simplefilter("ignore", DeprecationWarning)  # 3.12+: fork with threads about
    from loopwatch import metrics
    from tests.asgi import visit

    app = metrics()
    asyncio.run(visit(app))
    pid = os.fork()
    if pid == 0:
        asyncio.run(asyncio.wait_for(visit(app), 5))
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no fork here")
def test_a_fork_after_the_first_answer_answers_too() -> None:
    assert run_script(FORKED).strip() == "0"
