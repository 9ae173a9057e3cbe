"""The end of steps that are long, rare or undecided, whether C or Python timed them.

An eager task (3.12+) begins a request inside another task's step, whose context has no such
request. So the middleware leaves the request in `state.entered`. If the step's context names
another owner, the step is divided between the two at the moment of entry. A `handle` of None is a
gap: callbacks of the loop itself, which are not distinguished.
"""

from __future__ import annotations

import asyncio
from contextvars import Context, copy_context
from types import CodeType
from typing import Any

from loopwatch.core.guard import guarded, log_once
from loopwatch.core.names import coroutine_code, coroutine_name
from loopwatch.core.request import REQUEST, Request, clock
from loopwatch.core.task_context import task_coroutine
from loopwatch.loop.busy_ticks import handle_code, handle_name, running_task, task_of
from loopwatch.loop.loop_state import LoopState


def end_other_step(state: LoopState, handle: Any, took: float) -> None:
    """Count a fast step of `took` seconds that no request owns, by coroutine if it is a task's."""
    end_other_call(state, handle._callback, took)


def end_other_call(state: LoopState, callback: Any, took: float) -> None:
    """`end_other_step` for the callback of a handle."""
    task = task_of(callback)
    if task is None:
        state.other_steps += 1
        state.other_seconds += took
        return
    try:
        row = state.task_row(task)
        row.steps += 1
        row.seconds += took
    except Exception:
        log_once("loopwatch.loop.slow_steps")


def end_long_step(state: LoopState, handle: Any, request: Request | None, took: float) -> None:
    """File a step of `state.limit` or more; if it was slow, queue it for its explanation."""
    try:
        if request is None and state.left is not None:
            request = left_in_step(state, took)
        state.busy_tick.add(handle, request, took)
        if request is not None and state.victim_search.active:
            state.victim_search.note(request, state.mark - took, handle)
            if state.victim_search.has_waited(request):
                state.busy_tick.behind += took
        file_step(state, handle, request, took)
        state.fall_behind(state.mark - state.tick)
        if took >= state.threshold:
            judge(state, handle, request, took)
    except Exception:
        log_once("loopwatch.loop.slow_steps")


def left_in_step(state: LoopState, took: float) -> Request | None:
    """Return the request that has ended within this step, and left its context; None if none."""
    left, state.left = state.left, None
    return left if left is not None and left.ended > state.mark - took else None


def end_gap(state: LoopState, took: float) -> None:
    """File a long gap: what ran between two steps, or in the poll phase after the poll."""
    end_long_step(state, None, None, took)


def file_step(state: LoopState, handle: Any, request: Request | None, took: float) -> None:
    if request is None:
        state.long_step(running_task(handle), took)
        return
    request.stepped = state.mark
    if request.add_long_step(took):
        state.many_steps(request)


def take_many_steps(state: LoopState, request: Request) -> None:
    state.many_steps(request)


def judge(state: LoopState, handle: Any, request: Request | None, took: float) -> None:
    code = handle_code(handle)
    known = code if isinstance(code, CodeType) else None
    context = getattr(handle, "_context", None)
    context = context if isinstance(context, Context) else None  # a handle accepts any object
    state.judge(state.mark - took, took, request, handle_name(handle), context, known)
    state.mark = clock()  # our own work is no part of the next step


@guarded
def judge_so_far(state: LoopState, since: float) -> None:
    """Judge the step in progress, which began at `since` (clock, s): its watch ends within it. For
    the loop's thread."""
    took = clock() - since
    if took < state.threshold or state.judged > since:
        return
    task, running = asyncio.current_task(state.loop), state.running
    coroutine = task_coroutine(task) if task is not None else None
    name = coroutine_name(coroutine) if task is not None else handle_name(running)
    code = coroutine_code(coroutine) if task is not None else handle_code(running)
    known = code if isinstance(code, CodeType) else None
    state.judge(since, took, REQUEST.get(None), name, copy_context(), known)


@guarded
def share_step(state: LoopState, handle: Any, owner: Request | None, took: float) -> None:
    """End a step in which an eager request began; the part after its entry is the request's."""
    entered, state.entered = state.entered, None
    assert entered is not None
    own = min(state.mark - entered.started, took)
    if owner is not None and state.victim_search.active:
        state.victim_search.note(owner, state.mark - took, handle)
    if state.recorder is not None:
        state.recorder.add_step(state.mark - took, state.mark - own, owner)
        state.recorder.add_step(state.mark - own, state.mark, entered)
    file_step(state, handle, entered, own)
    file_step(state, handle, owner, took - own)
    state.fall_behind(state.mark - state.tick)
    if took >= state.threshold:
        judge(state, handle, entered if own >= took / 2 else owner, took)


@guarded
def cut_step(state: LoopState, now: float) -> None:
    """End the step of an eager request at `now`, because another request begins in it."""
    entered, state.entered = state.entered, None
    assert entered is not None
    began = max(state.mark, entered.started) if state.polling else state.mark
    took = now - began
    state.mark = now
    if state.recorder is not None:
        state.recorder.add_step(began, now, entered)
    file_step(state, None, entered, took)
    state.fall_behind(took if state.polling else state.mark - state.tick)
    if took >= state.threshold:
        state.judge(now - took, took, entered)


def enter(state: LoopState, request: Request) -> None:
    """Note that a request begins in the running step."""
    if state.entered is not None:
        cut_step(state, request.started)
    state.entered = request
