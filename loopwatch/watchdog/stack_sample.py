"""A stack sample of the loop thread, taken from another thread while a step is running.

Reading a frame needs the GIL, so no thread moves meanwhile (on 3.11 only within `STILL`, which the
caller must enter). Frames are released at once, since they would keep the app's locals
alive. Only numbers and code objects are kept.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Iterable
from contextvars import Context
from types import CodeType, FrameType
from typing import Any

from loopwatch.core.evidence import Spot
from loopwatch.core.names import callable_name, coroutine_name
from loopwatch.core.speedups import speedups
from loopwatch.loop.loop_state import LoopState

# These run within the code that they trace.
WATCHERS = "loopwatch.watchdog.line_traces", "loopwatch.watchdog.line_trace"
ONE_FRAME = getattr(speedups, "running_frame", None)
DEPTH = 128  # frames kept, innermost first


def sample_stack(thread_id: int, floor: Iterable[CodeType] = ()) -> tuple[Spot, ...]:
    """Return a thread's stack, innermost first, down to the first frame of code in `floor`.

    Code is compared by identity: its hash would go over all its instructions.
    """
    ends = {id(code) for code in floor}
    frame = running_frame(thread_id)
    spots: list[Spot] = []
    while frame is not None and frame.f_globals.get("__name__") in WATCHERS:
        frame = frame.f_back
    while frame is not None and len(spots) < DEPTH and id(frame.f_code) not in ends:
        spots.append(spot(frame))
        frame = frame.f_back
    return tuple(spots)


def running_frame(thread_id: int) -> FrameType | None:
    """Return the innermost frame of a thread."""
    if ONE_FRAME is not None:
        frame: FrameType | None = ONE_FRAME(thread_id)
        return frame
    return sys._current_frames().get(thread_id)


def spot(frame: FrameType) -> Spot:
    module = frame.f_globals.get("__name__") or "?"
    return Spot(frame.f_code, frame.f_lasti, frame.f_lineno or 0, module)


def running_owner(state: LoopState) -> tuple[Context | None, str | None]:
    """Return a copy of the running context and the name of the coroutine or callback.

    An eager task is the current task while it runs, so this is right for eager tasks too.
    """
    context = None if speedups is None else speedups.running_context(state.thread_id)
    task = asyncio.current_task(state.loop)
    if task is not None:
        return context or copied(task_context(task)), coroutine_name(task.get_coro())
    running = state.running  # a handle; without the compiled part, the callback itself
    if running is None:
        return context, None
    name = callable_name(getattr(running, "_callback", running))
    return context or copied(getattr(running, "_context", None)), name


def task_context(task: Any) -> Context | None:
    """Return a task's context; before 3.12 only the garbage collector sees that of a C task."""
    if hasattr(task, "get_context"):
        context: Context = task.get_context()
        return context
    return next((x for x in gc.get_referents(task) if isinstance(x, Context)), None)


def copied(context: Context | None) -> Context | None:
    return context.copy() if context is not None else None
