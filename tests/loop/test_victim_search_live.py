"""Victims of a hold, on real loops: few of them to the millisecond, and ten thousand at once."""

import asyncio
import contextlib
import gc
import time
import weakref
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import pytest

from loopwatch import LoopWatchMiddleware, Watch
from loopwatch.loop import loop_state as state
from loopwatch.loop.victim_search import NOTED, VictimSearch
from tests.asgi import Receive, Send, answer, visit
from tests.calm import in_calm
from tests.conftest import TOLERANCE, MakeWatch, block_for, run_on, until

IN_FLIGHT = 10_000
AT_ONCE = 0.010  # s that the loop may be kept for accounting, at once


async def victims(app: Any, *paths: str) -> list[asyncio.Task[Any]]:
    """Return one request of each path, begun."""
    tasks = [asyncio.ensure_future(visit(app, path)) for path in paths]
    await asyncio.sleep(0.02)
    return tasks


@in_calm
def test_requests_lose_what_they_were_ready_for(loop: str, make_watch: MakeWatch) -> None:
    """To a timer due in the block, one due after it, and an event that comes long after it."""
    watch, event = make_watch(), asyncio.Event()
    moments: dict[str, float] = {}

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        path = scope["path_template"] = scope["path"]
        if path == "/block":
            block_for(0.2)
            moments["ended"] = time.perf_counter()
        elif path == "/event":
            await event.wait()
        else:
            delay = {"/due": 0.12, "/later": 0.5}[path]
            moments[path] = time.perf_counter() + delay
            await asyncio.sleep(delay)
        await answer(send)

    async def main() -> None:
        watch.start()
        await asyncio.sleep(0.05)
        wrapped = LoopWatchMiddleware(app, watch=watch)
        tasks = await victims(wrapped, "/due", "/later", "/event")
        tasks += await victims(wrapped, "/block")
        await asyncio.gather(tasks[0], tasks[1], tasks[3])
        event.set()
        await tasks[2]
        await until(lambda: bool(watch.stalls) and watch.stalls[-1].victims > 0)

    run_on(loop, main())
    (stall,) = watch.stalls
    due = moments["ended"] - moments["/due"]
    (request,) = (r for r in watch.snapshot().recent_requests() if r.route == "/due")
    (blame,) = request.blames
    assert blame.least == blame.most == pytest.approx(due, abs=TOLERANCE)
    assert stall.victims == 1
    assert stall.lost_request_seconds == pytest.approx(blame.seconds)
    parts = {row.route: row for row in watch.snapshot().requests}
    assert parts["/due"].stalled == pytest.approx(blame.seconds)
    assert parts["/block"].stalled == parts["/later"].stalled == parts["/event"].stalled == 0.0
    (row,) = watch.snapshot().blames
    assert (row.culprit_route, row.victim_route, row.count) == ("/block", "/due", 1)


@in_calm
def test_who_is_in_line_behind_the_culprit_loses_all_of_it(
    loop: str, make_watch: MakeWatch
) -> None:
    watch, released = make_watch(), asyncio.Event()
    took: list[float] = []

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        path = scope["path_template"] = scope["path"]
        await released.wait()
        if path == "/block":
            took.append(block_for(0.15))
        await answer(send)

    async def main() -> None:
        watch.start()
        await asyncio.sleep(0.05)
        wrapped = LoopWatchMiddleware(app, watch=watch)
        tasks = await victims(wrapped, "/before", "/block", "/behind", "/behind")
        released.set()
        await asyncio.gather(*tasks)
        await until(lambda: bool(watch.stalls) and watch.stalls[-1].victims > 0)

    run_on(loop, main())
    (stall,) = watch.stalls
    assert stall.victims == 2
    assert stall.lost_request_seconds == pytest.approx(2 * took[0], abs=TOLERANCE)
    parts = {row.route: row.stalled for row in watch.snapshot().requests}
    assert (parts["/before"], parts["/block"]) == (0.0, 0.0)


@pytest.mark.parametrize("order", ["culprit first", "callback first"])
def test_two_stalls_of_one_tick_have_their_own_victims(
    loop: str, make_watch: MakeWatch, order: str
) -> None:
    """A request's and a plain callback's: every second that was lost, to one of them only."""
    watch, released = make_watch(), asyncio.Event()

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        path = scope["path_template"] = scope["path"]
        if path == "/block":
            await released.wait()
            block_for(0.3)
        else:
            await asyncio.sleep(0.15)
        await answer(send)

    async def main() -> None:
        watch.start()
        await asyncio.sleep(0.1)
        wrapped = LoopWatchMiddleware(app, watch=watch)
        tasks = await victims(wrapped, "/block", "/good", "/good", "/good")
        running = asyncio.get_running_loop()
        if order == "callback first":
            running.call_soon(block_for, 0.2)
        released.set()
        if order == "culprit first":
            running.call_soon(block_for, 0.2)
        await asyncio.gather(*tasks)
        await until(lambda: len(watch.stalls) == 2)

    run_on(loop, main())
    watch.stop()
    assert sorted(round(stall.duration, 1) for stall in watch.stalls) == [0.2, 0.3]
    snapshot = watch.snapshot()
    lost = sum(stall.lost_request_seconds for stall in snapshot.stalls)
    assert lost == pytest.approx(sum(row.stalled for row in snapshot.requests))
    assert lost == pytest.approx(sum(blame.seconds for blame in snapshot.blames))


