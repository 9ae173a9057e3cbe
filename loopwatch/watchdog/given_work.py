"""What a pool's thread was given to do, and who waits for it.

`asyncio.to_thread(pickle.loads, data)` shows nothing of the app on the thread's stack: only the
pool's frames, as `pickle.loads` is C. So the pool's frame is asked for the function. The context
that it runs in has the request, and the future that it will set leads to the coroutine that awaits
it, whose suspended frames say on which line that is.

| pool | its frame | function | future |
|---|---|---|---|
| `ThreadPoolExecutor` | `_WorkItem.run` | `self.fn`; from 3.14 on `self.task[0]` | `self.future` |
| anyio, so Starlette's `def` routes | `WorkerThread.run` | `func` | `future` |
| `threading.Thread(target=...)` | `Thread.run` | `self._target` | |

Only names, code objects and loopwatch's own `Request` leave this module. Nothing here releases the
GIL, so that what a frame refers to outlives the look at it, and is not finalised here.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from concurrent.futures import thread as pools
from contextvars import Context
from functools import partial
from types import CodeType, FrameType
from typing import Any, NamedTuple

from loopwatch.core.await_chain import awaiting
from loopwatch.core.evidence import Spot
from loopwatch.core.frames import variables
from loopwatch.core.names import callable_name
from loopwatch.core.request import REQUEST, Request

PARTIALS = 8  # followed, one inside the other
CALLBACKS = 8  # of a future looked at

WORK_ITEM, THREAD = pools._WorkItem.run.__code__, threading.Thread.run.__code__


class Work(NamedTuple):
    """What a thread was given; the defaults say that nothing is known."""

    function: str | None = None  # `module.qualname`
    request: Request | None = None  # the one that gave it
    asker: tuple[Spot, ...] = ()  # of the coroutine that waits for it, innermost first
    code: CodeType | None = None  # of the function, if it is Python


def given_work(frame: FrameType) -> Work | None:
    """Return the work that a frame of a pool has; None of any other frame, or if that fails."""
    code = frame.f_code
    try:
        if code is WORK_ITEM:
            return of_work_item(*variables(frame, "self"))
        if code is THREAD:
            return of_thread(variables(frame, "self")[0]._target)
        if code.co_name == "run" and code is anyio_run():
            return of_anyio(*variables(frame, "func", "context", "future"))
    except Exception:  # another version of the pool, or a subclass that is made otherwise
        return None
    return None


def anyio_run() -> CodeType | None:
    """Return the code of anyio's worker thread, if its module is loaded."""
    module = sys.modules.get("anyio._backends._asyncio")
    code = getattr(getattr(getattr(module, "WorkerThread", None), "run", None), "__code__", None)
    return code if isinstance(code, CodeType) else None


def of_thread(target: Any) -> Work | None:
    """Return the work of a thread; None of one that has no target, or is a pool's without work."""
    if target is None or target is pools._worker:
        return None
    return Work(callable_name(target), code=code_of(target))


def of_work_item(item: Any) -> Work:
    function = item.fn if hasattr(item, "fn") else item.task[0]
    function, context = unwrapped(function)
    return work(function, context, asyncio_futures(item.future))


def of_anyio(function: Any, context: Context | None, future: Any) -> Work | None:
    """Return the work of anyio's thread; None while it waits for some."""
    if function is None or future is None:
        return None
    function, inner = unwrapped(function)
    return work(function, context or inner, iter((future,)))


def work(function: Any, context: Context | None, futures: Iterator[Any]) -> Work:
    request = context.get(REQUEST) if context is not None else None
    asker = next((c for future in futures for c in waiting_for(future)), None)
    chain = [Spot.of(frame) for frame in awaiting(asker)]
    return Work(callable_name(function), request, tuple(reversed(chain)), code_of(function))


def code_of(function: Any) -> CodeType | None:
    code = getattr(function, "__code__", None)
    return code if isinstance(code, CodeType) else None


def unwrapped(function: Any) -> tuple[Any, Context | None]:
    """Return the function inside partials, and the context that it runs in, as `to_thread` has it:
    `partial(context.run, function, ...)`."""
    context = None
    for _ in range(PARTIALS):
        if type(function) is not partial:
            break
        owner = getattr(function.func, "__self__", None)
        if type(owner) is Context and function.args:
            context, function = owner, function.args[0]
        else:
            function = function.func
    return function, context


def asyncio_futures(future: Any) -> Iterator[Any]:
    """Return the loops' futures that a pool's future will set (`asyncio.wrap_future`)."""
    for callback in list(future._done_callbacks)[:CALLBACKS]:
        names = getattr(getattr(callback, "__code__", None), "co_freevars", ())
        if "destination" in names:
            yield callback.__closure__[names.index("destination")].cell_contents


def waiting_for(future: Any) -> Iterator[Any]:
    """Return the coroutines of the tasks that wait for a loop's future."""
    for callback, _ in list(future._callbacks or ())[:CALLBACKS]:
        task: Any = getattr(callback, "__self__", None)
        if hasattr(task, "get_coro"):
            yield task.get_coro()
