"""What is long, rare or undecided about a step: it ends here, whichever twin timed it.

An eager task (3.12+) begins a request inside somebody else's step, whose context knows nothing of
it. So the middleware leaves the request in `pulse.entered`; if the step's context disagrees, the
step is shared between the two at the moment of entry. A `handle` of None is a gap: callbacks of the
loop's own, which are not told apart.
"""

from __future__ import annotations

from contextvars import Context
from types import CodeType
from typing import Any

from loopwatch.core.guard import guarded, tell_once
from loopwatch.core.request import Request
from loopwatch.loop.busy_ticks import handle_code, handle_name, running_task, task_of
from loopwatch.loop.loop_state import Pulse


def end_other_step(pulse: Pulse, handle: Any, took: float) -> None:
    """Count a fast step that no request owns, by coroutine if it is a task's."""
    end_other_call(pulse, handle._callback, took)


def end_other_call(pulse: Pulse, callback: Any, took: float) -> None:
    """`end_other_step` of what a handle calls."""
    task = task_of(callback)
    if task is None:
        pulse.other_steps += 1
        pulse.other_seconds += took
        return
    try:
        row = pulse.task_row(task)
        row.steps += 1
        row.seconds += took
    except Exception:
        tell_once("loopwatch.loop.slow_steps")


def end_long_step(pulse: Pulse, handle: Any, request: Request | None, took: float) -> None:
    """File a step of `pulse.limit` or more, and put it up for explaining if it was slow."""
    try:
        pulse.crowd.add(handle, request, took)
        if request is not None and pulse.aftermath.active:
            pulse.aftermath.note(request, pulse.mark - took, handle)
        file_step(pulse, handle, request, took)
        pulse.fall_behind(pulse.mark - pulse.tick)
        if took >= pulse.threshold:
            judge(pulse, handle, request, took)
    except Exception:
        tell_once("loopwatch.loop.slow_steps")


def end_gap(pulse: Pulse, took: float) -> None:
    """File what ran between two steps, or after a poll within its phase: it was long."""
    end_long_step(pulse, None, None, took)


def file_step(pulse: Pulse, handle: Any, request: Request | None, took: float) -> None:
    if request is None:
        pulse.long_step(running_task(handle), took)
        return
    request.stepped = pulse.mark
    if request.add_long_step(took):
        pulse.many_steps(request)


def take_many_steps(pulse: Pulse, request: Request) -> None:
    pulse.many_steps(request)


def judge(pulse: Pulse, handle: Any, request: Request | None, took: float) -> None:
    code = handle_code(handle)
    known = code if isinstance(code, CodeType) else None
    context = getattr(handle, "_context", None)
    context = context if isinstance(context, Context) else None  # a handle may be given anything
    pulse.judge(pulse.mark - took, took, request, handle_name(handle), context, known)


@guarded
def share_step(pulse: Pulse, handle: Any, owner: Request | None, took: float) -> None:
    """End a step in which an eager request began: the part from its entry on is its own."""
    entered, pulse.entered = pulse.entered, None
    assert entered is not None
    own = min(pulse.mark - entered.started, took)
    if owner is not None and pulse.aftermath.active:
        pulse.aftermath.note(owner, pulse.mark - took, handle)
    file_step(pulse, handle, entered, own)
    file_step(pulse, handle, owner, took - own)
    pulse.fall_behind(pulse.mark - pulse.tick)
    if took >= pulse.threshold:
        judge(pulse, handle, entered if own >= took / 2 else owner, took)


@guarded
def cut_step(pulse: Pulse, now: float) -> None:
    """End the step of an eager request, at `now`, because another one begins in it."""
    entered, pulse.entered = pulse.entered, None
    assert entered is not None
    began = max(pulse.mark, entered.started) if pulse.polling else pulse.mark
    took = now - began
    pulse.mark = now
    file_step(pulse, None, entered, took)
    pulse.fall_behind(took if pulse.polling else pulse.mark - pulse.tick)
    if took >= pulse.threshold:
        pulse.judge(now - took, took, entered)


def enter(pulse: Pulse, request: Request) -> None:
    """Note that a request begins in the running step."""
    if pulse.entered is not None:
        cut_step(pulse, request.started)
    pulse.entered = request
