"""The threads that a loop hands blocking calls to: anyio's limiter and the default executor.

A request that waits for such a thread does not wait for the loop: it needs a larger pool or shorter
calls. The watchdog looks for both pools, so calls in the first half second of a new pool may go
untimed.
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

    Calls `waited(request, seconds)`, on the loop's thread, when a request has waited for a thread.
    The request may have ended, if a task that it left behind has waited.
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
        """Restore what was replaced."""
        self.limiter.uninstall()
        self.executor.uninstall()

    @guarded
    def abandon(self) -> None:
        """`uninstall` in a forked child."""
        self.limiter.abandon()
        self.executor.uninstall()

    @guarded
    def glance(self) -> None:
        """Look for pools that are new or replaced; called at the watchdog's wakes."""
        self.limiter.glance()
        self.executor.glance()

    def reading(self) -> ThreadPoolReading:
        """Return the threads of both pools as of now; any thread may call this."""
        both = zip(self.limiter.reading(), self.executor.reading(), strict=True)
        busy, idle, waiting = (a + b for a, b in both)
        return ThreadPoolReading(busy=busy, idle=idle, waiting=waiting)
