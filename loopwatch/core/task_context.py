"""The coroutine of a task, its context, and the request in that."""

from __future__ import annotations

import gc
from contextvars import Context
from typing import Any

from loopwatch.core.request import REQUEST, Request


def task_coroutine(task: Any) -> Any:
    """Return a task's coroutine; None of one that has ended as it was started eagerly.

    Of such a task `get_coro()` crashes CPython 3.12.1, as it returns what is not there.
    """
    return task._coro if hasattr(task, "_coro") else task.get_coro()


def task_context(task: Any) -> Context | None:
    """Return a task's context; before 3.12 only the garbage collector sees that of a C task."""
    if hasattr(task, "get_context"):
        context: Context = task.get_context()
        return context
    return next((x for x in gc.get_referents(task) if isinstance(x, Context)), None)


def context_request(task: Any) -> Request | None:
    """Return the request in a task's context, which child tasks have as well."""
    context = task_context(task)
    return context.get(REQUEST) if context is not None else None
