"""A loop that is held for long, and its stall in progress."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from loopwatch import Stall, Watch

from ..conftest import run_on


class Wedge:
    """A loop on a thread of its own, held until it is let go."""

    def __init__(self) -> None:
        self.began, self.let_go = threading.Event(), threading.Event()

    async def hold(self) -> None:
        self.began.set()
        self.let_go.wait(20)


@contextmanager
def wedged(loop: str, watch: Watch) -> Iterator[Wedge]:
    wedge = Wedge()

    async def main() -> None:
        watch.start()
        await asyncio.sleep(0.3)
        await wedge.hold()
        await asyncio.sleep(0.05)

    thread = threading.Thread(target=run_on, args=(loop, main()))
    thread.start()
    try:
        assert wedge.began.wait(10)
        yield wedge
    finally:
        wedge.let_go.set()
        thread.join(20)


def wait_for_one(watch: Watch) -> Stall:
    until = time.monotonic() + 5
    while not watch.in_progress:
        assert time.monotonic() < until
        time.sleep(0.01)
    [stall] = watch.in_progress
    return stall
