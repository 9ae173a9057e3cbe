"""A tick full of requests that had waited for a hold is the aftermath of that hold."""

import asyncio
import time
from contextvars import copy_context
from typing import Any

from loopwatch import LoopWatchMiddleware
from loopwatch.core.holds import Hold
from loopwatch.core.request import Request, begin
from loopwatch.loop.victim_search import Position, VictimSearch

from ..asgi import Receive, Send, answer, visit
from ..conftest import MakeWatch, run_on, spin_for

WAITING = 150  # requests: more than make a tick busy


def test_it_is_no_stall_of_its_own(loop: str, make_watch: MakeWatch) -> None:
    watch = make_watch(slow_callback_duration=0.2)
    ready = asyncio.Event()

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        scope["path_template"] = scope["path"]
        if scope["path"] == "/hold":
            time.sleep(0.6)
            ready.set()
        elif scope["path"] == "/waits":
            await ready.wait()
            spin_for(0.003)
        await answer(send)

    middleware = LoopWatchMiddleware(app, watch=watch)

    async def main() -> None:
        watch.start()
        await asyncio.sleep(0)
        waiting = [asyncio.create_task(visit(middleware, "/waits")) for _ in range(WAITING)]
        await asyncio.sleep(0.05)
        await asyncio.create_task(visit(middleware, "/hold"))
        await asyncio.gather(*waiting)
        await asyncio.sleep(0.05)

    run_on(loop, main())
    assert [stall.route for stall in watch.stalls] == ["/hold"]


def test_many_callbacks_of_the_culprit_s_own_are_one(loop: str, make_watch: MakeWatch) -> None:
    watch = make_watch(slow_callback_duration=0.2)

    def small() -> None:
        spin_for(0.003)

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        scope["path_template"] = scope["path"]
        time.sleep(0.6)
        for _ in range(WAITING):
            asyncio.get_running_loop().call_soon(small)
        await asyncio.sleep(0)
        await answer(send)

    async def main() -> None:
        watch.start()
        await asyncio.sleep(0)
        await asyncio.create_task(visit(LoopWatchMiddleware(app, watch=watch), "/fans-out"))
        await asyncio.sleep(0.05)

    run_on(loop, main())
    first, second = watch.stalls
    assert (first.route, second.route) == ("/fans-out", "/fans-out")
    assert second.site.function.endswith(".small")
    assert second.site.exact is False
    assert second.site.line == small.__code__.co_firstlineno
    assert second.method == "GET"


def a_search() -> tuple[VictimSearch, Hold]:
    search = VictimSearch(lambda: Position(1, 0.0, 10.0))
    return search, search.begin(10.0, 10.5, None)


def arrived(search: VictimSearch, started: float, queued: float) -> Request:
    request = copy_context().run(begin, None, {"type": "http"})
    request.started = started
    search.arrive(request, queued)
    return request


def test_who_waits_in_the_socket_meanwhile_waits_for_that_hold() -> None:
    search, hold = a_search()
    assert search.prolong(10.8)
    arrived(search, 10.8, 0.2)
    assert (hold.victims, round(hold.lost, 6)) == (1, 0.2)


def test_who_comes_later_does_not() -> None:
    search, hold = a_search()
    search.prolong(10.8)
    arrived(search, 11.0, 0.1)
    assert hold.victims == 0


def test_without_a_hold_there_is_no_aftermath() -> None:
    assert not VictimSearch(lambda: Position(1, 0.0, 10.0)).prolong(10.8)
