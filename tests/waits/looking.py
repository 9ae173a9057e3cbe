"""One look at requests that are suspended: taken by the loop's own thread, so that none moves."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from loopwatch import LoopWatchMiddleware, Watch
from loopwatch.core.known_tasks import references_of
from loopwatch.core.record_types import WaitReading
from loopwatch.waits.holders import Holders
from loopwatch.waits.look import Look
from loopwatch.waits.serial_awaits import SerialAwaits
from tests.asgi import Receive, Send, answer, visit

Handler = Callable[[], Awaitable[object]]
WEIGHT = 2.0  # s that a request counts with


async def app(scope: Any, receive: Receive, send: Send) -> None:
    await scope["handler"]()
    await answer(send)


class Stage:
    """A watched app whose requests are looked at by hand. Use it within its loop."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.front = LoopWatchMiddleware(app, watch=watch)
        watch.slow_callback_duration = 30.0  # a look counts nothing while the loop is held
        watch.start()
        watch._waits.end()  # no looks but ours
        self.serial, self.holders = SerialAwaits(), Holders()
        self.tasks: list[asyncio.Task[Any]] = []

    def begin(self, handler: Handler, route: str = "/x") -> "asyncio.Task[Any]":
        """Begin a request."""
        call = visit(self.front, route, path_template=route, handler=handler)
        self.tasks.append(asyncio.create_task(call))
        return self.tasks[-1]

    def look(self, counts: bool = True) -> list[WaitReading]:
        """Look once, and return all rows, most seconds first."""
        look = self.new_look()
        for reference in references_of([*self.watch._loops]):
            look.visit(reference, counts)
        look.end(self.holders)
        return self.readings()

    def new_look(self) -> Look:
        return Look(self.watch._loops, self.watch.site_rules, self.serial, WEIGHT, 1.0)

    def readings(self) -> list[WaitReading]:
        """Return all rows, most seconds first."""
        (watched,) = self.watch._loops.values()
        return sorted(watched.waits.readings().values(), key=lambda r: -r.seconds)

    async def end(self) -> None:
        """Cancel what still runs."""
        for task in self.tasks:
            task.cancel()
        for task in self.tasks:
            with suppress(asyncio.CancelledError, Exception):
                await task


async def settle(turns: int = 20) -> None:
    """Let everything that is ready run."""
    for _ in range(turns):
        await asyncio.sleep(0)
