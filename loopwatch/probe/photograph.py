"""A photograph of the loop thread, taken from another thread while a step is running.

`sys._current_frames()` needs the GIL, so nothing moves while it looks (on 3.11 within `STILL`
only, which is the caller's to enter). Frames are let go at once:
they would keep the app's locals alive. Only numbers stay, except the step's outermost frame, which
the watchdog holds until the step is over.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from contextvars import Context
from types import CodeType, FrameType
from typing import Any, NamedTuple

from loopwatch.evidence import Spot
from loopwatch.names import callable_name, coroutine_name
from loopwatch.probe.frames import STILL

WATCHERS = ("loopwatch.probe.lines", "loopwatch.probe.hunt")  # run within the code they watch
DEPTH = 128  # frames kept, innermost first


class Photograph(NamedTuple):
    spots: tuple[Spot, ...]  # innermost first, the running step's only
    root: FrameType | None  # the step's outermost frame
    below: FrameType | None  # the frame that ran it


def photograph(
    thread_id: int, floor: CodeType | None = None, base: FrameType | None = None
) -> Photograph:
    """Return what a thread is doing, down to the first frame of code `floor`, or frame `base`."""
    frame: FrameType | None = sys._current_frames().get(thread_id)
    spots: list[Spot] = []
    root: FrameType | None = None
    while frame is not None and frame.f_globals.get("__name__") in WATCHERS:
        frame = frame.f_back
    while frame is not None and frame is not base and frame.f_code is not floor:
        if len(spots) < DEPTH:
            spots.append(spot(frame))
        root, frame = frame, frame.f_back
    return Photograph(tuple(spots), root, frame)


def spot(frame: FrameType) -> Spot:
    module = frame.f_globals.get("__name__") or "?"
    return Spot(frame.f_code, frame.f_lasti, frame.f_lineno or 0, module)


def running_owner(loop: Any, below: FrameType | None) -> tuple[Context | None, str | None]:
    """Return a copy of the running context and the name of the coroutine or callback.

    Eager tasks are the current task while they run, so this is right for them too. A plain
    callback is known where our own `_run`, in frame `below`, holds its handle.
    """
    task = asyncio.current_task(loop)
    if task is not None:
        return copied(task_context(task)), coroutine_name(task.get_coro())
    handle = below.f_locals.get("self") if below is not None else None
    if not isinstance(handle, asyncio.Handle):
        return None, None
    return copied(handle._context), callable_name(handle._callback)  # type: ignore[attr-defined]


def task_context(task: Any) -> Context | None:
    """Return a task's context; before 3.12 a C task shows it to the collector only."""
    if hasattr(task, "get_context"):
        context: Context = task.get_context()
        return context
    return next((x for x in gc.get_referents(task) if isinstance(x, Context)), None)


def copied(context: Context | None) -> Context | None:
    return context.copy() if context is not None else None


def below_current_task() -> FrameType | None:
    """Return the frame that runs the calling task's steps, None outside a task."""
    loop = asyncio._get_running_loop()
    task = asyncio.current_task(loop) if loop is not None else None
    frame = getattr(task.get_coro(), "cr_frame", None) if task is not None else None
    return frame.f_back if frame is not None else None


def parked_frame(thread_id: int) -> FrameType | None:
    """Return the innermost frame of a thread."""
    with STILL:
        return sys._current_frames().get(thread_id)
