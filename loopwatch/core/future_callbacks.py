"""What a future's callbacks show: for whom it is, and what it stands for.

A pool's thread sets a future of its own, of `concurrent.futures`. `asyncio.wrap_future` makes one
of the loop for it, and each of the two has a callback that knows the other. A task that waits for a
future has a callback there, too.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Iterator
from functools import partial
from types import CellType, FunctionType
from typing import Any

from loopwatch.core.names import attribute

CALLBACKS = 8  # of a future, looked at


def callbacks(future: Any) -> Iterator[Any]:
    """Return the callbacks of a loop's future or task."""
    for callback in list(attribute(future, "_callbacks") or ())[:CALLBACKS]:
        yield callback[0] if isinstance(callback, tuple) else callback


def captured(future: Any) -> Iterator[Any]:
    """Return what the callbacks of a loop's future have captured in variables."""
    for function in callbacks(future):
        if isinstance(function, FunctionType):
            yield from map(contents, function.__closure__ or ())


def contents(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # empty
        return None


def thread_future(future: Any) -> Any:
    """Return the thread's future that a future of the loop stands for, None if there is none."""
    return next((thing for thing in captured(future) if is_threads(thing)), None)


def is_threads(thing: Any) -> bool:
    return isinstance(thing, concurrent.futures.Future)


def loop_futures(future: Any) -> Iterator[Any]:
    """Return the loops' futures that a thread's future will set."""
    for callback in list(attribute(future, "_done_callbacks", ()))[:CALLBACKS]:
        names = getattr(getattr(callback, "__code__", None), "co_freevars", ())
        if "destination" in names:
            yield callback.__closure__[names.index("destination")].cell_contents


def waiting_tasks(future: Any) -> Iterator[Any]:
    """Return the tasks that wait for a loop's future."""
    owners = (getattr(callback, "__self__", None) for callback in callbacks(future))
    return (owner for owner in owners if hasattr(owner, "get_coro"))  # of any make


def parents(task: Any) -> Iterator[Any]:
    """Return the tasks that wait for a task: by `await`, or by `gather`, `wait`, `wait_for` or a
    task group."""
    yield from waiting_tasks(task)
    for callback in callbacks(task):
        parent = attribute(getattr(callback, "__self__", None), "_parent_task")
        if is_task(parent):
            yield parent
        for given in getattr(callback, "args", ()) if isinstance(callback, partial) else ():
            yield from waiting_tasks(given)
    for variable in captured(task):
        if asyncio.isfuture(variable) and not is_task(variable):
            yield from waiting_tasks(variable)


def is_task(thing: Any) -> bool:
    return isinstance(thing, asyncio.Task)
