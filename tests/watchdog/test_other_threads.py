"""Which other threads use the CPU, and what a pool's thread was given to do, by whom."""

import asyncio
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import anyio.to_thread
import pytest

from loopwatch.core.evidence import ThreadPicture
from loopwatch.core.own_thread import OwnThread
from loopwatch.core.request import begin
from loopwatch.watchdog.other_threads import OtherThreads, app_threads, picture

from ..conftest import run_on
from .repeating import repeating

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the clocks are Linux's own")


def spin() -> None:
    sum(range(1000))


def pictures(threads: OtherThreads, since: float) -> tuple[ThreadPicture, ...]:
    return threads.pictures(time.perf_counter(), since, threading.get_native_id())


def read() -> tuple[OtherThreads, float]:
    threads, now = OtherThreads(), time.perf_counter()
    threads.glance(now, time.process_time())
    return threads, now


def test_a_thread_that_uses_the_cpu_is_named_with_its_frames() -> None:
    with repeating(spin, threading.Thread):
        threads, since = read()
        time.sleep(0.2)
        (spinner,) = pictures(threads, since)
    assert spinner.name == "repeater"
    assert "repeat" in {spot.code.co_name for spot in spinner.spots}
    assert spinner.function == f"{repeating.__module__}.repeating.<locals>.repeat"
    assert spinner.cpu > 0.002


def test_a_thread_that_has_stopped_using_it_is_not_named() -> None:
    ended = threading.Event()
    before = OtherThreads()
    before.glance(time.perf_counter(), 0.0)

    def work() -> None:
        until = time.thread_time() + 0.2
        while time.thread_time() < until:
            pass
        worked.set()
        ended.wait()

    worked = threading.Event()
    thread = threading.Thread(target=work)
    thread.start()
    worked.wait()
    time.sleep(0.15)  # so that the next reading is due
    now = time.perf_counter()
    before.glance(now, time.process_time())
    time.sleep(0.05)
    found = pictures(before, now)
    ended.set()
    thread.join()
    assert found == ()


def test_threads_of_loopwatch_are_never_named() -> None:
    def make(target: Callable[[], None], name: str) -> threading.Thread:
        return OwnThread(target, name)

    with repeating(spin, make):
        threads, since = read()
        time.sleep(0.2)
        assert pictures(threads, since) == ()
        assert "repeater" not in {thread.name for thread in app_threads().values()}


async def asks(run: Callable[..., Awaitable[object]]) -> object:
    request = begin(None, {"type": "http"})
    await run(time.sleep, 1.0)  # the line that asks
    return request


def in_a_pool_of_its_own(function: Callable[..., object], *args: object) -> Awaitable[object]:
    loop, pool = asyncio.get_running_loop(), ThreadPoolExecutor(1)
    return loop.run_in_executor(pool, partial(partial(function), *args))


POOLS: dict[str, Callable[..., Awaitable[object]]] = {
    "to_thread": asyncio.to_thread,
    "anyio": anyio.to_thread.run_sync,
    "run_in_executor": in_a_pool_of_its_own,
}


@pytest.mark.parametrize("pool", POOLS)
def test_a_pool_s_thread_is_known_by_its_function_and_by_who_waits_for_it(
    pool: str, loop: str
) -> None:
    async def main() -> tuple[object, list[ThreadPicture]]:
        task = asyncio.create_task(asks(POOLS[pool]))
        found: list[ThreadPicture] = []
        while not found and not task.done():
            await asyncio.sleep(0.02)
            pictures = [picture(t, 0.0) for t in app_threads().values()]
            found = [p for p in pictures if p.function == "time.sleep"]
        return await task, found

    request, (found,) = run_on(loop, main())
    assert found.request is request
    lines = {spot.line for spot in found.asker if spot.code is asks.__code__}
    assert lines == {asks.__code__.co_firstlineno + 2}


def test_work_that_nobody_awaits_yet_is_known_by_the_request_that_gave_it(loop: str) -> None:
    async def gives() -> tuple[object, ThreadPicture]:
        request = begin(None, {"type": "http"})
        work = in_a_pool_of_its_own(time.sleep, 0.5)
        await asyncio.sleep(0.1)
        found = [picture(thread, 0.0) for thread in app_threads().values()]
        await work
        return request, next(one for one in found if one.function == "time.sleep")

    request, found = run_on(loop, gives())
    assert (found.request, found.asker) == (request, ())


def test_an_idle_thread_of_a_pool_has_no_work() -> None:
    with ThreadPoolExecutor(1, "idle") as pool:
        pool.submit(int).result()
        time.sleep(0.05)
        (idle,) = (t for t in app_threads().values() if t.name.startswith("idle"))
        shown = picture(idle, 0.0)
        assert (shown.function, shown.request, shown.asker, shown.code) == (None, None, (), None)