class Timed(VictimSearch):
    """Writes down for how long it keeps the loop."""

    calls: list[float]

    def begin(self, *arguments: Any, **named: Any) -> Any:
        return self._timed(super().begin, *arguments, **named)

    def note(self, *arguments: Any) -> None:
        self._timed(super().note, *arguments)

    def arrive(self, *arguments: Any) -> None:
        self._timed(super().arrive, *arguments)

    def tick(self) -> None:
        self._timed(super().tick)

    def _timed(self, method: Any, *arguments: Any, **named: Any) -> Any:
        began = time.perf_counter()
        try:
            return method(*arguments, **named)
        finally:
            self.calls.append(time.perf_counter() - began)


@contextlib.contextmanager
def without_collections() -> Iterator[None]:
    """Whose turn a collection falls into is chance."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@in_calm
def test_ten_thousand_in_flight_do_not_make_a_stall_cost_more(
    loop: str, make_watch: MakeWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None of them ready: next to nothing. All ready: so many are looked at, and no more."""
    monkeypatch.setattr(state, "VictimSearch", Timed)
    watch = make_watch()
    calls: list[float] = []
    monkeypatch.setattr(Timed, "calls", calls, raising=False)
    ready = asyncio.Event()

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        scope["path_template"] = scope["path"]
        if scope["path"] == "/bad":
            block_for(0.12)
        else:
            await ready.wait()
        await answer(send)

    wrapped = LoopWatchMiddleware(app, watch=watch)

    async def stall() -> None:
        calls.clear()
        await asyncio.ensure_future(visit(wrapped, "/bad"))

    async def main() -> tuple[list[float], list[float]]:
        watch.start()
        await asyncio.sleep(0.05)
        tasks: list[asyncio.Task[Any]] = []
        while len(tasks) < IN_FLIGHT:
            tasks += [asyncio.ensure_future(visit(wrapped, "/good")) for _ in range(100)]
            await asyncio.sleep(0)
        await asyncio.sleep(0.05)
        await stall()
        await asyncio.sleep(0.05)
        of_none = [*calls]
        bad = asyncio.ensure_future(stall())
        await asyncio.sleep(0)
        ready.set()
        await asyncio.gather(bad, *tasks)
        of_all = [*calls]
        await until(lambda: len(stalls_of(watch)) == 2)
        return of_none, of_all

    with without_collections():
        of_none, of_all = run_on(loop, main())
    watch.stop()
    first, second = stalls_of(watch)
    assert sum(of_none) < AT_ONCE
    assert first.victims == 0
    assert max(of_all) < AT_ONCE
    assert second.victims == NOTED
    assert watch.snapshot().dropped["victims"] == 1
    print(f"{loop}: none {sum(of_none):.6f} s, all {sum(of_all):.3f} s in {len(of_all)} calls")
    blamed = [b for b in watch.snapshot().blames if b.culprit_route == "/bad"]
    assert sum(b.count for b in blamed) == NOTED
    assert sum(b.seconds for b in blamed) == pytest.approx(second.lost_request_seconds)


def stalls_of(watch: Watch) -> list[Any]:
    return [stall for stall in watch.stalls if stall.route == "/bad"]


class Session:
    """Something of the app's that its requests keep in their contexts."""


SESSION: ContextVar[Session] = ContextVar("session")


@pytest.mark.parametrize("allow", [(), ("*.block_for",)])
def test_what_a_culprit_s_context_keeps_is_let_go(
    loop: str, make_watch: MakeWatch, allow: tuple[str, ...]
) -> None:
    """Though the stall, and who waited for it, are remembered."""
    watch = make_watch(allow=allow)
    kept: list[weakref.ref[Session]] = []

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        if scope["path"] == "/bad":
            session = Session()
            kept.append(weakref.ref(session))
            SESSION.set(session)
            del session
            block_for(0.12)
        else:
            await asyncio.sleep(0.05)
        await answer(send)

    async def main() -> None:
        watch.start()
        await asyncio.sleep(0.05)
        wrapped = LoopWatchMiddleware(app, watch=watch)
        tasks = await victims(wrapped, "/good", "/good")
        await asyncio.ensure_future(visit(wrapped, "/bad"))
        await asyncio.gather(*tasks)
        del tasks
        await until(lambda: bool(watch.stalls or watch.snapshot().allowed))
        await asyncio.sleep(0.2)
        gc.collect()
        assert [session() for session in kept] == [None]

    run_on(loop, main())
