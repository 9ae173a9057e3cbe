"""Requests of `def` routes and of `asyncio.to_thread`, through the middleware, in process."""

import asyncio
import os
import time
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio.to_thread
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from loopwatch import LoopWatchMiddleware
from loopwatch.core.record_types import ThreadPoolReading
from loopwatch.loop.executor import default_executor
from loopwatch.watch.watched_loop import LOOPS
from tests.asgi import visit
from tests.calm import in_calm
from tests.conftest import MakeWatch, block_for, run_on, until
from tests.loop.pools import NEAR

THREADS = 2
VISITS = 6
WORK = 0.05  # s in a thread

began: dict[str, list[float]] = {}  # by route: when the work of each request began (clock, s)


def works(route: str) -> None:
    began.setdefault(route, []).append(time.perf_counter())
    time.sleep(WORK)


def limited(request: Request) -> Response:
    works("/limited")
    return PlainTextResponse("done")


async def executed(request: Request) -> Response:
    await asyncio.to_thread(works, "/executed")
    return PlainTextResponse("done")


async def blocks(request: Request) -> Response:
    block_for(0.2)
    return PlainTextResponse("done")


def make_app() -> Starlette:
    return Starlette(routes=[Route(f"/{f.__name__}", f) for f in (limited, executed, blocks)])


@in_calm
@pytest.mark.parametrize("route", ["/limited", "/executed"])
def test_a_route_is_charged_for_what_its_requests_waited(
    loop: str, route: str, make_watch: MakeWatch
) -> None:
    """Two threads, six requests: two pairs wait for one and for two times the work."""
    watch = make_watch()
    app: Any = LoopWatchMiddleware(make_app(), watch=watch)
    began.clear()
    asked: list[float] = []

    async def main() -> None:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS))
        watch.start()
        anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
        asked.append(time.perf_counter())
        await asyncio.gather(*(visit(app, route) for _ in range(VISITS)))

    run_on(loop, main())
    (row,) = watch.snapshot().requests
    truth = sum(moment - asked[0] for moment in sorted(began[route])[THREADS:])
    assert truth > 0.25
    assert row.threadpool == pytest.approx(truth, abs=VISITS * NEAR)
    assert row.threadpool <= row.waiting + row.stalled


@in_calm
def test_waiting_for_the_loop_is_told_apart(loop: str, make_watch: MakeWatch) -> None:
    watch = make_watch()
    app: Any = LoopWatchMiddleware(make_app(), watch=watch)
    began.clear()

    async def main() -> None:
        watch.start()
        anyio.to_thread.current_default_thread_limiter().total_tokens = 1
        first = [asyncio.ensure_future(visit(app, "/limited")) for _ in range(2)]
        await asyncio.sleep(0.01)
        await visit(app, "/blocks")
        await asyncio.gather(*first)

    run_on(loop, main())
    row = next(r for r in watch.snapshot().requests if r.route == "/limited")
    one, other = began["/limited"]
    assert other - one > 0.2
    assert row.threadpool == pytest.approx(WORK, abs=NEAR)


def test_threads_of_both_pools_are_counted(loop: str, make_watch: MakeWatch) -> None:
    watch = make_watch()

    async def main() -> None:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(3))
        watch.start()
        anyio.to_thread.current_default_thread_limiter().total_tokens = 2
        calls = [asyncio.ensure_future(anyio.to_thread.run_sync(time.sleep, 0.2)) for _ in range(4)]
        calls.append(asyncio.ensure_future(asyncio.to_thread(time.sleep, 0.2)))
        await until(lambda: watch.snapshot().threadpool.busy == 3)
        assert watch.snapshot().threadpool == ThreadPoolReading(busy=3, idle=2, waiting=2)
        await asyncio.gather(*calls)

    run_on(loop, main())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_everything_is_put_back(loop: str, make_watch: MakeWatch) -> None:
    """As the watch stops, and in a forked child."""
    watch = make_watch()

    async def main() -> None:
        running: Any = asyncio.get_running_loop()
        tokens: Any = anyio.to_thread.current_default_thread_limiter()
        before = tokens._wait_queue
        await asyncio.to_thread(int)
        watch.start()
        assert tokens._wait_queue is not before
        assert "submit" in vars(default_executor(running))
        child = os.fork()
        if not child:
            threads_out = "submit" not in vars(default_executor(running))
            os._exit(0 if threads_out and tokens._wait_queue is before else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        watch.stop()
        assert tokens._wait_queue is before
        assert type(before) is OrderedDict
        assert "submit" not in vars(default_executor(running))

    run_on(loop, main())
    assert not LOOPS
