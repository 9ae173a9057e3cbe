"""How `/metrics` and the page answer: off the loop, one answer for all who wait, within bounds."""

import asyncio
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from loopwatch import metrics, page
from loopwatch.exporters import shared_answers
from loopwatch.web import answering as module
from loopwatch.web.answering import App
from tests.asgi import Message, http_scope, visit
from tests.conftest import run_on, run_script, until
from tests.web.page.told import ToldWatch

MANY = shared_answers.WAITING


class Waiting(Collector):
    """A collector that waits to be let go, and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked, self.go = 0, threading.Event()
        self.registry = CollectorRegistry()
        self.registry.register(self)
        self.asked = 0

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        self.asked += 1
        assert self.go.wait(20)
        yield from ()


class Client:
    """Asks, and leaves when it wants to."""

    def __init__(self, app: App, **more: Any) -> None:
        self.sent: list[Message] = []
        self.leaves = asyncio.Event()
        self.received = [{"type": "http.request", "body": b"", "more_body": False}]
        self.task = asyncio.create_task(self.ask(app, http_scope("/", **more)))

    async def ask(self, app: App, scope: Any) -> None:
        await app(scope, self.receive, self.send)

    async def receive(self) -> Any:
        if self.received:
            return self.received.pop()
        await self.leaves.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    @property
    def status(self) -> Any:
        return self.sent[0]["status"]


async def first_in_progress(app: App, collector: Waiting) -> Client:
    first = Client(app)
    await until(lambda: collector.asked == 1)
    return first


def test_those_who_wait_share_one_answer(loop: str) -> None:
    collector = Waiting()

    async def main() -> None:
        app = metrics(collector.registry)
        clients = [await first_in_progress(app, collector), *(Client(app) for _ in range(9))]
        await asyncio.sleep(0)
        collector.go.set()
        await asyncio.gather(*(client.task for client in clients))
        assert {client.status for client in clients} == {200}
        assert collector.asked == 2

    run_on(loop, main())


def test_nothing_is_made_for_a_client_that_has_left_before_its_turn(loop: str) -> None:
    collector = Waiting()

    async def main() -> None:
        app = metrics(collector.registry)
        first = await first_in_progress(app, collector)
        left = [Client(app, query_string=b"n=%d" % number) for number in range(5)]
        await asyncio.sleep(0.05)
        for client in left[:4]:
            client.leaves.set()
        left[4].task.cancel()
        await asyncio.gather(*(client.task for client in left), return_exceptions=True)
        assert [client.sent for client in left] == [[]] * 5
        collector.go.set()
        await first.task
        await visit(app)
        assert collector.asked == 2

    run_on(loop, main())


def test_above_a_bound_of_waiting_clients_it_is_busy(loop: str) -> None:
    collector = Waiting()

    async def main() -> None:
        app = metrics(collector.registry)
        first = await first_in_progress(app, collector)
        clients = [Client(app) for _ in range(MANY - 1)]
        await asyncio.sleep(0.05)
        start, body = await visit(app)
        assert start["status"] == 503
        assert int(dict(start["headers"])[b"retry-after"]) >= 1
        assert b"too many questions" in body["body"]
        collector.go.set()
        await asyncio.gather(first.task, *(client.task for client in clients))
        assert {client.status for client in clients} == {200}
        assert (await visit(app))[0]["status"] == 200

    run_on(loop, main())


def test_nobody_waits_for_ever(monkeypatch: pytest.MonkeyPatch, loop: str) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.1)
    collector = Waiting()

    async def main() -> None:
        start, _ = await visit(metrics(collector.registry))
        assert start["status"] == 503
        collector.go.set()

    run_on(loop, main())


def test_the_whole_page_has_one_budget(loop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it is used up, each path tells what it told last, and the loop is left alone."""
    made: list[str] = []
    watch: Any = ToldWatch()
    snapshot = watch.snapshot

    def dear(**more: Any) -> Any:
        made.append("snapshot")
        until = time.thread_time() + shared_answers.SAVED * 1.2
        while time.thread_time() < until:
            pass
        return snapshot(**more)

    async def main() -> None:
        transport = httpx.ASGITransport(page(watch))
        async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
            assert (await client.get("/stalls.json")).status_code == 200
            watch.snapshot = dear
            assert (await client.get("/snapshot.json")).status_code == 200
            watch.told = ()
            for _ in range(20):
                for path in ("/snapshot.json", "/stalls.json", "/"):
                    assert (await client.get(path)).status_code == 200
        assert len(made) == 1

    run_on(loop, main())


@pytest.mark.parametrize(
    "messages",
    [
        [],
        [{"type": "http.request", "body": b"x", "more_body": True}, {"type": "http.request"}],
        [{"type": "http.request"}, {"type": "http.request"}, {"type": "http.disconnect"}],
    ],
)
def test_what_is_received_may_be_anything(messages: list[Message]) -> None:
    """More of a body, the same again, or an error: the answer is sent all the same."""

    async def main() -> list[Message]:
        sent, left = list[Message](), list(messages)

        async def receive() -> Message:
            return left.pop(0)

        async def send(message: Message) -> None:
            sent.append(message)

        await page(ToldWatch())(http_scope("/stalls.json"), receive, send)
        return sent

    assert run_on("asyncio", main())[0]["status"] == 200


HUNG = """
    import asyncio, threading
    from prometheus_client import CollectorRegistry
    from loopwatch import metrics
    from tests.asgi import visit

    registry, begun = CollectorRegistry(), threading.Event()

    class Hanging:
        def describe(self):
            return []

        def collect(self):
            begun.set()
            threading.Event().wait()

    registry.register(Hanging())

    async def main():
        app = metrics(registry)
        tasks = [asyncio.create_task(visit(app)) for _ in range(5)]
        await asyncio.to_thread(begun.wait, 10)
        for task in tasks:
            task.cancel()
        print(sum("loopwatch" in thread.name for thread in threading.enumerate()))

    asyncio.run(main())
"""


def test_a_collector_that_hangs_takes_one_thread_and_does_not_keep_the_process() -> None:
    assert run_script(HUNG) == "1\n"
