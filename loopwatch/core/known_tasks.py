"""The tasks of the process, as weak references, without keeping one of them alive.

`asyncio.all_tasks` goes over all tasks of the process in one go. With 10,000 of them this kept the
interpreter's lock from the loop for 5 ms at each of its system calls: 30 to 50 ms in one tick. So
the references are copied at once, in C, and followed with pauses. From 3.14 on it goes over them in
C, 0.7 ms for 10,000, and is asked.
"""

from __future__ import annotations

import asyncio
from asyncio import futures, tasks
from collections.abc import Callable, Iterator
from types import BuiltinFunctionType
from typing import Any
from weakref import WeakSet, ref

from loopwatch.core.breath import breathe

Reference = Callable[[], Any]

loop_of: Callable[[Any], Any] = futures._get_loop  # type: ignore[attr-defined]  # noqa: SLF001, as asyncio does


def known_tasks() -> list[Reference] | None:
    """Return a reference to each task of the process; None where another version keeps them.

    From 3.14 on, tasks of C are in lists of its own, and in this set are only those of Python.
    """
    if isinstance(asyncio.all_tasks, BuiltinFunctionType):
        return None
    weak = getattr(tasks, "_scheduled_tasks", None) or getattr(tasks, "_all_tasks", None)
    references = getattr(weak, "data", None)
    if type(weak) is not WeakSet or type(references) is not set:
        return None
    eager = getattr(tasks, "_eager_tasks", ())
    return [*references, *map(reference_to, list(eager))]


def reference_to(task: Any) -> Reference:
    """Return a weak reference that can be in a set also once its task has gone: it remembers the
    hash that it was asked for before."""
    reference = ref(task)
    hash(reference)
    return reference


def each_task(loop: Any) -> Iterator[Any]:
    """Return the tasks of a loop that are not done; on a thread that pauses, with pauses.

    Whoever asks keeps none of them until the next one.
    """
    known = known_tasks()
    if known is None:
        yield from asyncio.all_tasks(loop)
        return
    for reference in known:
        task = reference()
        if task is not None and not task.done() and loop_of(task) is loop:
            yield task
        del task  # none is kept over a pause: its end is not for this thread
        breathe()


def references_of(loops: list[Any]) -> list[Reference]:
    """Return references to the tasks of some loops, and perhaps of others."""
    known = known_tasks()
    if known is None:
        known = [reference_to(task) for loop in loops for task in asyncio.all_tasks(loop)]
    return known
