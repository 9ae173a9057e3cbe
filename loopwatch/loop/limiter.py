"""anyio's default limiter, whose tokens `def` routes wait for.

`async with limiter` finds its methods on the type, and a limiter has slots, so nothing can be
wrapped on the instance. But a call that finds no free token enters the limiter's `_wait_queue`. It
leaves that queue when it gets a token or gives up. All this happens on the loop's thread. So the
queue is replaced by one that reports both. A call that gets a token at once never enters it, and
costs nothing.

The loop gives a token back some time after the thread has finished. That delay is the loop's, not
the pool's. So while calls wait, each busy worker thread notes when it calls its queue's
`task_done`, the last thing that it does. The frame that gives the token back knows its worker. If
no frame does (`total_tokens` was raised, or a waiter was just cancelled), the token became free at
that moment. A C call that keeps the GIL cannot be distinguished: it holds threads and loop alike.

The limiter is made at its first use on a loop. Within a task, requesting it makes it; otherwise the
watchdog looks from time to time whether it exists. Limiters that the app makes are not watched, nor
are the app's own processes and threads.

Tried and dropped: wrapping `acquire_on_behalf_of` on the class (one more frame for every acquire of
every limiter in the process).
"""

from __future__ import annotations

import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection
from contextvars import Context
from types import FrameType
from typing import Any
from weakref import WeakSet

from loopwatch.core.frames import variables
from loopwatch.core.guard import guarded
from loopwatch.core.request import REQUEST
from loopwatch.loop.loop_state import clock
from loopwatch.loop.pool_queue import Line, Waited

BACKEND = "anyio._backends._asyncio"
GIVER = "run_sync_in_worker_thread"  # the function whose local `worker` has finished a call
DEPTH = 8  # frames between the queue and that function, at most


class WaitQueue(OrderedDict[Any, Any]):
    """A limiter's waiters, in order; it reports when each begins and ends to wait."""

    def __init__(self, limiter: Limiter, waiters: OrderedDict[Any, Any]) -> None:
        super().__init__()
        self.limiter = limiter
        for borrower, event in waiters.items():
            super().__setitem__(borrower, event)

    def __setitem__(self, borrower: Any, event: Any) -> None:
        super().__setitem__(borrower, event)
        self.limiter.asked(borrower)

    def popitem(self, last: bool = True) -> tuple[Any, Any]:
        borrower, event = super().popitem(last)
        self.limiter.granted(borrower, sys._getframe(1))
        return borrower, event

    def pop(self, borrower: Any, *default: Any) -> Any:
        event = super().pop(borrower, *default)
        self.limiter.line.leave(borrower, clock())
        return event


