"""Step timing, in Python: the only code that runs at every step, and so counted in instructions.

Rule: arithmetic on the pulse and the request; no strings, locks, metrics or allocation.

`timed_run` wraps `asyncio.Handle._run`, the one place through which the asyncio loop runs every
callback. One clock read a step: a step starts where the one before it ended, and a tick's first
step where the poll returned. The owner is read from the handle's own context *after* the step,
which serves child tasks (they copy the context) and the very step that began the request.

An eager task (3.12+) begins a request inside somebody else's step, whose context knows nothing of
it. So the middleware leaves the request in `pulse.entered`; if the handle's context disagrees, the
step is shared between the two at the moment of entry.

`drive` runs the coroutine of one request step by step, for loops whose callbacks cannot be
wrapped (uvloop never calls `Handle._run`). It drives only what the middleware was handed; tasks'
own coroutines are left alone, since wrapping every coroutine breaks libraries.

Tried and dropped: driving on asyncio as well (+3 to 5 % instructions, where the context lookup is
under 1 %); reading the owner from `current_task` (wrong for plain callbacks, gone after the step).

A compiled twin of this file needs `timed_run` and `drive` and nothing else.
"""

from __future__ import annotations

import asyncio
import types
from collections.abc import Callable, Coroutine, Generator, Mapping
from types import BuiltinFunctionType, MethodType
from typing import Any

from loopwatch.guard import guarded, tell_once
from loopwatch.names import callable_name, coroutine_name
from loopwatch.probe.pulse import LONG, MANY, Pulse, clock
from loopwatch.request import REQUEST, Request

Run = Callable[[Any], None]


def timed_run(run: Run, pulses: Mapping[Any, Pulse], eager: bool) -> Run:
    """Return `run` (`asyncio.Handle._run`) with every step of the loops in `pulses` timed.

    Only where tasks may be `eager` must a step look for a request that entered it. To be made anew
    whenever `pulses` changes: one loop alone is found without a lookup.
    """
    find = pulses.get
    only, its_pulse = next(iter(pulses.items())) if len(pulses) == 1 else (None, None)

    def _run(self: Any) -> None:
        run(self)
        pulse = its_pulse if self._loop is only else find(self._loop)
        if pulse is None:
            return
        now = clock()
        took = now - pulse.mark
        pulse.mark = now
        request = self._context.get(REQUEST)
        if took >= LONG:
            end_long_step(pulse, self, request, took)
        elif request is not None:
            times = request.times
            times.append(took)
            if len(times) >= MANY:
                pulse.many_steps(request)
        else:
            callback = self._callback
            kind = type(callback)
            if kind is MethodType or (
                kind is BuiltinFunctionType and type(callback.__self__) is not asyncio.Task
            ):  # a transport's, most likely, or a set's `discard`
                pulse.other_steps += 1
                pulse.other_seconds += took
            else:
                end_other_step(pulse, self, took)

    def _run_eager(self: Any) -> None:
        run(self)
        pulse = find(self._loop)
        if pulse is None:
            return
        now = clock()
        took = now - pulse.mark
        pulse.mark = now
        request, entered = self._context.get(REQUEST), pulse.entered
        if entered is not None and entered is not request:
            share_step(pulse, self, request, took)
            return
        pulse.entered = None
        end_long_step(pulse, self, request, took)

    return _run_eager if eager else _run


def running_task(handle: Any) -> Any:
    """Return the task that a handle steps, None for a plain callback."""
    task = getattr(handle._callback, "__self__", None)
    return task if isinstance(task, asyncio.Task) else None


def end_other_step(pulse: Pulse, handle: Any, took: float) -> None:
    """Count a fast step that no request owns, by coroutine if it is a task's."""
    task = running_task(handle)
    if task is None:
        pulse.other_steps += 1
        pulse.other_seconds += took
        return
    try:
        row = pulse.task_row(task)
        row.steps += 1
        row.seconds += took
    except Exception:
        tell_once("loopwatch.probe.steps")


