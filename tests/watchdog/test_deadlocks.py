"""Waits of a loop's own thread that only the loop itself could end."""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

from loopwatch import LoopWatchMiddleware
from loopwatch.core.evidence import ThreadWait
from loopwatch.core.speedups import speedups
from loopwatch.explain.blocker import is_certain, is_deadlock
from tests.conftest import private_watch, run_on

from .waiting import found, said

pytestmark = pytest.mark.skipif(speedups is None, reason="only C sees what names mean elsewhere")


def seen_from_outside(loop: str, main: Callable[[Callable[[], None]], Any], end: Any) -> ThreadWait:
    """Run a coroutine that holds its loop until `end` is called; what it waits for."""
    began, told = threading.Event(), list[Any]()

    async def run() -> None:
        def begin() -> None:
            told.extend((asyncio.get_running_loop(), threading.get_ident()))
            began.set()

        with suppress(CancelledError):
            await main(begin)

    thread = threading.Thread(target=lambda: run_on(loop, run()))
    thread.start()
    try:
        assert began.wait(10)
        return found(told[1], told[0])
    finally:
        end()
        thread.join(20)


async def answer() -> int:
    return 42


def test_a_future_of_the_loop_itself_can_never_come(loop: str) -> None:
    futures: list[Future[Any]] = []

    async def main(begin: Callable[[], None]) -> None:
        futures.append(asyncio.run_coroutine_threadsafe(answer(), asyncio.get_running_loop()))
        begin()
        futures[0].result()

    wait = seen_from_outside(loop, main, lambda: futures[0].cancel())
    assert is_deadlock(wait)
    assert is_certain(wait) == (loop == "asyncio")  # uvloop hides what it has yet to call
    assert said(wait).endswith("waits on a future of this very loop")


def test_a_future_whose_coroutine_has_begun(loop: str) -> None:
    futures: list[Future[Any]] = []

    async def main(begin: Callable[[], None]) -> None:
        nap = asyncio.sleep(30)
        futures.append(asyncio.run_coroutine_threadsafe(nap, asyncio.get_running_loop()))
        await asyncio.sleep(0.05)
        begin()
        futures[0].result()

    wait = seen_from_outside(loop, main, lambda: futures[0].cancel())
    assert (is_deadlock(wait), is_certain(wait)) == (True, True)
    assert said(wait) == "waits on a future of this very loop"


def test_a_pool_s_thread_that_waits_for_the_loop(loop: str) -> None:
    futures: list[Future[Any]] = []

    async def main(begin: Callable[[], None]) -> None:
        running = asyncio.get_running_loop()

        def ask() -> None:
            futures.append(asyncio.run_coroutine_threadsafe(answer(), running))
            with suppress(CancelledError):
                futures[0].result()

        with ThreadPoolExecutor(1, "pool") as pool:
            asked = pool.submit(ask)
            while not futures:
                time.sleep(0.01)
            begin()
            asked.result()

    wait = seen_from_outside(loop, main, lambda: futures[0].cancel())
    assert said(wait).startswith("waits on a future that thread 'pool_0' works on at ")
    assert is_deadlock(wait)


def test_a_lock_that_a_suspended_coroutine_holds(loop: str) -> None:
    lock = threading.Lock()

    async def hold() -> None:
        with lock:
            await asyncio.sleep(30)

    async def main(begin: Callable[[], None]) -> None:
        holding = asyncio.create_task(hold())
        await asyncio.sleep(0.05)
        begin()
        lock.acquire()
        holding.cancel()

    def end() -> None:
        lock.release()

    wait = seen_from_outside(loop, main, end)
    assert said(wait).startswith("waits for a lock held by a suspended coroutine of this very loop")
    assert said(wait).endswith("await asyncio.sleep(30)")
    assert is_deadlock(wait)


def test_a_lock_that_a_suspended_request_holds(loop: str) -> None:
    """The server's coroutine awaits the app's through our own middleware."""
    lock, watch = threading.Lock(), private_watch()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        with lock:
            await asyncio.sleep(30)

    async def main(begin: Callable[[], None]) -> None:
        scope = {"type": "http", "method": "GET", "path": "/"}
        request = LoopWatchMiddleware(app, watch=watch)(scope, silent, silent)
        holding = asyncio.ensure_future(request)
        await asyncio.sleep(0.05)
        begin()
        lock.acquire()
        holding.cancel()

    wait = seen_from_outside(loop, main, lock.release)
    watch.stop()
    assert said(wait).startswith("waits for a lock held by a suspended coroutine of this very loop")
    assert is_deadlock(wait)


async def silent(*_: Any) -> Any:
    return {"type": "http.request"}


def test_a_lock_that_the_loop_s_thread_has_already(loop: str) -> None:
    lock = threading.Lock()

    async def main(begin: Callable[[], None]) -> None:
        with lock:
            begin()
            lock.acquire()

    wait = seen_from_outside(loop, main, lock.release)
    assert said(wait).startswith("waits for a lock held by the loop's own thread at ")
    assert is_deadlock(wait)
