"""The end of the step in which a watch begins.

A step ends where `Handle._run` is replaced, and the loop has entered the running step before that.
So a handle of ours is put in line before all others: what it seems to have taken is the rest of
that step. It has the step's context, and calls a method of the step's task that changes nothing, so
that it passes for a step of it. Without it the first step would be a part of the next one.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from loopwatch.core.task_context import task_context


def end_first_step(loop: Any, ready: Any) -> None:
    """Have the running step of a task of asyncio end by itself; `ready` is the loop's line."""
    task = asyncio.current_task(loop) if loop.is_running() else None
    if task is not None and isinstance(ready, deque):
        ready.appendleft(asyncio.Handle(task.done, (), loop, task_context(task)))
