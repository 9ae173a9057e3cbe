"""What a look at waits counts: by age after an idle time, by a choice, by a route known later."""

import asyncio
import random
import time
from typing import Any
from weakref import ref

import pytest

from loopwatch.core.known_tasks import Reference
from loopwatch.waits import wait_reader as module
from loopwatch.waits.wait_reader import WaitTurn
from tests.asgi import visit
from tests.conftest import MakeWatch, run_on

from .looking import Stage, app, settle


def tasks_of(running: Any) -> list[Reference]:
    """Return references to a loop's tasks, and to none that other tests have left behind."""
    return [ref(task) for task in asyncio.all_tasks(running)]


def test_the_first_look_after_an_idle_time_counts_no_more_than_the_age(
    loop: str, make_watch: MakeWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TASKS", 10_000)

    async def nap() -> None:
        await asyncio.sleep(30.0)

    async def main() -> None:
        stage = Stage(make_watch())
        began = time.perf_counter()
        stage.begin(nap)
        await settle()
        reader = stage.watch._waits
        reader.look(WaitTurn(reader), 100.0, idle=True)
        (watched,) = stage.watch._loops.values()
        (row,) = watched.waits.readings().values()
        await stage.end()
        assert 0.0 < row.seconds <= time.perf_counter() - began

    run_on(loop, main())


def test_a_choice_of_many_stands_for_all(
    loop: str, make_watch: MakeWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On average: 60 requests wait for a lock, which one has, and 24 tasks are looked at."""
    monkeypatch.setattr(module, "random", random.Random(7))
    monkeypatch.setattr(module, "references_of", lambda loops: tasks_of(*loops))

    async def use() -> None:
        async with lock:
            await asyncio.sleep(30.0)

    lock: asyncio.Lock

    async def main() -> None:
        nonlocal lock
        lock = asyncio.Lock()
        stage = Stage(make_watch())
        for _ in range(61):
            stage.begin(use)
        await settle()
        reader = stage.watch._waits
        turn = WaitTurn(reader)
        for _ in range(200):
            reader.look(turn, 0.1)
            await asyncio.sleep(0)  # else these looks would hold the loop
        (watched,) = stage.watch._loops.values()
        rows = {r.resource: r for r in watched.waits.readings().values()}
        await stage.end()
        assert rows["lock"].seconds == pytest.approx(60 * 200 * 0.1, rel=0.1)
        assert rows["timer"].seconds == pytest.approx(200 * 0.1, rel=0.6)
        assert rows["lock"].looks < 200 * module.TASKS
        assert rows["lock"].most_waiting <= 61 * 1.2
        assert len(rows["lock"].holders) == 1

    run_on(loop, main())


def test_waits_before_the_route_is_known_are_counted_for_it(
    loop: str, make_watch: MakeWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A middleware of the app waits before the router has said which route it is."""

    monkeypatch.setattr(module, "TASKS", 10_000)

    async def late(scope: Any, receive: Any, send: Any) -> None:
        await gate.wait()
        scope["path_template"] = "/late"
        await app(scope, receive, send)

    async def handler() -> None:
        pass

    gate: asyncio.Event

    async def main() -> None:
        nonlocal gate
        gate = asyncio.Event()
        stage = Stage(make_watch())
        stage.front.app = late
        task = asyncio.create_task(visit(stage.front, "/x", handler=handler))
        await settle()
        reader = stage.watch._waits
        turn = WaitTurn(reader)
        (watched,) = stage.watch._loops.values()
        reader.look(turn, 1.0)
        assert watched.waits.readings() == {}
        gate.set()
        await task
        reader.look(turn, 1.0)
        (row,) = watched.waits.readings().values()
        assert (row.route, row.resource, row.seconds) == ("/late", "event", 1.0)

    run_on(loop, main())
