"""Responses of apps on real loops: what is latency, and what is background."""

import asyncio
import time
from typing import Any

import pytest

from loopwatch import LoopWatchMiddleware
from tests.asgi import Receive, Send, visit
from tests.calm import in_calm
from tests.conftest import TOLERANCE, MakeWatch, run_on, spin_for
from tests.loop.answers import BODY, MORE, START


@in_calm
def test_latency_ends_with_the_last_body_and_the_rest_is_background(
    loop: str, make_watch: MakeWatch
) -> None:
    watch = make_watch()

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        scope["path_template"] = "/stream"
        await send(dict(START))
        for _ in range(2):
            await asyncio.sleep(0.03)
            await send(dict(MORE))
        spin_for(0.02)
        await send(dict(BODY))
        spin_for(0.04)
        await asyncio.sleep(0.1)

    async def main() -> None:
        watch.start()
        await asyncio.sleep(0.01)
        await asyncio.ensure_future(visit(LoopWatchMiddleware(app, watch=watch)))
        await asyncio.sleep(0)

    run_on(loop, main())
    (reading,) = watch.snapshot().requests
    assert reading.latency.sum == pytest.approx(0.08, abs=TOLERANCE)
    assert reading.running == pytest.approx(0.02, abs=TOLERANCE)
    assert reading.background == pytest.approx(0.04, abs=TOLERANCE)


@pytest.mark.parametrize("end", [None, RuntimeError("x"), asyncio.CancelledError()], ids=repr)
def test_without_a_body_latency_ends_with_the_app(
    loop: str, make_watch: MakeWatch, end: BaseException | None
) -> None:
    watch = make_watch()

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await send(dict(START))
        await asyncio.sleep(0.02)
        if end is not None:
            raise end

    async def main() -> None:
        watch.start()
        await asyncio.sleep(0.01)
        task = asyncio.ensure_future(visit(LoopWatchMiddleware(app, watch=watch)))
        (met,) = await asyncio.gather(task, return_exceptions=True)
        assert met is end or type(met) in (list, type(end))
        await asyncio.sleep(0)

    run_on(loop, main())
    (reading,) = watch.snapshot().requests
    assert reading.latency.count == 1
    assert reading.latency.sum >= 0.018  # uvloop's timers are early by up to 1 ms
    assert reading.background == pytest.approx(0.0, abs=1e-9)


def test_a_response_sent_by_somebody_else_s_task_is_not_counted_twice(
    loop: str, make_watch: MakeWatch
) -> None:
    """A writer of the app's own, begun before any request: its steps are no request's."""
    watch = make_watch()
    queue: Any = None

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        done = asyncio.Event()
        await queue.put((send, done))
        await done.wait()

    async def write() -> None:
        while True:
            send, done = await queue.get()
            time.sleep(0.03)
            await send(dict(START))
            await send(dict(BODY))
            done.set()

    async def main() -> None:
        nonlocal queue
        queue = asyncio.Queue()
        watch.start()
        await asyncio.sleep(0.01)
        writer = asyncio.ensure_future(write())
        for _ in range(3):
            await asyncio.ensure_future(visit(LoopWatchMiddleware(app, watch=watch)))
        writer.cancel()

    run_on(loop, main())
    (reading,) = watch.snapshot().requests
    assert reading.background >= 0
    assert reading.running < 0.03
