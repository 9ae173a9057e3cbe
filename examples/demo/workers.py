"""The process pool for CPU work."""

import asyncio
import multiprocessing
import os
import signal
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager, contextmanager

from examples.demo.squares import sum_of_squares


@asynccontextmanager
async def open_workers() -> AsyncIterator[ProcessPoolExecutor]:
    """Start one worker, wait until it is ready, and end it afterwards."""
    spawn = multiprocessing.get_context("spawn")
    workers = ProcessPoolExecutor(1, mp_context=spawn, initializer=end_with_parent)
    try:
        await asyncio.to_thread(start, workers)
        yield workers
    finally:
        await asyncio.to_thread(workers.shutdown, cancel_futures=True)


def start(workers: ProcessPoolExecutor) -> None:
    with interrupts_held():
        started = workers.submit(sum_of_squares, 1)
    started.result()


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Block SIGINT. A process started here inherits the mask, and leaves Ctrl-C to its parent."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_with_parent() -> None:
    """In the worker: exit when the parent has died, which a pool's worker would not notice."""
    threading.Thread(target=await_parent, name="parent", daemon=True).start()


def await_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os._exit(0)
