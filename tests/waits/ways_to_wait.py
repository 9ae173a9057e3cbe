"""Handlers that wait, each in another way, and how each wait is told."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager
from typing import Any

import anyio

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
