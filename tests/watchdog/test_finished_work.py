"""Who asked for what an idle thread of a pool has just finished."""

import asyncio
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from loopwatch.core.evidence import ThreadPicture
from loopwatch.core.request import begin
from loopwatch.loop.executor import PARKED
from loopwatch.watchdog.finished_work import with_finished_work
from loopwatch.watchdog.other_threads import app_threads, picture
from tests.conftest import run_on

NAME = "finished"


def idle_picture() -> ThreadPicture:
    (thread,) = (t for t in app_threads().values() if t.name.startswith(NAME))
    return picture(thread, 0.2)


async def direct(work: Awaitable[object]) -> None:
    await work


async def gathered(work: Awaitable[object]) -> None:
    await asyncio.gather(work, asyncio.sleep(0.0))


async def shielded(work: Awaitable[object]) -> None:
    await asyncio.shield(work)


async def in_time(work: Awaitable[object]) -> None:
    await asyncio.wait_for(work, 5.0)


async def in_a_child(work: Awaitable[object]) -> None:
    await asyncio.gather(direct(work), asyncio.sleep(0.0))


async def in_a_group(work: Awaitable[object]) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(in_time(work))


WAYS = (direct, gathered, shielded, in_a_child) + (
    (in_time, in_a_group) if sys.version_info >= (3, 12) else ()  # there `wait_for` hides a future
)
Way = Callable[[Awaitable[object]], Coroutine[Any, Any, None]]


def finish(gate: threading.Event) -> None:
    """Let the thread go on until it is idle, while the loop does not see the result."""
    gate.set()
    until = time.monotonic() + 10.0
    while idle_picture().spots[0].code is not PARKED and time.monotonic() < until:
        time.sleep(0.01)


@pytest.mark.parametrize("way", WAYS)
def test_the_lines_and_the_request_of_the_task_that_waits(loop: str, way: Way) -> None:
    async def main() -> None:
        with ThreadPoolExecutor(1, NAME) as pool:
            gate = threading.Event()
            work = asyncio.get_running_loop().run_in_executor(pool, gate.wait)
            request = begin(None, {"type": "http"})
            task = asyncio.create_task(way(work))
            await asyncio.sleep(0.05)
            finish(gate)
            shown = with_finished_work(idle_picture(), asyncio.get_running_loop())
            await task
        assert shown.request is request
        assert way.__code__ in {spot.code for spot in shown.asker}

    run_on(loop, main())


def test_of_two_that_have_finished_nobody_says_which(loop: str) -> None:
    async def main() -> None:
        with ThreadPoolExecutor(1, NAME) as pool:
            running = asyncio.get_running_loop()
            gate = threading.Event()
            works = [running.run_in_executor(pool, gate.wait) for _ in range(2)]
            tasks = [asyncio.create_task(direct(work)) for work in works]
            await asyncio.sleep(0.05)
            finish(gate)
            time.sleep(0.1)
            before = idle_picture()
            assert with_finished_work(before, running) == before
            await asyncio.gather(*tasks)

    run_on(loop, main())


def test_a_result_that_the_loop_has_seen_tells_nothing(loop: str) -> None:
    async def main() -> None:
        with ThreadPoolExecutor(1, NAME) as pool:
            running = asyncio.get_running_loop()
            await running.run_in_executor(pool, int)
            await asyncio.sleep(0.1)
            before = idle_picture()
            assert with_finished_work(before, running) == before

    run_on(loop, main())


def test_a_thread_that_works_keeps_what_it_shows(loop: str) -> None:
    async def main() -> None:
        with ThreadPoolExecutor(1, NAME) as pool:
            running = asyncio.get_running_loop()
            gate = threading.Event()
            work = running.run_in_executor(pool, gate.wait)
            await asyncio.sleep(0.1)
            before = idle_picture()
            assert before.function == "threading.Event.wait"
            assert with_finished_work(before, running) == before
            gate.set()
            await work

    run_on(loop, main())