class Limiter:
    """The default limiter of one loop. Made and installed on the loop's thread."""

    def __init__(self, loop: Any, waited: Waited) -> None:
        self._loop = loop
        self._thread = threading.get_ident()
        self.line = Line(waited)
        self.limiter: Any = None
        self._before: OrderedDict[Any, Any] | None = None
        self._ours: WaitQueue | None = None
        self._installed = False
        self._workers: Collection[Any] | None = None  # anyio's own set of the loop's threads
        self._noted: WeakSet[Any] = WeakSet()  # queues whose `task_done` is ours
        self._noting = False  # `_note_newcomers` is scheduled
        self._nobodys = Context()  # its context, which belongs to no request

    def install(self) -> None:
        self._installed = True
        self.limiter = made_in_task() or made(self._loop)
        self._replace()

    def uninstall(self) -> None:
        """Restore anyio's queue; when called by another thread, as soon as the loop gets to it."""
        self._installed = False
        if threading.get_ident() == self._thread or not self._loop.is_running():
            self._put_back()
        else:
            self._soon(self._put_back)

    def abandon(self) -> None:
        """`uninstall` in a forked child, where the loop's thread is this one or does not exist."""
        self._installed = False
        self._put_back()

    def glance(self) -> None:
        """Look whether the limiter has been made meanwhile; any thread may call this."""
        if self.limiter is None:
            self.limiter = made(self._loop)
            if self.limiter is not None:
                self._soon(self._replace)

    def reading(self) -> tuple[int, int, int]:
        """Return three counts: busy threads, threads idle or still to start, and waiting calls."""
        if self.limiter is None:
            return 0, 0, 0
        busy = self.limiter.borrowed_tokens
        idle = max(0, int(min(self.limiter.total_tokens, 1e6)) - busy)
        return busy, idle, self.limiter.statistics().tasks_waiting

    def _soon(self, callback: Callable[[], None]) -> None:
        try:
            self._loop.call_soon_threadsafe(callback)
        except RuntimeError:  # the loop has closed, so no call waits any more
            callback()

    @guarded
    def _replace(self) -> None:
        waiters = getattr(self.limiter, "_wait_queue", None)
        if self._installed and self._ours is None and type(waiters) is OrderedDict:
            self._before, self._ours = waiters, WaitQueue(self, waiters)
            self.limiter._wait_queue = self._ours

    @guarded
    def _put_back(self) -> None:
        if self._before is not None and self.limiter._wait_queue is self._ours:
            self._before.clear()
            self._before.update(self._ours)
            self.limiter._wait_queue = self._before
        self._before = self._ours = None
        for queue in self._noted:
            vars(queue).pop("task_done", None)
        self._noted.clear()

    @guarded
    def asked(self, borrower: Any) -> None:
        request = REQUEST.get(None)
        if request is not None:
            self.line.join(borrower, request, clock())
        if not self._noting:
            self._noting = True  # once per tick
            if self._workers is None:
                self._workers = sys.modules[BACKEND]._threadpool_workers.get(None)
            self._note_workers()
            self._loop.call_soon(self._note_newcomers, context=self._nobodys)

    def _note_newcomers(self) -> None:
        """Note workers once more: the call with the last token may start a thread a step later."""
        self._noting = False
        self._note_workers()

    @guarded
    def _note_workers(self) -> None:
        if self._ours is not None:
            for worker in self._workers or ():
                self._note(worker.queue)

    def _note(self, queue: Any) -> None:
        """Make this queue note when its worker has finished a call."""
        if "task_done" not in vars(queue):
            queue.task_done = noting(queue)
            self._noted.add(queue)

    @guarded
    def granted(self, borrower: Any, frame: FrameType | None) -> None:
        now = clock()
        worker = giver(frame)
        if worker is not None:
            self._note(worker.queue)
            self.line.stood_still(done_at(worker.queue, now), now)
        self.line.leave(borrower, now)


def noting(queue: Any) -> Callable[[], None]:
    """Return a `task_done` of this queue that notes when it was called."""
    task_done = queue.task_done

    def noted() -> None:
        noted.at = clock()  # type: ignore[attr-defined]  # before the queue shows it as done
        task_done()

    noted.at = 0.0  # type: ignore[attr-defined]
    return noted


def done_at(queue: Any, now: float) -> float:
    """Return when a worker finished its last call (clock, s); `now` if that is not known."""
    at: float = getattr(queue.task_done, "at", 0.0)
    return at if at and not queue.unfinished_tasks else now


def giver(frame: FrameType | None) -> Any:
    """Return the worker whose token this frame or a caller gives back; None if there is none."""
    for _ in range(DEPTH):
        if frame is None:
            return None
        if frame.f_code.co_name == GIVER:
            return variables(frame, "worker")[0]
        frame = frame.f_back
    return None


def made_in_task() -> Any:
    """Return the running loop's limiter, and make it if necessary; None outside a task."""
    anyio = sys.modules.get("anyio")
    try:
        return anyio.to_thread.current_default_thread_limiter() if anyio is not None else None
    except Exception:
        return None


def made(loop: Any) -> Any:
    """Return a loop's default limiter if it has been made; any thread may call this."""
    lowlevel, backend = sys.modules.get("anyio.lowlevel"), sys.modules.get(BACKEND)
    kept = getattr(lowlevel, "_run_vars", {}).get(loop, {})  # what anyio keeps by loop
    kind = getattr(backend, "CapacityLimiter", ())
    return next((one for one in list(kept.values()) if isinstance(one, kind)), None)
