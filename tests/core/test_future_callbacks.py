"""Who waits for a future or a task, by what is called when it is done."""

import asyncio
from asyncio import tasks
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from loopwatch.core.future_callbacks import parents, waiting_tasks
from tests.conftest import run_on


async def wait_for_it(future: "asyncio.Future[None]") -> None:
    await future


@pytest.mark.parametrize("kind", [asyncio.Task, tasks._PyTask])  # type: ignore[attr-defined]
def test_a_task_of_any_make_waits_for_a_future(loop: str, kind: Callable[..., Any]) -> None:
    async def main() -> None:
        future = asyncio.get_running_loop().create_future()
        task = kind(wait_for_it(future), loop=asyncio.get_running_loop())
        await asyncio.sleep(0)
        assert [*waiting_tasks(future)] == [task]
        future.set_result(None)
        await task

    run_on(loop, main())


async def by_await(child: "asyncio.Task[None]") -> None:
    await child


async def by_gather(child: "asyncio.Task[None]") -> None:
    await asyncio.gather(child, asyncio.sleep(0))


async def by_wait(child: "asyncio.Task[None]") -> None:
    await asyncio.wait([child])


async def by_wait_for(child: "asyncio.Task[None]") -> None:
    await asyncio.wait_for(child, 10.0)


async def by_shield(child: "asyncio.Task[None]") -> None:
    await asyncio.shield(child)


WAYS = (by_await, by_gather, by_wait, by_wait_for, by_shield)


@pytest.mark.parametrize("way", WAYS)
def test_who_waits_for_a_task(
    loop: str, way: Callable[["asyncio.Task[None]"], Coroutine[Any, Any, None]]
) -> None:
    async def main() -> None:
        future = asyncio.get_running_loop().create_future()
        child = asyncio.create_task(wait_for_it(future))
        parent = asyncio.create_task(way(child))
        await asyncio.sleep(0.01)
        assert next(parents(child)) is parent
        future.set_result(None)
        await parent

    run_on(loop, main())


def test_a_task_group_waits_for_its_tasks(loop: str) -> None:
    async def main() -> None:
        future = asyncio.get_running_loop().create_future()
        async with asyncio.TaskGroup() as group:
            child = group.create_task(wait_for_it(future))
            await asyncio.sleep(0)
            assert [*parents(child)] == [asyncio.current_task()]
            future.set_result(None)

    run_on(loop, main())


def test_nobody_waits_for_a_task_on_its_own(loop: str) -> None:
    async def main() -> None:
        future = asyncio.get_running_loop().create_future()
        child = asyncio.create_task(wait_for_it(future))
        child.add_done_callback(print)
        await asyncio.sleep(0)
        assert [*parents(child)] == []
        child.cancel()

    run_on(loop, main())
