"""Who waits for a future or a task, by what is called when it is done."""

import asyncio
from asyncio import tasks
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

import pytest

from loopwatch.core.future_callbacks import behind, parents, waiting_tasks
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


Child = asyncio.Future[None]


async def by_await(child: Child) -> None:
    await child


async def by_gather(child: Child) -> None:
    await asyncio.gather(child, asyncio.sleep(0))


async def by_wait(child: Child) -> None:
    await asyncio.wait([child])


async def by_wait_for(child: Child) -> None:
    await asyncio.wait_for(child, 10.0)


async def by_shield(child: Child) -> None:
    await asyncio.shield(child)


async def by_as_completed(child: Child) -> None:
    for each in asyncio.as_completed([child, asyncio.sleep(0)]):
        await each


async def by_gather_in_time(child: Child) -> None:
    await asyncio.wait_for(asyncio.gather(asyncio.shield(child)), 10.0)


WAYS = (
    *(by_await, by_gather, by_wait, by_wait_for, by_shield),
    *(by_as_completed, by_gather_in_time),
)
Way = Callable[[Child], Coroutine[Any, Any, None]]


@pytest.mark.parametrize("way", WAYS)
def test_who_waits_for_a_future(loop: str, way: Way) -> None:
    async def main() -> None:
        future = asyncio.get_running_loop().create_future()
        parent = asyncio.create_task(way(future))
        await asyncio.sleep(0.01)
        assert next(parents(future)) is parent
        future.set_result(None)
        await parent
        assert [*parents(future)] == []

    run_on(loop, main())


@pytest.mark.parametrize("way", WAYS)
def test_who_waits_for_a_task(loop: str, way: Way) -> None:
    async def main() -> None:
        future = asyncio.get_running_loop().create_future()
        child = asyncio.create_task(wait_for_it(future))
        parent = asyncio.create_task(way(child))
        await asyncio.sleep(0.01)
        assert next(parents(child)) is parent
        future.set_result(None)
        await parent

    run_on(loop, main())


def test_of_what_a_future_is_made(loop: str) -> None:
    async def main() -> None:
        one, two = (asyncio.get_running_loop().create_future() for _ in range(2))
        assert behind(one) == [one]
        assert behind(asyncio.gather(one, two)) == [one, two]
        assert behind(asyncio.shield(one)) == [one]
        for future in (one, two):
            future.set_result(None)

    run_on(loop, main())


def test_futures_that_complete_each_other_are_followed_a_few_times() -> None:
    """Nothing else keeps a search from going round for ever."""
    loop = asyncio.new_event_loop()
    one, two = loop.create_future(), loop.create_future()
    one.add_done_callback(partial(print, two))
    two.add_done_callback(partial(print, one))
    assert [*parents(one)] == []
    loop.close()


def test_a_task_group_waits_for_its_tasks(loop: str) -> None:
    async def main() -> None:
        future = asyncio.get_running_loop().create_future()
        async with asyncio.TaskGroup() as group:
            child = group.create_task(wait_for_it(future))
            await asyncio.sleep(0)
            assert [*parents(child)] == [asyncio.current_task()]
            future.set_result(None)

    run_on(loop, main())


def test_an_anyio_task_group_waits_for_its_tasks(loop: str) -> None:
    anyio = pytest.importorskip("anyio")

    async def main() -> None:
        future = asyncio.get_running_loop().create_future()
        async with anyio.create_task_group() as group:
            group.start_soon(wait_for_it, future)
            await asyncio.sleep(0)
            (child,) = asyncio.all_tasks() - {asyncio.current_task()}
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
