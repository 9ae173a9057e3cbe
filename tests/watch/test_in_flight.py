"""Requests in flight are charged at a scrape: by the loop itself, a little at a time."""

import asyncio
import time
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from loopwatch import LoopWatchMiddleware
from loopwatch.watch import in_flight as module
from loopwatch.watch.in_flight import Charging
from loopwatch.watch.watched_loop import LOOPS
from tests.asgi import visit
from tests.conftest import MakeWatch, run_on

LONGEST = 0.005  # s of the loop's CPU time in one callback
IN_FLIGHT, ROUTES = 10_000, 256


@pytest.mark.parametrize("shared", [False, True])
def test_no_turn_is_long_however_many_are_in_flight(
    loop: str, shared: bool, make_watch: MakeWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether their endpoint is that of one route or that of all of them."""
    monkeypatch.setattr(module, "LONG_REQUEST", 0.0)
    turns, watch = list[float](), make_watch()
    take_turn = Charging._take_turn

    def timed(self: Charging) -> None:
        began = time.thread_time()
        take_turn(self)
        turns.append(time.thread_time() - began)

    monkeypatch.setattr(Charging, "_take_turn", timed)

    async def main() -> None:
        let_go = asyncio.Event()

        async def wait(_: Request) -> PlainTextResponse:
            await let_go.wait()
            return PlainTextResponse("")

        async def other(_: Request) -> PlainTextResponse:
            return PlainTextResponse("")

        more = [Route(f"/{n}", wait if shared else other) for n in range(ROUTES)]
        app = LoopWatchMiddleware(Starlette(routes=[*more, Route("/wait", wait)]), watch=watch)
        tasks = [asyncio.create_task(visit(app, "/wait")) for _ in range(IN_FLIGHT)]
        await asyncio.sleep(0.1)
        await asyncio.to_thread(watch.snapshot)
        charging = LOOPS[asyncio.get_running_loop()].charging
        while charging._left:
            await asyncio.sleep(0)
        [row] = watch.snapshot().requests
        assert (row.route, row.latency.count) == ("/wait", 0)
        assert row.waiting > IN_FLIGHT * 0.01
        let_go.set()
        await asyncio.gather(*tasks)

    run_on(loop, main())
    assert len(turns) > 1
    assert max(turns) < LONGEST


class Loop:
    """Keeps what it is asked to call."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.call_soon = self.call_soon_threadsafe = self.asked.append

    def is_closed(self) -> bool:
        return False


def test_asking_again_meanwhile_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[str] = ["a", "b", "c"]
    monkeypatch.setattr(module, "requests_in_flight", lambda loop, older_than: found)
    now, charged, loop = [0.0], list[Any](), Loop()

    def charge(request: Any) -> None:
        charged.append(request)
        now[0] += module.TURN * 0.6

    monkeypatch.setattr(module, "clock", lambda: now[0])
    charging = Charging(loop, charge)
    for _ in range(3):
        charging.soon()
    assert len(loop.asked) == 1
    loop.asked.pop()()
    assert charged == ["c", "b"]
    charging.soon()
    assert len(loop.asked) == 1
    loop.asked.pop()()
    assert charged == ["c", "b", "a"]
    assert loop.asked == []
    charging.soon()
    assert len(loop.asked) == 1


def test_an_error_ends_it_and_is_logged_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("loopwatch.core.guard._told", {})
    monkeypatch.setattr(module, "requests_in_flight", lambda loop, older_than: [1, 2])

    def charge(request: Any) -> None:
        raise KeyError(request)

    loop = Loop()
    charging = Charging(loop, charge)
    for _ in range(2):
        charging.soon()
        loop.asked.pop()()
    assert loop.asked == []
    assert len(caplog.records) == 1
