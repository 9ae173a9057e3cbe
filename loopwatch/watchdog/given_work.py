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
from collections.abc import Iterable
from concurrent.futures import thread as pools
from contextvars import Context
from functools import partial
from types import CodeType, FrameType
from typing import Any, NamedTuple

from loopwatch.core.await_chain import awaiting
from loopwatch.core.evidence import Spot
from loopwatch.core.frames import variables
from loopwatch.core.future_callbacks import ANYIO, contexts, loop_futures, parents
from loopwatch.core.names import callable_name
from loopwatch.core.request import REQUEST, Request
from loopwatch.core.task_context import context_request, task_coroutine

PARTIALS = 8  # followed, one inside the other
PARENTS = 4  # tasks followed, each of which waits for the one before

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
    module = sys.modules.get(ANYIO)
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
    return work(function, context, loop_futures(item.future))


def of_anyio(function: Any, context: Context | None, future: Any) -> Work | None:
    """Return the work of anyio's thread; None while it waits for some."""
    if function is None or future is None:
        return None
    function, inner = unwrapped(function)
    return work(function, context or inner, (future,))


def work(function: Any, context: Context | None, futures: Iterable[Any]) -> Work:
    """Return the work that will set one of the loop's `futures`."""
    futures = [*futures]
    task = next((task for future in futures for task in parents(future)), None)
    if context is not None:
        request = context.get(REQUEST)
    elif task is not None:
        request = context_request(task)
    else:  # nobody awaits it yet: who gave it to the pool
        given = (one.get(REQUEST) for future in futures for one in contexts(future))
        request = next((one for one in given if one is not None), None)
    return Work(callable_name(function), request, asker(task), code_of(function))


def asker(task: Any) -> tuple[Spot, ...]:
    """Return where the coroutines of a task stand, and then of those that wait for it, innermost
    first; nowhere if there is none."""
    spots: list[Spot] = []
    for _ in range(PARENTS):
        if task is None:
            break
        spots += [Spot.of(frame) for frame in awaiting(task_coroutine(task))][::-1]
        task = next(parents(task), None)
    return tuple(spots)


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
