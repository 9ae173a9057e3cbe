"""Who has what requests wait for: proved by the `async with` block that it is in."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from loopwatch.core.known_tasks import references_of
from tests.conftest import MakeWatch, run_on

from .looking import Stage, settle

LATER = 30.0  # s, which nobody waits for


class Pool:
    """The least of a connection pool: it is a context manager's, as in many libraries."""

    def __init__(self, size: int) -> None:
        self.free = asyncio.Semaphore(size)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[None]:
        async with self.free:
            yield


LOCKS: dict[str, Any] = {
    "lock": asyncio.Lock,
    "semaphore": lambda: asyncio.Semaphore(1),
    "anyio.lock": anyio.Lock,
    "anyio.semaphore": lambda: anyio.Semaphore(1),
    "limiter": lambda: anyio.CapacityLimiter(1),
}


@pytest.mark.parametrize("kind", LOCKS)
def test_the_holder_is_the_task_in_the_block(loop: str, kind: str, make_watch: MakeWatch) -> None:
    async def use() -> None:
        async with shared:
            await asyncio.sleep(LATER)

    shared: Any

    async def main() -> None:
        nonlocal shared
        shared = LOCKS[kind]()
        stage = Stage(make_watch())
        stage.begin(use, "/first")
        await settle()
        stage.begin(use, "/second")
        stage.begin(use, "/second")
        await settle()
        rows = stage.look()
        await stage.end()
        (row,) = (r for r in rows if r.route == "/second")
        (holder,) = row.holders
        assert row.resource in ("lock", "semaphore")
        assert (row.waiting, row.most_waiting, row.looks) == (2, 2, 2)
        assert (holder.route, holder.resource) == ("/first", "timer")
        assert holder.site.line > 0
        assert holder.site.code == "await asyncio.sleep(LATER)"
        assert (holder.seconds or 0.0) >= 0.0

    run_on(loop, main())


def test_every_place_of_a_semaphore_has_its_holder(loop: str, make_watch: MakeWatch) -> None:
    async def use() -> None:
        async with pool.connection():
            await asyncio.sleep(LATER)

    pool = Pool(2)

    async def main() -> None:
        stage = Stage(make_watch())
        for _ in range(5):
            stage.begin(use)
            await settle()
        row = next(r for r in stage.look() if r.resource == "semaphore")
        await stage.end()
        assert row.place.function == f"{__name__}.Pool.connection"
        assert (row.waiting, len(row.holders)) == (3, 2)

    run_on(loop, main())


def test_who_has_left_within_a_look_holds_nothing(loop: str, make_watch: MakeWatch) -> None:
    """A look pauses between two tasks, and the loop has its turn."""

    async def use() -> None:
        async with pool.connection():
            await asyncio.sleep(LATER)

    pool = Pool(2)

    async def main() -> None:
        stage = Stage(make_watch())
        first, _, third, *_ = (stage.begin(use) for _ in range(5))
        await settle()
        look = stage.new_look()
        references = references_of([*stage.watch._loops])
        for reference in references:
            look.visit(reference)
        first.cancel()
        await settle()
        for reference in references:
            if reference() is third:
                look.visit(reference, counts=False)
        look.end(stage.holders)
        row = next(r for r in stage.readings() if r.resource == "semaphore")
        await stage.end()
        assert (row.waiting, len(row.holders)) == (3, 2)

    run_on(loop, main())


def test_whoever_is_about_to_enter_holds_nothing(loop: str, make_watch: MakeWatch) -> None:
    """The lock is taken by hand, which cannot be seen; those who wait are inside of nothing."""

    async def use() -> None:
        async with lock:
            pass

    lock = asyncio.Lock()

    async def main() -> None:
        await lock.acquire()
        stage = Stage(make_watch())
        stage.begin(use)
        stage.begin(use)
        await settle()
        (row,) = stage.look()
        await stage.end()
        assert (row.waiting, row.holders) == (2, ())

    run_on(loop, main())


def test_who_waits_for_its_own_lock_is_its_holder(loop: str, make_watch: MakeWatch) -> None:
    async def use() -> None:
        async with lock:
            await again()

    async def again() -> None:
        async with lock:
            pass

    lock = asyncio.Lock()

    async def main() -> None:
        stage = Stage(make_watch())
        stage.begin(use, "/deadlock")
        await settle()
        (row,) = stage.look()
        await stage.end()
        (holder,) = row.holders
        assert (holder.route, holder.resource) == ("/deadlock", "lock")

    run_on(loop, main())


def test_another_lock_of_the_same_kind_is_nobodys(loop: str, make_watch: MakeWatch) -> None:
    async def first() -> None:
        async with asyncio.Lock():
            await asyncio.sleep(LATER)

    async def second() -> None:
        lock = asyncio.Lock()
        await lock.acquire()
        async with lock:
            pass

    async def main() -> None:
        stage = Stage(make_watch())
        stage.begin(first)
        stage.begin(second)
        await settle()
        rows = stage.look()
        await stage.end()
        assert [r.holders for r in rows if r.resource == "lock"] == [()]

    run_on(loop, main())


def test_a_holder_without_a_request_is_named_too(loop: str, make_watch: MakeWatch) -> None:
    async def use() -> None:
        async with lock:
            pass

    async def background() -> None:
        async with lock:
            await asyncio.sleep(LATER)

    lock = asyncio.Lock()

    async def main() -> None:
        task = asyncio.create_task(background())
        await settle()
        stage = Stage(make_watch())
        stage.begin(use)
        await settle()
        (row,) = stage.look()
        again = stage.look()[0].holders[0]
        task.cancel()
        await stage.end()
        (holder,) = row.holders
        assert holder.route is None
        assert holder.task.endswith("background")
        assert (again.seconds or 0.0) > (holder.seconds or 0.0)

    run_on(loop, main())