def end_long_step(pulse: Pulse, handle: Any, request: Request | None, took: float) -> None:
    """File a step of `LONG` or more, and put it up for explaining if it was slow."""
    try:
        file_step(pulse, handle, request, took)
        if took >= pulse.threshold:
            judge(pulse, handle, request, took)
    except Exception:
        tell_once("loopwatch.probe.steps")


def file_step(pulse: Pulse, handle: Any, request: Request | None, took: float) -> None:
    if request is None:
        pulse.long_step(running_task(handle), took)
    else:
        file_request_step(pulse, request, took)


def file_request_step(pulse: Pulse, request: Request, took: float) -> None:
    request.times.append(took)
    if len(request.times) >= MANY:
        pulse.many_steps(request)


def judge(pulse: Pulse, handle: Any, request: Request | None, took: float) -> None:
    started = pulse.mark - took
    pulse.judge(started, took, request, handle_coroutine(handle), handle._context)


def handle_coroutine(handle: Any) -> str | None:
    """Return the name of what a handle ran: a task's coroutine, or the callback itself."""
    task = running_task(handle)
    if task is not None:
        return coroutine_name(task.get_coro())
    callback = handle._callback
    return callable_name(callback) if callback is not None else None


@guarded
def share_step(pulse: Pulse, handle: Any, owner: Request | None, took: float) -> None:
    """End a step in which an eager request began: the part from its entry on is its own."""
    entered, pulse.entered = pulse.entered, None
    assert entered is not None
    own = min(pulse.mark - entered.started, took)
    file_step(pulse, handle, entered, own)
    file_step(pulse, handle, owner, took - own)
    if took >= pulse.threshold:
        judge(pulse, handle, entered if own >= took / 2 else owner, took)


@guarded
def cut_step(pulse: Pulse, now: float) -> None:
    """End the step of an eager request, at `now`, because another one begins in it."""
    entered, pulse.entered = pulse.entered, None
    assert entered is not None
    took = now - pulse.mark
    pulse.mark = now
    file_step(pulse, None, entered, took)
    if took >= pulse.threshold:
        pulse.judge(now - took, took, entered)


def enter(pulse: Pulse, request: Request) -> None:
    """Note that a request begins in the running step."""
    if pulse.entered is not None:
        cut_step(pulse, request.started)
    pulse.entered = request


@types.coroutine
def drive(
    pulse: Pulse, request: Request, coroutine: Coroutine[Any, Any, None]
) -> Generator[Any, Any, None]:
    """Run a request's coroutine to its end, timing each step; it sees no difference.

    Nothing is resumed inside an `except` block: the app would find our exception as the context
    of its own. What is thrown in reaches the app as it came.
    """
    resume: Callable[[Any], Any] = coroutine.send
    argument: Any = None
    started = request.started
    while True:
        pulse.turn = request
        pulse.mark = started
        try:
            waiter = resume(argument)
        except StopIteration:
            return
        finally:
            argument = None
            pulse.mark = now = clock()
            pulse.turn = None
            took = now - started
            if took < LONG:
                times = request.times
                times.append(took)
                if len(times) >= MANY:
                    pulse.many_steps(request)
            else:
                end_long_driven_step(pulse, request, took)
        try:
            argument = yield waiter
            resume = coroutine.send
        except GeneratorExit:
            coroutine.close()
            raise
        except BaseException as thrown:
            resume, argument = coroutine.throw, thrown
        started = clock()


def end_long_driven_step(pulse: Pulse, request: Request, took: float) -> None:
    try:
        file_request_step(pulse, request, took)
        pulse.filed += took
        pulse.long_tick(took)
        if took >= pulse.threshold:
            pulse.judge(pulse.mark - took, took, request)
    except Exception:
        tell_once("loopwatch.probe.steps")
