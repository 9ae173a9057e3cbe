"""What a metrics port answers: metrics, shared; `/livez`, whatever happens; and to whom."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from loopwatch.exporters import shared_answers
from loopwatch.exporters.wsgi_app import WAITING, MetricsApp

LIVEZ = {"state": "idle"}
PATIENCE = 10.0  # s


class Hanging(Collector):
    def __init__(self) -> None:
        self.go, self.begun = threading.Event(), threading.Semaphore(0)

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        self.begun.release()
        assert self.go.wait(20)
        yield from ()


def app_of(collector: Collector | None = None, address: str = "127.0.0.1") -> MetricsApp:
    registry = CollectorRegistry()
    Counter("mine", "Mine.", registry=registry)
    if collector is not None:
        registry.register(collector)
    return MetricsApp(registry, "metrics.internal", address, lambda: (True, LIVEZ))


def ask(app: MetricsApp, path: str = "/metrics", **more: Any) -> tuple[str, dict[str, str], bytes]:
    begun: list[Any] = []
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": path, "QUERY_STRING": ""} | more
    body = app(environ, lambda *start: begun.extend(start))
    return begun[0], dict(begun[1]), b"".join(body)


def test_metrics_and_livez() -> None:
    app = app_of()
    status, _, body = ask(app)
    assert status == "200 OK"
    assert b"mine_total 0.0" in body
    status, headers, body = ask(app, "/livez")
    assert (status, headers["content-type"]) == ("200 OK", "application/json")
    assert body == b'{"state": "idle"}'
    assert ask(app, REQUEST_METHOD="POST")[0].startswith("405")


@pytest.mark.parametrize("path", ["/metrics", "/livez"])
def test_a_foreign_host_is_told_nothing_where_only_this_machine_is_meant(path: str) -> None:
    own = app_of()
    for host in ("localhost:9100", "127.0.0.1:9100", "metrics.internal:9100"):
        assert ask(own, path, HTTP_HOST=host)[0] == "200 OK"
    assert ask(own, path, HTTP_HOST="evil.example:9100")[0].startswith("421")
    assert ask(app_of(address="0.0.0.0"), path, HTTP_HOST="10.1.2.3:9100")[0] == "200 OK"


def scrape_threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "loopwatch-scrape"}


def test_livez_answers_while_a_collector_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_answers, "PATIENCE", 1.0)
    hanging, before = Hanging(), scrape_threads()
    app, told = app_of(hanging), list[tuple[str, dict[str, str], bytes]]()
    askers = [
        threading.Thread(target=lambda: told.append(ask(app)), daemon=True) for _ in range(WAITING)
    ]
    for asker in askers:
        asker.start()
    assert hanging.begun.acquire(timeout=PATIENCE)
    while app._answers._waiting < WAITING:
        time.sleep(0.01)
    status, headers, _ = ask(app)
    assert (status[:3], int(headers["retry-after"]) >= 1) == ("503", True)
    assert ask(app, "/livez")[0] == "200 OK"
    assert len(scrape_threads() - before) == 1
    for asker in askers:
        asker.join(PATIENCE)
    assert {status[:3] for status, _, _ in told} == {"503"}
    hanging.go.set()
    assert ask(app)[0] == "200 OK"


def test_an_error_is_an_answer_and_is_logged_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loopwatch.core.guard._told", {})

    class Broken(Collector):
        def describe(self) -> list[Metric]:
            return []

        def collect(self) -> Iterator[Metric]:
            raise KeyError("x")

    app = app_of(Broken())
    for _ in range(2):
        assert ask(app)[0].startswith("500")
    assert len(caplog.records) == 1
