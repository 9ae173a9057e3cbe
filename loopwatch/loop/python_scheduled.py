"""The Python version of `native/scheduled.c`: the steps of loops whose handles cannot be wrapped.

`call_soon` becomes a `partial` of itself, so that no Python code runs as a callback is scheduled:
the loop gets our `run`, and the callback as its first argument. A callback counts as scheduled when
the last hold before that ended; that is all that the search for victims asks. Ready callbacks are
not counted. Only timers get an object each, which knows when they are due.
"""

from __future__ import annotations

import sys
from asyncio import Task
from collections.abc import Callable
from contextvars import Context, copy_context
from functools import partial
from traceback import walk_tb
from types import BuiltinFunctionType
from typing import Any

from loopwatch.core.frames import variables
from loopwatch.core.gil_turns import TURNS
from loopwatch.core.request import REQUEST, Request
from loopwatch.loop.busy_ticks import OLD
from loopwatch.loop.loop_state import LONG, LoopState, clock
from loopwatch.loop.python_steps import end_short_other, end_step

owner = REQUEST.get

UNSET = {"_context": None, "_delay": None}


class Scheduled:
    """Replaces a timer's callback in the loop, and stands for any handle in our code."""

    __slots__ = ("_callback", "_context", "_delay", "_made", "_state")

    _callback: Any
    _context: Context  # set once its step was long
    _delay: Any  # of a timer, s; None for other callbacks
    _made: float  # when it was scheduled; clock, s
    _state: LoopState

    @property
    def _due(self) -> float:
        """When a timer is due (clock, s); 0.0 for other callbacks."""
        delay = self._delay
        return 0.0 if delay is None else self._made + max(0.0, float(delay))

    def __call__(self, *args: Any) -> Any:
        return run(self._state, self._made, self, self._callback, *args)

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
                return variables(frame, "callback")[0]
        return self.func

    def __getattr__(self, name: str) -> Any:
        return getattr(self._failed(), name)

    def __repr__(self) -> str:
        return repr(self._failed())


class Soons:
    """The `call_soon`s of one loop. A hold divides what was scheduled before it from what was
    scheduled after it."""

    def __init__(self, state: LoopState) -> None:
        self._state = state
        self._soons: list[Any] = []
        self._known = state.judged  # the end of the last hold that was noted here

    def make(self, original: Callable[..., Any]) -> Any:
        soon: Any = partial(original, *self._first())
        soon.forget = partial(self._forget, soon)
        self._soons.append(soon)
        return soon

    def _forget(self, soon: Any) -> None:
        """Have a `call_soon` only pass on, and keep nothing of the watch."""
        self._soons.remove(soon)
        soon.__setstate__((soon.func, (), {}, {"__wrapped__": soon.func}))

    def note_hold(self) -> None:
        """If there was a hold: whatever is scheduled from now on was scheduled after it."""
        if self._known == self._state.judged:
            return
        self._known = self._state.judged
        for soon in self._soons:
            soon.__setstate__((soon.func, self._first(), {}, vars(soon)))

    def _first(self) -> tuple[Any, ...]:
        return NAMED, self._state, self._known, None


def run(
    state: LoopState, made: float, handle: Scheduled | None, callback: Any, /, *args: Any
) -> Any:
    """Call a callback and time its step. `handle` is a timer's; others get one if their step was
    long."""
    if state.running is not None:  # a step within another
        return callback(*args)
    now = clock()
    if now >= state.ask:
        look(state, state.mark, now)
    else:
        state.mark = now
    state.running = callback if handle is None else handle
    try:
        return callback(*args)
    finally:
        state.running = None
        now = clock()
        began = state.mark
        took = now - began
        state.mark = now
        request = owner(None)
        recorder = state.recorder
        if recorder is not None and (state.entered is None or state.entered is request):
            recorder.step(state, callback, handle, request, began, now)
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


NAMED = Named(run)


def task_handle(callback: Any, made: float) -> Scheduled:
    handle = Scheduled()
    handle._callback, handle._made = callback, made
    return handle


def end_slowly(state: LoopState, handle: Scheduled, request: Request | None, took: float) -> None:
    if not state.closed:
        handle._context = copy_context()
        end_step(state, handle, request, took)
        state.soons.note_hold()


def look(state: LoopState, ended: float, now: float) -> None:
    """Check, as a step begins, whether its tick has ended, and whether another thread is to have a
    turn; in an old tick each step is noted."""
    if state.poll is not None:
        state.poll.catch_up(state, ended, now)
        state.soons.note_hold()
        now = clock()
    if now >= TURNS.due:
        now = TURNS.give(now, state.idle)
    state.mark = now
    if state.mark - state.tick >= OLD:
        state.limit = 0.0
    state.ask = state.tick + (OLD if state.poll is None else LONG)


def timed_soon(state: LoopState, original: Callable[..., Any], at: int) -> Any:
    """Return a loop's scheduling method with callbacks timed. `at` is the callback's position in
    the arguments, 0 or 1; -1 is for `time`, which needs nothing here. Told to `forget`, it only
    passes on, and keeps nothing of the watch."""
    if state.soons is None:
        state.soons = Soons(state)
    timed = (state.soons.make, partial(timed_later, state), untimed)[at](original)
    timed.__wrapped__ = original
    return timed


def timed_later(state: LoopState, original: Callable[..., Any]) -> Any:
    watched: LoopState | None = state

    def later(delay: Any, callback: Any, *args: Any, context: Context | None = None) -> Any:
        state = watched
        if state is None or state.closed:
            return original(delay, callback, *args, context=context)
        scheduled = Scheduled()
        scheduled._callback, scheduled._state = callback, state
        scheduled._made, scheduled._delay = clock(), delay
        if not args:
            return original(delay, scheduled, context=context)
        return original(delay, scheduled, *args, context=context)

    def forget() -> None:
        nonlocal watched
        watched = None

    later.forget = forget  # type: ignore[attr-defined]
    return later


def untimed(original: Callable[..., Any]) -> Any:
    def time() -> Any:
        return original()

    time.forget = lambda: None  # type: ignore[attr-defined]
    return time
