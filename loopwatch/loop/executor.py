"""A loop's default executor: `asyncio.to_thread` and `run_in_executor(None, ...)`.

asyncio keeps it in an attribute. uvloop hides it, but the garbage collector lists what the loop
refers to in half a microsecond. The executor is made at first use and may be replaced, so the
watchdog looks for it at each wake.

`submit` is wrapped on the instance. If a thread is idle or can still be started, a call costs two
more reads. Otherwise the call is timed until a thread takes it. The thread notes that moment
itself, so a late loop does not distort it. If the future of a waiting call is cancelled, its wait
ends then. Python 3.11 overcounts idle threads once calls have waited, so there the first calls that
wait for a full pool may go untimed. For the same reason the number of busy threads is read from
their stacks.
"""

from __future__ import annotations

import functools
import gc
import sys
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import thread as threads
from typing import Any

from loopwatch.core.frames import STILL
from loopwatch.core.guard import guarded
from loopwatch.core.request import REQUEST
from loopwatch.loop.loop_state import clock
from loopwatch.loop.pool_queue import Line, Waited

PARKED = threads._worker.__code__  # where an idle thread stands


class Executor:
    """The default executor of one loop. Made on the loop's thread."""

    def __init__(self, loop: Any, waited: Waited) -> None:
        self._loop = loop
        self._thread = threading.get_ident()
        self._line = Line(waited)
        self._executor: Any = None
        self._ours: Any = None

    def glance(self) -> None:
        """Look for a new executor, and wrap it; any thread may call this."""
        executor = default_executor(self._loop)
        if executor is not self._executor:
            self.uninstall()
            if executor is not None and "submit" not in vars(executor):
                self._ours = self._timed(executor)
                executor.submit = self._ours
            self._executor = executor

    def uninstall(self) -> None:
        """Restore the executor's own `submit`."""
        executor, self._executor = self._executor, None
        if executor is not None and vars(executor).get("submit") is self._ours:
            vars(executor).pop("submit", None)

    def reading(self) -> tuple[int, int, int]:
        """Return three counts: busy threads, threads idle or still to start, and waiting calls."""
        executor = default_executor(self._loop)
        if executor is None:
            return 0, 0, 0
        with STILL:
            # no variable has the frames: ours is among them, so they would be kept in a cycle
            codes = {thread: frame.f_code for thread, frame in sys._current_frames().items()}
        stands = [codes.get(thread.ident or 0) for thread in list(executor._threads)]
        busy = sum(code is not None and code is not PARKED for code in stands)
        return busy, executor._max_workers - busy, executor._work_queue.qsize()

    def _timed(self, executor: Any) -> Any:
        submit = executor.submit

        @functools.wraps(submit)
        def timed(fn: Any, /, *args: Any, **kwargs: Any) -> Any:
            in_line = full(executor)
            future = submit(fn, *args, **kwargs)
            if in_line:
                self._join(future)
            return future

        return timed

    @guarded
    def _join(self, future: Future[Any]) -> None:
        request = REQUEST.get(None)
        if request is None or threading.get_ident() != self._thread:
            return
        self._line.join(future, request, clock())
        begin = future.set_running_or_notify_cancel

        def begun() -> bool:
            self._leave(future)
            return begin()

        future.set_running_or_notify_cancel = begun  # type: ignore[method-assign]
        future.add_done_callback(self._done)
        if future.running():  # a thread was quicker
            self._line.leave(future, clock())

    def _done(self, future: Future[Any]) -> None:
        if future.cancelled():
            self._leave(future)

    @guarded
    def _leave(self, future: Future[Any]) -> None:
        """Have the loop's thread end this call's wait; any thread may call this."""
        vars(future).pop("set_running_or_notify_cancel", None)
        try:
            self._loop.call_soon_threadsafe(self._line.leave, future, clock())
        except RuntimeError:  # the loop has closed
            return


def full(executor: Any) -> bool:
    """Return whether a call submitted now would wait for a thread."""
    return executor._work_queue.qsize() > 0 or (
        not executor._idle_semaphore._value and len(executor._threads) >= executor._max_workers
    )


def default_executor(loop: Any) -> Any:
    """Return a loop's default executor if it exists and uses threads; any thread may call this."""
    if hasattr(loop, "_default_executor"):
        found = loop._default_executor
        return found if isinstance(found, ThreadPoolExecutor) else None
    found = [one for one in gc.get_referents(loop) if isinstance(one, ThreadPoolExecutor)]
    if not found:  # checked first, since reading `__dict__` slows the loop (see replaced.py)
        return None
    own = [id(one) for one in vars(loop).values()] if hasattr(loop, "__dict__") else []
    return next((one for one in found if id(one) not in own), None)
