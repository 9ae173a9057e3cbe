"""A request within a request: a handler that calls an app in process, before the outer one ends."""

import asyncio
import time
from typing import Any

import pytest

from loopwatch import LoopWatchMiddleware

from .asgi import Receive, Send, answer, visit
from .conftest import MakeWatch, run_on


def held(seconds: float = 0.3) -> None:
    time.sleep(seconds)


@pytest.mark.parametrize("compiled", [True, False])
def test_who_made_a_request_in_process_is_not_that_request_afterwards(
    loop: str, make_watch: MakeWatch, compiled: bool
) -> None:
    """A test, or a lifespan that warms its app: what it does next, and its new tasks, are its own.
    A task that the request itself has left behind keeps the route."""
    watch = make_watch()
    left: list[asyncio.Task[None]] = []

    async def behind() -> None:
        await asyncio.sleep(0.05)
        held()

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        scope["path_template"] = "/quick"
        if not left:
            left.append(asyncio.create_task(behind()))
        await asyncio.sleep(0)
        await answer(send)

    middleware = LoopWatchMiddleware(app, watch=watch)
    called = middleware if compiled else middleware.serve

    async def later() -> None:
        held()

    async def main() -> None:
        watch.start()
        await asyncio.sleep(0)
        for _ in range(2):  # the second one takes the fast way
            await visit(called, "/quick")
        held()
        await left[0]
        await asyncio.create_task(later())

    run_on(loop, main())
    assert sorted(str(stall.route) for stall in watch.stalls) == ["/quick", "None", "None"]
    assert {stall.site.function for stall in watch.stalls} == {f"{__name__}.held"}


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
