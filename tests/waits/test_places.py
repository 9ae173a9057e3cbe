"""What a request waits for is told by its own line, the library's call and the resource."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from tests.conftest import MakeWatch, run_on

from .looking import WEIGHT, Stage, settle

LATER = 30.0  # s, which nobody waits for


async def nap() -> None:
    await asyncio.sleep(LATER)


async def lock() -> None:
    taken = asyncio.Lock()
    await taken.acquire()
    async with taken:
        pass


async def semaphore() -> None:
    await asyncio.BoundedSemaphore(0).acquire()


async def condition() -> None:
    async with (changed := asyncio.Condition()):
        await changed.wait_for(lambda: False)


async def event() -> None:
    await asyncio.Event().wait()


async def queue() -> None:
    await asyncio.Queue[int]().get()


async def full_queue() -> None:
    room = asyncio.Queue[int](1)
    await room.put(1)
    await room.put(2)


async def future() -> None:
    await asyncio.get_running_loop().create_future()


async def anyio_lock() -> None:
    taken = anyio.Lock()
    async with taken:
        await asyncio.create_task(enter(taken))


async def enter(lock: anyio.Lock) -> None:
    async with lock:
        pass


async def full() -> None:
    limit = anyio.CapacityLimiter(1)
    await limit.acquire_on_behalf_of("another")
    await limit.acquire()


async def memory_stream() -> None:
    sender, receiver = anyio.create_memory_object_stream[int](0)
    with sender, receiver:
        await receiver.receive()


async def process() -> None:
    child = await asyncio.create_subprocess_exec("sleep", str(LATER))
    try:
        await child.wait()
    finally:
        child.kill()
        await child.wait()
        await asyncio.sleep(0.1)  # for the transport to be closed


async def pooled() -> None:
    async with borrowed():
        pass


@asynccontextmanager
async def borrowed() -> AsyncIterator[None]:
    await asyncio.Event().wait()
    yield


# child tasks


async def gathered() -> None:
    await asyncio.gather(nap(), nap())


async def gathered_without_own() -> None:
    await asyncio.gather(asyncio.sleep(LATER))


async def grouped() -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(nap())


async def anyio_grouped() -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(nap)


async def awaited() -> None:
    await asyncio.create_task(nap())


async def timed_out() -> None:
    await asyncio.wait_for(nap(), LATER)


async def timed_out_task() -> None:
    await asyncio.wait_for(asyncio.create_task(nap()), LATER)


async def shielded() -> None:
    await asyncio.shield(nap())


async def waited() -> None:
    await asyncio.wait([asyncio.create_task(nap())])


async def first_completed() -> None:
    for done in asyncio.as_completed([nap(), nap()]):
        await done


async def nested() -> None:
    await asyncio.gather(gathered(), asyncio.shield(awaited()))


async def generated() -> None:
    async for _ in numbers():
        pass


async def numbers() -> AsyncIterator[int]:
    await asyncio.sleep(LATER)
    yield 1


class Napping:
    def __await__(self) -> Generator[Any, None, None]:
        return nap().__await__()


async def wrapped() -> None:
    await Napping()


CASES: dict[Callable[[], Awaitable[None]], tuple[str, str, str]] = {
    nap: ("nap", "asyncio.tasks.sleep", "timer"),
    lock: ("lock", "asyncio.locks.Lock.acquire", "lock"),
    semaphore: ("semaphore", "asyncio.locks.Semaphore.acquire", "semaphore"),
    condition: ("condition", "asyncio.locks.Condition.wait_for", "condition"),
    event: ("event", "asyncio.locks.Event.wait", "event"),
    queue: ("queue", "asyncio.queues.Queue.get", "queue"),
    full_queue: ("full_queue", "asyncio.queues.Queue.put", "queue"),
    future: ("future", "", "future"),
    anyio_lock: ("enter", "anyio._backends._asyncio.Lock.acquire", "lock"),
    full: ("full", "anyio._backends._asyncio.CapacityLimiter.acquire", "semaphore"),
    memory_stream: (
        "memory_stream",
        "anyio.streams.memory.MemoryObjectReceiveStream.receive",
        "queue",
    ),
    process: ("process", "asyncio.subprocess.Process.wait", "process"),
    pooled: ("borrowed", "asyncio.locks.Event.wait", "event"),
    gathered: ("nap", "asyncio.tasks.sleep", "timer"),
    gathered_without_own: ("gathered_without_own", "asyncio.tasks.sleep", "timer"),
    grouped: ("nap", "asyncio.tasks.sleep", "timer"),
    anyio_grouped: ("nap", "asyncio.tasks.sleep", "timer"),
    awaited: ("nap", "asyncio.tasks.sleep", "timer"),
    timed_out: ("nap", "asyncio.tasks.sleep", "timer"),
    timed_out_task: ("nap", "asyncio.tasks.sleep", "timer"),
    shielded: ("nap", "asyncio.tasks.sleep", "timer"),
    waited: ("nap", "asyncio.tasks.sleep", "timer"),
    first_completed: ("nap", "asyncio.tasks.sleep", "timer"),
    nested: ("nap", "asyncio.tasks.sleep", "timer"),
    generated: ("numbers", "asyncio.tasks.sleep", "timer"),
    wrapped: ("nap", "asyncio.tasks.sleep", "timer"),
}


@pytest.mark.parametrize("handler", CASES, ids=lambda handler: handler.__name__)
def test_a_wait_is_named(
    loop: str, handler: Callable[[], Awaitable[None]], make_watch: MakeWatch
) -> None:
    async def main() -> None:
        stage = Stage(make_watch())
        stage.begin(handler)
        await settle()
        if handler is process:
            await asyncio.sleep(0.5)
        rows = stage.look()
        await stage.end()
        place, call, resource = CASES[handler]
        assert {(r.place.function, r.call, r.resource) for r in rows} == {
            (f"{__name__}.{place}", call, resource)
        }
        assert sum(r.seconds for r in rows) == pytest.approx(WEIGHT)
        assert all(r.route == "/x" and r.place.line > 0 and r.place.code for r in rows)

    run_on(loop, main())


def test_a_worker_thread_has_begun_or_not(loop: str, make_watch: MakeWatch) -> None:
    release = threading.Event()

    async def work() -> None:
        await asyncio.get_running_loop().run_in_executor(None, release.wait, 10)

    async def helped() -> None:
        await anyio.to_thread.run_sync(release.wait, 10, limiter=limit)

    limit: anyio.CapacityLimiter

    async def main() -> None:
        nonlocal limit
        limit = anyio.CapacityLimiter(1)
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        stage = Stage(make_watch())
        for _ in range(3):
            stage.begin(work, "/work")
            stage.begin(helped, "/helped")
        await asyncio.sleep(0.3)  # for the threads to begin
        rows = stage.look()
        release.set()
        await asyncio.gather(*stage.tasks)
        for route in ("/work", "/helped"):
            mine = [r for r in rows if r.route == route]
            assert {r.resource for r in mine} == {"thread"}
            assert sum(r.seconds for r in mine) == pytest.approx(3 * WEIGHT)
            assert sum(r.unstarted for r in mine) == pytest.approx(2 * WEIGHT)

    run_on(loop, main())


def test_a_socket_has_a_peer(loop: str, make_watch: MakeWatch) -> None:
    async def main() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()
            await writer.wait_closed()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]

        async def ask() -> None:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                await reader.readline()
            finally:
                writer.close()
                await writer.wait_closed()

        stage = Stage(make_watch())
        stage.begin(ask)
        await asyncio.sleep(0.3)
        (row,) = stage.look()
        await stage.end()
        server.close()
        await server.wait_closed()
        assert (row.resource, row.peer) == ("socket", f"127.0.0.1:{port}")
        assert row.call == "asyncio.streams.StreamReader.readline"

    run_on(loop, main())


def test_several_children_share_the_time_of_one_request(loop: str, make_watch: MakeWatch) -> None:
    async def three() -> None:
        await asyncio.gather(nap(), event(), queue())

    async def main() -> None:
        stage = Stage(make_watch())
        stage.begin(three)
        await settle()
        rows = stage.look()
        await stage.end()
        assert {r.resource: r.seconds for r in rows} == pytest.approx(
            {"timer": WEIGHT / 3, "event": WEIGHT / 3, "queue": WEIGHT / 3}
        )

    run_on(loop, main())


def test_requests_that_wait_for_nothing_have_no_row(loop: str, make_watch: MakeWatch) -> None:
    """One that is about to run, one whose response is complete, and what no request waits for."""

    async def ready() -> None:
        while True:
            await asyncio.sleep(0)

    async def left_behind() -> None:
        tasks.append(asyncio.create_task(nap()))

    tasks: list[asyncio.Task[None]] = []

    async def main() -> None:
        stage = Stage(make_watch())
        stage.begin(ready)
        stage.begin(left_behind)
        idle = asyncio.create_task(nap())
        await settle()
        rows = stage.look()
        idle.cancel()
        tasks[0].cancel()
        await stage.end()
        assert rows == []

    run_on(loop, main())
