"""Replays of a real server under a real load, on both loops."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import uvicorn
from prometheus_client import CollectorRegistry

from loopwatch import LoopWatchMiddleware, Watch
from loopwatch.core.foreseeing import WhatIf
from loopwatch.replay.prediction import Prediction
from loopwatch.tools.diagnose.load import Load
from loopwatch.tools.diagnose.plan import Plan, Shot
from tests.asgi import App, answer
from tests.conftest import loop_factory

pytestmark = pytest.mark.slow

HELD, WAIT, TURN = (
    0.3,
    0.02,
    0.1,
)  # s: of a culprit; of a healthy route; of a place of the semaphore


def app() -> App:
    places: list[asyncio.Semaphore] = []

    async def serve(scope: Any, receive: Any, send: Any) -> None:
        path = scope["path_template"] = scope["path"]
        if path == "/report":
            hold()
        elif path == "/queue":
            places.extend([] if places else [asyncio.Semaphore(1)])
            async with places[0]:
                await asyncio.sleep(TURN)
        else:
            await asyncio.sleep(WAIT)
        await answer(send)

    return serve


def hold() -> None:
    time.sleep(HELD)


@contextmanager
def served(watch: Watch, loop: str) -> Iterator[str]:
    """Serve the app on a thread; give its URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    config = uvicorn.Config(
        LoopWatchMiddleware(app(), watch=watch), log_level="error", lifespan="off"
    )
    server = uvicorn.Server(config)

    def run() -> None:
        with asyncio.Runner(loop_factory=loop_factory(loop)) as runner:
            runner.run(server.serve([listener]))

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


def send(url: str, paths: dict[str, float], rate: float, seconds: float) -> None:
    shots = tuple(Shot(method="GET", path=p, headers={}, weight=w) for p, w in paths.items())
    plan = Plan(shots=shots, rate=rate, rate_end=rate, duration=seconds)
    asyncio.run(Load(plan, url).run())


def told(prediction: Prediction, route: str) -> WhatIf:
    assert prediction.reason == ""
    found = prediction.of(route, "GET")
    assert found is not None
    return found


def test_what_a_culprit_and_a_small_semaphore_cost(loop: str, registry: CollectorRegistry) -> None:
    """The culprit holds the loop for two thirds of the time; 15 requests/s want a place for 0.1 s.
    The bounds leave room for a machine that is busy itself."""
    watch = Watch(registry=registry, log=False)
    with served(watch, loop) as url:
        send(url, {"/item": 8.0, "/report": 1.0}, 20, 4)
        send(url, {"/queue": 1.0}, 15, 3)
        deadline = time.monotonic() + 10
        while sum(stall.site.function.endswith(".hold") for stall in watch.stalls) < 5:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        replay = watch.replay()
        item = told(replay.without(f"{__name__}.hold"), "/item")
        queue = told(replay.with_places("/queue", 4), "/queue")
    assert watch.snapshot().without(f"{__name__}.hold") != ()
    assert item.requests > 45
    assert item.now.p90 > HELD
    assert WAIT <= item.then.p50 < HELD / 3
    assert item.then.p90 < item.now.p90 / 2
    assert [one.places for one in replay.shared if "/queue" in one.routes] == [1]
    assert queue.now.p50 > 3 * TURN
    assert TURN <= queue.then.p50 < 2.5 * TURN
