"""What a task has: its coroutine, its context, the request in that."""

import asyncio
import contextvars
import json
import sys
import time
from collections.abc import Coroutine
from typing import Any

import pytest

from loopwatch.core.request import begin
from loopwatch.core.task_context import context_request, task_context, task_coroutine
from tests.conftest import MakeWatch, run_on

eager = pytest.mark.skipif(sys.version_info < (3, 12), reason="tasks start later there")


async def nothing() -> None:
    pass


def ended_at_once() -> "asyncio.Task[None]":
    """Return a task that has ended in its eager start: `get_coro()` of it crashes Python 3.12.1."""
    made: Any = asyncio.Task
    task: asyncio.Task[None] = made(nothing(), loop=asyncio.get_running_loop(), eager_start=True)
    assert task.done()
    return task


def test_a_task_has_its_coroutine_and_its_context() -> None:
    async def main() -> None:
        request = begin(None, {"type": "http"})
        coroutine = nothing()
        task = asyncio.create_task(coroutine)
        assert task_coroutine(task) is coroutine
        context = task_context(task)
        assert context is not None
        assert context_request(task) is request
        await task

    contextvars.copy_context().run(asyncio.run, main())


def test_a_task_of_another_make_is_asked_for_its_coroutine() -> None:
    class OtherTask:
        def __init__(self, coroutine: Coroutine[Any, Any, None]) -> None:
            self.coroutine = coroutine

        def get_coro(self) -> Coroutine[Any, Any, None]:
            return self.coroutine

    coroutine = nothing()
    assert task_coroutine(OtherTask(coroutine)) is coroutine
    coroutine.close()


@eager
def test_a_task_that_has_ended_as_it_was_started_has_no_coroutine() -> None:
    async def main() -> None:
        assert task_coroutine(ended_at_once()) is None

    asyncio.run(main())


@eager
@pytest.mark.parametrize("long", [0.0, 0.03, 0.15])
def test_what_is_called_of_such_a_task_is_timed_as_any_step(
    loop: str, long: float, make_watch: MakeWatch
) -> None:
    """aiohttp's server schedules methods of such tasks; slow ticks are looked through."""
    watch = make_watch(slow_callback_duration=0.1, flight_recorder=True)

    async def main() -> None:
        watch.start()
        await asyncio.sleep(0.01)
        task, running = ended_at_once(), asyncio.get_running_loop()
        for _ in range(3):
            running.call_soon(task.cancel)
            running.call_soon(time.sleep, long)
        running.call_later(0.001, task.cancel)
        await asyncio.sleep(0.05)

    run_on(loop, main())
    assert len(watch.stalls) == (3 if long > 0.1 else 0)
    assert json.loads(watch.trace())["traceEvents"]
