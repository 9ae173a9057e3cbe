"""The Python version of `native/scheduled.c`: the steps of loops whose handles cannot be wrapped.

A callback counts as scheduled when the step that scheduled it began, unless another thread did it.
Ready callbacks are not counted. What asyncio itself schedules (task steps and futures' callbacks)
is passed to the loop as an argument of `run`. That costs less than an object for each, and no other
code has the handle.
"""

from __future__ import annotations

import sys
from asyncio import Task
from collections.abc import Callable
from contextvars import Context, copy_context
from functools import partial
from traceback import walk_tb
from types import BuiltinFunctionType, MethodType
from typing import Any

from loopwatch.core.request import REQUEST, Request
from loopwatch.loop.busy_ticks import OLD
from loopwatch.loop.loop_state import LONG, LoopState, clock
from loopwatch.loop.python_steps import end_short_other, end_step

owner = REQUEST.get

UNSET = {"_context": None, "_due": 0.0}


class Scheduled:
    """Replaces a callback in the loop, and stands for the loop's handle in our code."""

    __slots__ = ("_callback", "_context", "_due", "_made", "_run")

    _callback: Any
    _context: Context  # set once its step was long
    _due: float  # of a timer; clock, s
    _made: float  # when it was scheduled; clock, s
    _run: Callable[..., Any]

    def __call__(self, *args: Any) -> Any:
        return self._run(self._callback, self._made, args, self)

    def __getattr__(self, name: str) -> Any:
        """Return any other attribute from the callback."""
        return UNSET[name] if name in UNSET else getattr(self._callback, name)

    def __repr__(self) -> str:
        return repr(self._callback)


class Named(partial[Any]):
    """`run`; its attributes and repr are those of the callback that has just raised in it."""

    __slots__ = ()

    def _failed(self) -> Any:
        code = self.func.__code__
        for frame, _ in walk_tb(sys.exc_info()[2]):
            if frame.f_code is code:
                return frame.f_locals["callback"]
        return self.func

    def __getattr__(self, name: str) -> Any:
        return getattr(self._failed(), name)

    def __repr__(self) -> str:
        return repr(self._failed())


class NoLoop:
    """A loop that only keeps the first step of a task."""

    step: Any

    def call_soon(self, step: Any, *, context: Any = None) -> None:
        self.step = step

    def get_debug(self) -> bool:
        return False


async def nothing() -> None: ...


def step_kind() -> type | None:
    """Return the type of the callback for a task's first step, and for each step after a plain
    yield; None where it is an ordinary method."""
    loop, coroutine = NoLoop(), nothing()
    task: Any = Task(coroutine, loop=loop)  # type: ignore[arg-type]
    task._log_destroy_pending = False
    coroutine.close()
    kind = type(loop.step)
    return None if kind is MethodType else kind


STEP = step_kind()


def timed_step(state: LoopState) -> Callable[..., Any]:
    """Return a function that calls a callback and times its step; it gets no `handle` for what
    asyncio itself schedules."""

    def run(callback: Any, made: float, args: Any, handle: Scheduled | None = None) -> Any:
        if state.running is not None:  # a step within another
            return callback(*args)
        ended = state.mark
        state.mark = now = clock()
        if now >= state.ask:
            look(state, ended, now)
        state.running = callback if handle is None else handle
        try:
            return callback(*args)
        finally:
            state.running = None
            now = clock()
            took = now - state.mark
            state.mark = now
            request = owner(None)
            if took >= state.limit or state.entered is not None:
                end_slowly(state, handle or task_handle(callback, made), request, took)
            elif request is not None:
                request.steps += 1
                request.seconds += took
                request.stepped = now
            elif type(callback) is BuiltinFunctionType and type(callback.__self__) is not Task:
                state.other_steps += 1
                state.other_seconds += took
            elif not state.closed:
                end_short_other(state, callback, took)

    return run


def task_handle(callback: Any, made: float) -> Scheduled:
    handle = Scheduled()
    handle._callback, handle._made = callback, made
    return handle


def end_slowly(state: LoopState, handle: Scheduled, request: Request | None, took: float) -> None:
    if not state.closed:
        handle._context = copy_context()
        end_step(state, handle, request, took)


def look(state: LoopState, ended: float, now: float) -> None:
    """Check, as a step begins, whether its tick has ended; in an old tick each step is noted."""
    if state.poll is not None:
        state.poll.catch_up(state, ended, now)
        state.mark = clock()
    if state.mark - state.tick >= OLD:
        state.limit = 0.0
    state.ask = state.tick + (OLD if state.poll is None else LONG)


def timed_soon(state: LoopState, original: Callable[..., Any], at: int) -> Callable[..., Any]:
    """Return a loop's scheduling method with callbacks timed. `at` is the callback's position in
    the arguments, 0 or 1; -1 is for `time`, which needs nothing here."""
    run = timed_step(state)
    named = Named(run)
    watched: LoopState | None = state
    del state

    def soon(callback: Any, *args: Any, context: Context | None = None) -> Any:
        state = watched
        if state is None or state.closed:
            return original(callback, *args, context=context)
        made = clock() if state.running is None else state.mark
        kind = type(callback)
        if kind is STEP:
            return original(run, callback, made, args, context=context)
        if kind is BuiltinFunctionType and context is not None:
            return original(named, callback, made, args, context=context)
        scheduled = Scheduled()
        scheduled._callback, scheduled._made, scheduled._run = callback, made, run
        if not args:
            return original(scheduled, context=context)
        if len(args) == 1:
            return original(scheduled, args[0], context=context)
        return original(scheduled, *args, context=context)

    def later(delay: Any, callback: Any, *args: Any, context: Context | None = None) -> Any:
        made = clock()
        try:
            due = made + delay if delay > 0 else made
        except TypeError:  # no number: the loop raises for it
            return original(delay, callback, *args, context=context)
        if watched is None or watched.closed:
            return original(delay, callback, *args, context=context)
        scheduled = Scheduled()
        scheduled._callback, scheduled._run = callback, run
        scheduled._made, scheduled._due = made, due
        if not args:
            return original(delay, scheduled, context=context)
        return original(delay, scheduled, *args, context=context)

    def time() -> Any:
        return original()

    def forget() -> None:
        nonlocal watched, run, named
        watched = run = named = None  # type: ignore[assignment]

    timed: Any = (soon, later, time)[at]
    timed.forget = forget
    timed.__wrapped__ = original
    return timed  # type: ignore[no-any-return]
