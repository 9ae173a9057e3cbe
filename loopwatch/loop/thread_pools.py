"""The threads that a loop hands blocking calls to: anyio's limiter and the default executor.

A request that waits for one of them waits for the pool to be larger, or its calls shorter, and not
for the loop. Both are found when they come into being, from the watchdog's looks: the calls of the
first half second of either may go untimed.
"""

from __future__ import annotations

from typing import Any

from loopwatch.core.guard import guarded
from loopwatch.core.record_types import ThreadPoolReading
from loopwatch.loop.executor import Executor
from loopwatch.loop.limiter import Limiter
from loopwatch.loop.pool_queue import Waited


class ThreadPool:
    """The thread pools of one loop. Made, installed and uninstalled on the loop's thread.

    Calls `waited(request, seconds)`, on the loop's thread, when a request has waited for a thread;
    the request may have ended, if a task it left behind has waited.
    """

    def __init__(self, loop: Any, waited: Waited) -> None:
        self.limiter = Limiter(loop, waited)
        self.executor = Executor(loop, waited)

    @guarded
    def install(self) -> None:
        self.limiter.install()
        self.executor.glance()

    @guarded
    def uninstall(self) -> None:
        """Put back what was there."""
        self.limiter.uninstall()
        self.executor.uninstall()

    @guarded
    def abandon(self) -> None:
        """`uninstall` in a forked child."""
        self.limiter.abandon()
        self.executor.uninstall()

    @guarded
    def glance(self) -> None:
        """Look for pools made or exchanged meanwhile; for the watchdog's wakes."""
        self.limiter.glance()
        self.executor.glance()

    def reading(self) -> ThreadPoolReading:
        """Return the threads of both as of now; any thread may ask."""
        both = zip(self.limiter.reading(), self.executor.reading(), strict=True)
        busy, idle, waiting = (a + b for a, b in both)
        return ThreadPoolReading(busy=busy, idle=idle, waiting=waiting)
