"""The end of the step in which a watch begins.

A step ends where `Handle._run` is replaced, and the loop has entered the running step before that.
So a handle of ours is put in line before all others: what it seems to have taken is the rest of
that step. It has the step's task and context, so that the step has its owner. Without it the first
step would be taken for a part of the next one.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextvars import copy_context
from typing import Any

from loopwatch.core.task_context import task_context


class EndOfStep:
    """A callback that does nothing, and passes for a step of a task."""

    __slots__ = ("__self__",)

    def __init__(self, task: Any) -> None:
        self.__self__ = task

    def __call__(self) -> None:
        pass


def end_first_step(loop: Any, ready: Any) -> None:
    """Have the running step of a loop of asyncio end by itself; `ready` is the loop's line."""
    if not loop.is_running() or not isinstance(ready, deque):
        return
    task = asyncio.current_task(loop)
    context = task_context(task) if task is not None else copy_context()
    ready.appendleft(asyncio.Handle(EndOfStep(task), (), loop, context))
