"""Behind a greenlet: the coroutines that wait for what runs in it, and what they await."""

import asyncio
import gc
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from types import FrameType
from typing import Any

import pytest

from loopwatch.core.await_chain import awaiting

from ..conftest import run_on

Looking = Callable[[Callable[[], None]], Coroutine[Any, Any, None]]
RUNNING = pytest.mark.skipif(sys.version_info < (3, 12), reason="3.11 shows no running chain")


def names(frames: Any) -> list[str]:
    return [frame.f_code.co_name for frame in frames]


async def innermost(look: Callable[[], None]) -> None:
    look()
    await asyncio.sleep(0)


async def middle(look: Callable[[], None]) -> None:
    await asyncio.sleep(0)
    await innermost(look)


async def outermost(look: Callable[[], None]) -> None:
    await middle(look)


def chain_in(
    loop: str, coroutine: Callable[[Callable[[], None]], Coroutine[Any, Any, None]]
) -> Any:
    """Run a coroutine, and return its chain as seen when it looks."""
    found: list[FrameType] = []
    looked: list[str] = []

    async def main() -> None:
        task = asyncio.create_task(coroutine(look))
        tasks.append(task)
        await task

    def look() -> None:
        found.extend(awaiting(tasks[0].get_coro()))
        looked.extend(names(found))
        found.clear()

    tasks: list[asyncio.Task[None]] = []
    run_on(loop, main())
    return looked


@RUNNING
def test_of_a_running_coroutine_the_chain_is_found(loop: str) -> None:
    assert chain_in(loop, outermost) == ["outermost", "middle", "innermost"]


def test_on_every_python_it_begins_with_the_outermost(loop: str) -> None:
    assert chain_in(loop, outermost)[0] == "outermost"


async def waits() -> None:
    await asyncio.Event().wait()


async def rows() -> AsyncIterator[int]:
    await waits()
    yield 1


async def iterates() -> None:
    async for _ in rows():
        pass


@pytest.mark.parametrize(
    ("coroutine", "chain"), [(waits, ["waits", "wait"]), (iterates, ["iterates"])]
)
def test_of_a_suspended_coroutine_what_it_awaits_is_asked(
    coroutine: Callable[[], Coroutine[Any, Any, None]], chain: list[str]
) -> None:
    async def main() -> list[str]:
        task = asyncio.create_task(coroutine())
        await asyncio.sleep(0)
        seen = names(awaiting(task.get_coro()))
        task.cancel()
        return seen

    assert asyncio.run(main())[: len(chain)] == chain


@pytest.mark.parametrize("thing", [None, 7, (), object()])
def test_what_is_no_coroutine_has_no_chain(thing: Any) -> None:
    assert list(awaiting(thing)) == []


def test_an_ended_coroutine_has_none() -> None:
    coroutine = waits()
    coroutine.close()
    assert list(awaiting(coroutine)) == []


def test_nothing_is_kept() -> None:
    coroutine = waits()
    before = sys.getrefcount(coroutine)
    assert names(awaiting(coroutine)) == ["waits"]
    gc.collect()
    assert sys.getrefcount(coroutine) == before
    coroutine.close()
