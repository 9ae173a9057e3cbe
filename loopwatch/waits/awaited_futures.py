"""Which tasks and futures a suspended task really waits for, where it waits for others.

A task that is awaited is itself the future; `gather` keeps its children. The other ways to wait for
tasks (`wait`, `wait_for`, `shield`, `as_completed`, the end of a task group) have a future of their
own. The tasks are among the variables of the coroutine that waits for it, or in what is called when
that future is done. So these are looked at: of the coroutines of a few modules, never of the app's.
"""

from __future__ import annotations

import asyncio
import gc
from collections import deque
from collections.abc import Iterable, Iterator
from types import CellType, GeneratorType
from typing import Any

from loopwatch.core.future_callbacks import ANYIO, captured, contents, is_task
from loopwatch.core.names import attribute
from loopwatch.waits.task_chain import Link

WAITERS = {  # module -> how the names of its coroutines begin that wait for tasks
    "asyncio.tasks": ("wait_for", "_wait", "as_completed", "_AsCompleted"),
    "asyncio.taskgroups": ("TaskGroup.",),
    ANYIO: ("TaskGroup.",),
}
LIBRARIES = ("asyncio.", "anyio.")  # modules between these and the future
AS_COMPLETED = getattr(asyncio.as_completed, "__code__", None)
ONE_OF_MANY = "as_completed.<locals>._wait_for_one"
INNERMOST = 4  # frames of a chain, of which one may wait so
CONTAINERS = (set, list, tuple, frozenset, deque)


def awaited_futures(links: list[Link], waiter: Any) -> list[Any] | None:
    """Return what a task waits for by waiting for `waiter`, none if all of that is done; None if
    `waiter` is the last of it."""
    if is_task(waiter):
        return [waiter]
    children = getattr(waiter, "_children", None)  # of `gather`
    if isinstance(children, list):
        return unfinished(children)
    found = [*tasks_of_waiters(links)] or [*filter(is_task, captured(waiter))]
    return unfinished(found) if found else None


def unfinished(futures: Iterable[Any]) -> list[Any]:
    """Return futures that are not done, each once."""
    return list(dict.fromkeys(f for f in futures if asyncio.isfuture(f) and not f.done()))


def tasks_of_waiters(links: list[Link]) -> Iterator[Any]:
    """Return the tasks that the innermost coroutines of a chain wait for."""
    for n, link in enumerate(links[: -INNERMOST - 1 : -1], 1):
        if not link.spot.module.startswith(LIBRARIES):
            return
        if waits_for_tasks(link):
            for thing in gc.get_referents(link.thing):
                yield from tasks_in(thing)
        if link.spot.code.co_qualname == ONE_OF_MANY and n < len(links):
            yield from completing(links[-n - 1].thing)


def completing(thing: Any) -> Iterator[Any]:
    """Return the tasks of `as_completed`, before 3.13: its generator has them, and is itself on the
    stack of the coroutine that goes over it."""
    for generator in gc.get_referents(thing):
        if type(generator) is GeneratorType and generator.gi_code is AS_COMPLETED:
            for variable in gc.get_referents(generator):
                yield from tasks_in(variable)


def waits_for_tasks(link: Link) -> bool:
    names = WAITERS.get(link.spot.module)
    return names is not None and link.spot.code.co_qualname.startswith(names)


def tasks_in(thing: Any) -> Iterator[Any]:
    """Return a task itself, those in a container or a variable, or those of a task group."""
    if type(thing) is CellType:
        thing = contents(thing)
    if is_task(thing):
        yield thing
        return
    if not isinstance(thing, CONTAINERS):
        thing = group_tasks(thing)
    yield from filter(is_task, [*thing])


def group_tasks(thing: Any) -> Iterable[Any]:
    """Return the tasks of a task group or of an iterator over tasks; none of anything else."""
    if type(thing).__module__ not in WAITERS or is_task(thing):
        return ()
    found = attribute(thing, "_tasks") or attribute(thing, "_todo")
    return found if isinstance(found, CONTAINERS) else ()
