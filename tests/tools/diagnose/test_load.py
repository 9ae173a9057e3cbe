"""The load: requests leave when they are due, and none is left out."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from loopwatch.tools.diagnose import load as module
from loopwatch.tools.diagnose.load import Load
from loopwatch.tools.diagnose.plan import Plan, Shot
from tests.tools.diagnose.made import plan

HELD = threading.Event()  # cleared: no answers


class Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    seen: list[tuple[str, str, str, bytes]] = []  # noqa: RUF012

    def do_GET(self) -> None:
        HELD.wait(10)
        self.answer(500 if self.path == "/fails" else 200)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.seen.append((self.path, self.headers["X-Mine"], self.headers["Content-Type"], body))
        self.answer(302)

    def answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None: ...


@contextmanager
def serving() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    HELD.set()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        HELD.set()
        server.shutdown()
        thread.join()
        server.server_close()


def test_requests_are_sent_while_answers_are_held_and_wait_from_their_due_time() -> None:
    async def held(load: Load) -> None:
        HELD.clear()
        asyncio.get_running_loop().call_later(0.8, HELD.set)
        await load.run()

    with serving() as url:
        load = Load(plan(rate=20.0, duration=0.5), url)
        asyncio.run(held(load))
    tally = load.tally
    assert tally.by_status() == {"200": 10}
    assert tally.most_in_flight == 10
    assert max(sample.late for sample in tally.samples) < 0.2
    assert [s.due for s in sorted(tally.samples, key=lambda s: s.due)] == pytest.approx(
        [n / 20 for n in range(10)]
    )
    for sample in tally.samples:  # all answered at once: who was due first waited longest
        assert sample.done == pytest.approx(0.8, abs=0.25)


def test_bodies_headers_and_statuses() -> None:
    shot = Shot(
        method="POST",
        path="/a?b=1",
        headers={"X-Mine": "7", "Content-Type": "text/plain"},
        body=b"hi",
    )
    made = Plan(shots=(shot,), rate=20.0, rate_end=20.0, duration=0.1)
    Answers.seen.clear()
    with serving() as url:
        load = Load(made, url)
        asyncio.run(load.run())
    assert Answers.seen == [("/a?b=1", "7", "text/plain", b"hi")] * 2
    assert (load.tally.by_status(), load.tally.errors) == ({"302": 2}, 0)


def test_failures_are_counted_and_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GRACE", 0.2)
    with serving() as url:
        failing = Load(plan("/fails", rate=20.0, duration=0.1), url)
        asyncio.run(failing.run())
        HELD.clear()
        unanswered = Load(plan(rate=20.0, duration=0.1), url)
        asyncio.run(unanswered.run())
    refused = Load(plan(rate=20.0, duration=0.1), "http://127.0.0.1:1")
    asyncio.run(refused.run())
    assert [one.tally.by_status() for one in (failing, unanswered, refused)] == [
        {"500": 2},
        {"timeout": 2},
        {"connection": 2},
    ]
    assert [one.tally.errors for one in (failing, unanswered, refused)] == [2, 2, 2]
    assert min(sample.latency for sample in unanswered.tally.samples) >= 0.15  # what it waited


def test_told_to_stop_it_sends_no_more() -> None:
    async def stopped(load: Load) -> None:
        asyncio.get_running_loop().call_later(0.3, load.stop)
        await load.run()

    with serving() as url:
        load = Load(plan(rate=20.0, duration=60.0), url)
        began = time.monotonic()
        asyncio.run(stopped(load))
    assert time.monotonic() - began < 5.0
    assert load.tally.interrupted
    assert 3 <= len(load.tally.samples) == load.tally.due <= 9
