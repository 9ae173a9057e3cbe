"""A request within a request: a handler that calls an app in process, before the outer one ends."""

import asyncio
import time
from typing import Any

import pytest

from loopwatch import LoopWatchMiddleware

from .asgi import Receive, Send, answer, visit
from .conftest import MakeWatch, run_on


def test_a_request_made_in_process_takes_as_long_as_it_takes(
    loop: str, make_watch: MakeWatch
) -> None:
    """The step it begins in is the outer one's, and began before it."""
    watch = make_watch()
    truths: list[float] = []

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        scope["path_template"] = scope["path"]
        if scope["path"] == "/outer":
            began = time.perf_counter()
            await visit(middleware, "/inner")
            truths.append(time.perf_counter() - began)
        else:
            await asyncio.sleep(0.02)
            time.sleep(0.02)
        await answer(send)

    middleware = LoopWatchMiddleware(app, watch=watch)

    async def main() -> None:
        watch.start()
        await asyncio.sleep(0)
        await asyncio.gather(visit(middleware, "/outer"), visit(middleware, "/outer"))

    run_on(loop, main())
    latencies = {r.route: r.latency for r in watch.snapshot().requests}
    assert latencies["/inner"].count == latencies["/outer"].count == 2
    assert min(truths) > 0.03
    assert latencies["/inner"].sum == pytest.approx(sum(truths), rel=0.2)
    assert latencies["/inner"].sum <= latencies["/outer"].sum
