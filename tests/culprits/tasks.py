"""Every way to block beside a request's own coroutine: tasks, callbacks, finalisers, signals."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextvars import Context
from typing import Any

import anyio
from fastapi import APIRouter

from tests.culprits.places import BLOCK

TURNS = 400
TURN = 0.0007  # s
tasks = APIRouter()
left_behind: set["asyncio.Task[None]"] = set()


async def by_create_task() -> None:
    await asyncio.sleep(0.01)
    time.sleep(BLOCK)  # culprit: create_task


@tasks.get("/create_task")
async def create_task() -> None:
    await asyncio.create_task(by_create_task())


async def by_task_group() -> None:
    await asyncio.sleep(0.01)
    time.sleep(BLOCK)  # culprit: task_group


@tasks.get("/task_group")
async def task_group() -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(asyncio.sleep(0.02))
        group.create_task(by_task_group())


async def by_gather() -> None:
    await asyncio.sleep(0.01)
    time.sleep(BLOCK)  # culprit: gather


@tasks.get("/gather")
async def gather() -> None:
    await asyncio.gather(asyncio.sleep(0.02), by_gather())


async def by_anyio() -> None:
    await asyncio.sleep(0.01)
    time.sleep(BLOCK)  # culprit: anyio_task_group


@tasks.get("/anyio_task_group")
async def anyio_task_group() -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(anyio.sleep, 0.02)
        group.start_soon(by_anyio)


async def after_the_answer() -> None:
    await asyncio.sleep(0.05)
    time.sleep(BLOCK)  # culprit: task_left_behind


@tasks.get("/task_left_behind")
async def task_left_behind() -> None:
    task = asyncio.create_task(after_the_answer())
    left_behind.add(task)
    task.add_done_callback(left_behind.discard)


async def eagerly() -> None:
    time.sleep(BLOCK)  # culprit: eager_task


@tasks.get("/eager_task")
async def eager_task() -> None:
    options: dict[str, Any] = {"loop": asyncio.get_running_loop(), "eager_start": True}
    await asyncio.Task(eagerly(), **options)


def soon(done: "asyncio.Future[None]") -> None:
    time.sleep(BLOCK)  # culprit: call_soon
    done.set_result(None)


@tasks.get("/call_soon")
async def call_soon() -> None:
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    loop.call_soon(soon, done)
    await done


def later(done: "asyncio.Future[None]") -> None:
    time.sleep(BLOCK)  # culprit: call_later
    done.set_result(None)


@tasks.get("/call_later")
async def call_later() -> None:
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    loop.call_later(0.01, later, done)
    await done


def nobodys() -> None:
    time.sleep(BLOCK)  # culprit: nobodys_callback


@tasks.get("/nobodys_callback")
async def nobodys_callback() -> None:
    """Leaves a callback with an empty context: it belongs to no request."""
    asyncio.get_running_loop().call_later(0.05, nobodys, context=Context())


def when_done(task: "asyncio.Task[None]") -> None:
    time.sleep(BLOCK)  # culprit: done_callback


@tasks.get("/done_callback")
async def done_callback() -> None:
    task = asyncio.create_task(asyncio.sleep(0.01))
    task.add_done_callback(when_done)
    await task
    await asyncio.sleep(0.01)


async def parts(done: asyncio.Event) -> AsyncIterator[int]:
    try:
        yield 1
        yield 2
    finally:
        time.sleep(BLOCK)  # culprit: finaliser
        done.set()


@tasks.get("/finaliser")
async def finaliser() -> None:
    """Drops an async generator half read: the loop closes it."""
    done = asyncio.Event()
    async for _ in parts(done):
        break
    await done.wait()


class Heavy:
    def __del__(self) -> None:
        time.sleep(BLOCK)  # culprit: del


@tasks.get("/del")
async def dropping() -> None:
    heavy = Heavy()
    del heavy


def on_signal(*_: Any) -> None:
    time.sleep(BLOCK)  # culprit: signal


def on_loop_signal() -> None:
    time.sleep(BLOCK)  # culprit: loop_signal


def handle_signals() -> None:
    signal.signal(signal.SIGUSR1, on_signal)
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR2, on_loop_signal)


@tasks.get("/signal_in_step")
async def signal_in_step() -> None:
    signal.raise_signal(signal.SIGUSR1)


@tasks.get("/loop_signal")
async def loop_signal() -> None:
    os.kill(os.getpid(), signal.SIGUSR2)


def turn() -> None:
    until = time.perf_counter() + TURN
    while time.perf_counter() < until:
        pass  # culprit: many_callbacks


@tasks.get("/many_callbacks")
async def many_callbacks() -> None:
    """Many short callbacks in one tick."""
    loop = asyncio.get_running_loop()
    for _ in range(TURNS):
        loop.call_soon(turn)
    await asyncio.sleep(0.01)


@tasks.get("/good/task")
async def good_task() -> None:
    await asyncio.gather(asyncio.sleep(BLOCK), asyncio.to_thread(time.sleep, BLOCK))


@tasks.get("/good/turns")
async def good_turns() -> None:
    """As many short callbacks, each in a tick of its own."""
    for _ in range(TURNS):
        turn()
        await asyncio.sleep(0)
