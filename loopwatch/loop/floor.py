"""The floor of a stack: the code that runs a loop's steps. No frame below it is the app's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import CodeType

from loopwatch.core.frames import STILL, running_frame
from loopwatch.core.task_context import task_coroutine


def below_current_task() -> CodeType | None:
    """Return the code that runs the calling task's steps, None outside a task."""
    loop = asyncio._get_running_loop()
    task = asyncio.current_task(loop) if loop is not None else None
    frame = getattr(task_coroutine(task), "cr_frame", None) if task is not None else None
    below = frame.f_back if frame is not None else None
    return below.f_code if below is not None else None


def parked_code(thread_id: int, is_parked: Callable[[], bool]) -> CodeType | None:
    """Return a thread's innermost code, if `is_parked` was true before and after reading it."""
    if not is_parked():
        return None
    with STILL:
        frame = running_frame(thread_id)
        code = frame.f_code if frame is not None else None
    return code if is_parked() else None
