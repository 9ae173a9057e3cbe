"""What a future's callbacks show: for whom it is, and what it stands for.

A pool's thread sets a future of its own, of `concurrent.futures`. `asyncio.wrap_future` makes one
of the loop for it, and each of the two has a callback that knows the other. A task that waits for a
future has a callback there, too.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Iterator
from contextvars import Context
from functools import partial
from types import CellType, FunctionType
from typing import Any

from loopwatch.core.names import attribute

CALLBACKS = 8  # of a future, looked at
ANYIO = "anyio._backends._asyncio"
DERIVED = 3  # futures followed, each of which the one before completes


def entries(future: Any) -> list[Any]:
    """Return the callbacks of a loop's future or task, each with its context where it has one."""
    return list(attribute(future, "_callbacks") or ())[:CALLBACKS]


def callbacks(future: Any) -> Iterator[Any]:
    """Return the callbacks of a loop's future or task."""
    return (entry[0] if isinstance(entry, tuple) else entry for entry in entries(future))


def contexts(future: Any) -> Iterator[Context]:
    """Return the contexts in which the callbacks of a loop's future were added."""
    pairs = (entry for entry in entries(future) if isinstance(entry, tuple))
    return (pair[-1] for pair in pairs if isinstance(pair[-1], Context))


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


def parents(future: Any, depth: int = DERIVED) -> Iterator[Any]:
    """Return the tasks that wait for a future or a task: by `await`, or by `gather`, `wait`,
    `wait_for`, `shield`, `as_completed` or a task group."""
    yield from waiting_tasks(future)
    for callback in callbacks(future):
        parent = attribute(getattr(callback, "__self__", None), "_parent_task")
        if is_task(parent):
            yield parent
    yield from filter(is_task, hosts(future))
    for other in derived(future) if depth else ():
        yield from parents(other, depth - 1)


def hosts(task: Any) -> Iterator[Any]:
    """Return the task in which the anyio task group stands that has started a task, if one has."""
    for variable in captured(task):
        if type(variable).__module__ == ANYIO:
            yield attribute(attribute(variable, "cancel_scope"), "_host_task")


def derived(future: Any) -> Iterator[Any]:
    """Return the futures that are completed by what is called when a future is done."""
    for callback in callbacks(future):
        if isinstance(callback, partial):
            yield from filter(is_future, callback.args)
        yield from getters(attribute(getattr(callback, "__self__", None), "_done"))
    for variable in captured(future):
        if is_future(variable):
            yield variable
        yield from getters(variable)


def getters(queue: Any) -> Iterator[Any]:
    """Return the futures that wait for an item of a queue, as `as_completed` has one."""
    if type(queue) is asyncio.Queue:
        yield from list(attribute(queue, "_getters", ()))[:CALLBACKS]


def behind(waiter: Any) -> list[Any]:
    """Return the futures of which a future is made, by `gather` or `shield`; else that itself."""
    children = getattr(waiter, "_children", None)
    found = children if isinstance(children, list) else [*filter(is_future, captured(waiter))]
    return found or [waiter]


def is_future(thing: Any) -> bool:
    """Return whether it is a loop's future, but no task."""
    return asyncio.isfuture(thing) and not is_task(thing)


def is_task(thing: Any) -> bool:
    return isinstance(thing, asyncio.Task)
