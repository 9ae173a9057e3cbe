"""A stack sample of the loop thread, taken from another thread while a step is running.

Reading a frame needs the GIL, so no thread moves meanwhile (on 3.11 only within `STILL`, which the
caller must enter). Frames are released at once, since they would keep the app's locals
alive. Only numbers and code objects are kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextvars import Context
from types import CodeType, FrameType
from typing import Any

from loopwatch.core.await_chain import awaiting
from loopwatch.core.evidence import Spot
from loopwatch.core.frames import running_frame
from loopwatch.core.names import callable_name, coroutine_name
from loopwatch.core.speedups import speedups
from loopwatch.core.task_context import task_context, task_coroutine
from loopwatch.loop.loop_state import LoopState
from loopwatch.watchdog.gc_pauses import Listener

# These run within the code that they trace.
WATCHERS = "loopwatch.watchdog.line_traces", "loopwatch.watchdog.line_trace"
COLLECTED = Listener.__call__.__code__  # runs within the code in which a collection began
DEPTH = 128  # frames kept, innermost first


def sample_step(state: LoopState, floor: Iterable[CodeType]) -> tuple[Spot, ...]:
    """Return the stack of a loop's thread, innermost first, down to the first frame of code in
    `floor`. If it is a greenlet's, the coroutines that wait for the greenlet come after it."""
    spots, to_the_end = walk(running_frame(state.thread_id), floor)
    task = asyncio.current_task(state.loop) if to_the_end else None
    chain = coroutines(state, task) if task is not None else []
    if not chain or any(s.code is chain[-1].code for s in spots):
        return spots  # no greenlet's, but of a loop whose floor is not known yet
    return (*spots, *chain)[:DEPTH]


def sample_stack(thread_id: int, floor: Iterable[CodeType] = ()) -> tuple[Spot, ...]:
    """Return a thread's stack, innermost first, down to the first frame of code in `floor`."""
    return walk(running_frame(thread_id), floor)[0]


def walk(frame: FrameType | None, floor: Iterable[CodeType]) -> tuple[tuple[Spot, ...], bool]:
    """Return a frame and its callers, and whether there are no more of them. What called us, and
    whatever we called then, does not count: it is where the code was as that happened.

    Code is compared by identity: its hash would go over all its instructions.
    """
    ends = {id(code) for code in floor}
    spots: list[Spot] = []
    while frame is not None and len(spots) < DEPTH and id(frame.f_code) not in ends:
        if frame.f_code is COLLECTED or frame.f_globals.get("__name__") in WATCHERS:
            spots.clear()
        else:
            spots.append(Spot.of(frame))
        frame = frame.f_back
    return tuple(spots), frame is None


def coroutines(state: LoopState, task: Any) -> list[Spot]:
    """Return where the coroutines of a running task stand, innermost first."""
    outer = [Spot.of(frame) for frame in awaiting(task_coroutine(task))]
    inner = [Spot.of(frame) for frame in awaiting(state.driven)]  # beyond our compiled part
    known = {s.code for s in outer}
    return [*outer, *(s for s in inner if s.code not in known)][::-1]


def running_owner(state: LoopState) -> tuple[Context | None, str | None]:
    """Return a copy of the running context and the name of the coroutine or callback.

    An eager task is the current task while it runs, so this is right for eager tasks too.
    """
    context = None if speedups is None else speedups.running_context(state.thread_id)
    task = asyncio.current_task(state.loop)
    if task is not None:
        return context or copied(task_context(task)), coroutine_name(task_coroutine(task))
    running = state.running  # a handle; without the compiled part, the callback itself
    if running is None:
        return context, None
    name = callable_name(getattr(running, "_callback", running))
    return context or copied(getattr(running, "_context", None)), name


def copied(context: Context | None) -> Context | None:
    return context.copy() if context is not None else None
