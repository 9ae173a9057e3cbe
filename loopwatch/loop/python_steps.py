"""Step timing in Python, used where the compiled part in `native/` was not built.

Rule: arithmetic on the loop state and the request; no strings, locks, metrics or allocation.
"""

from __future__ import annotations

import asyncio
from asyncio import Task, format_helpers
from collections.abc import Callable, Mapping, Sized
from contextvars import Context
from types import BuiltinFunctionType, MethodType
from typing import Any

from loopwatch.core.gil_turns import TURNS
from loopwatch.core.request import REQUEST, Request
from loopwatch.loop.busy_ticks import OLD
from loopwatch.loop.loop_state import BUSY_TICK, LONG, LoopState, clock
from loopwatch.loop.slow_steps import end_gap, end_long_step, end_other_call, share_step

Run = Callable[[Any], None]
Select = Callable[[Any], Any]

PLAIN_RUN: Run = asyncio.Handle._run


def report(handle: Any, error: BaseException) -> None:
    """Report the exception of a callback, as `asyncio.Handle._run` does."""
    source: Any = format_helpers._format_callback_source
    try:
        text = source(handle._callback, handle._args, debug=handle._loop.get_debug())
    except TypeError:  # before 3.14 it takes no `debug`
        text = source(handle._callback, handle._args)
    context = {"message": f"Exception in callback {text}", "exception": error, "handle": handle}
    if handle._source_traceback:
        context["source_traceback"] = handle._source_traceback
    handle._loop.call_exception_handler(context)


def report_beyond(handle: Any, error: BaseException) -> None:
    """Report it without our own frame, which would keep the handle alive."""
    trace = error.__traceback__
    report(handle, error.with_traceback(trace and trace.tb_next))


def end_step(state: LoopState, handle: Any, request: Request | None, took: float) -> None:
    """End a step of `took` seconds, at `state.mark`, that may not be a short one of a request."""
    entered = state.entered
    if entered is not None:
        if entered is not request:
            share_step(state, handle, request, took)
            return
        state.entered = None
    if took >= state.limit:
        end_long_step(state, handle, request, took)
        return
    if state.mark - state.tick >= OLD:
        state.limit = 0.0  # the tick's further steps are noted
    if request is not None:
        request.steps += 1
        request.seconds += took
        request.stepped = state.mark
    else:
        end_short_other(state, handle._callback, took)


def end_short_other(state: LoopState, callback: Any, took: float) -> None:
    """Count a short step, of `took` seconds, that no request owns."""
    kind = type(callback)
    if kind is MethodType or (
        kind is BuiltinFunctionType and type(callback.__self__) is not Task
    ):  # a transport's, most likely, or a set's `discard`
        state.other_steps += 1
        state.other_seconds += took
    else:
        end_other_call(state, callback, took)


def timed_run(run: Run, states: Mapping[Any, LoopState], eager: bool) -> Run:
    """Return `run` (`asyncio.Handle._run`) with every step of the loops in `states` timed.

    A step looks for a request that entered it only if tasks may be `eager`. Make a new wrapper
    whenever `states` changes: a single loop is found without a lookup.
    """
    find = states.get
    only, its_state = next(iter(states.items())) if len(states) == 1 else (None, None)
    plain = run is PLAIN_RUN

    def _run(self: Any) -> None:
        state = its_state if self._loop is only else find(self._loop)
        if state is None:
            run(self)
            return
        state.running = self
        recorder = state.recorder
        if recorder is not None:
            recorder.place()
        if not plain:
            run(self)
        else:
            try:
                args = self._args
                if not args:
                    self._context.run(self._callback)
                elif len(args) == 1:
                    self._context.run(self._callback, args[0])
                else:
                    self._context.run(self._callback, *args)
            except (SystemExit, KeyboardInterrupt):
                raise
            except BaseException as error:
                report_beyond(self, error)
        state.running = None
        now = clock()
        began = state.mark
        took = now - began
        state.mark = now
        context = self._context
        request = context.get(REQUEST) if type(context) is Context else None
        if recorder is not None and (state.entered is None or state.entered is request):
            recorder.step(state, self._callback, self, request, began, now)
        if eager or took >= state.limit or now - state.tick >= OLD:
            end_step(state, self, request, took)
        elif request is not None:
            request.steps += 1
            request.seconds += took
            request.stepped = now
        else:
            end_short_other(state, self._callback, took)

    def forget() -> None:
        nonlocal only, its_state
        only = its_state = None

    _run.forget = forget  # type: ignore[attr-defined]
    return _run


def timed_select(state: LoopState, select: Select, ready: Sized | None) -> Select:
    """Return `select` with every tick, and the idle time between ticks, measured.

    A tick ends where its last step ended. A poll without waiting (timeout 0) has no idle time, so
    the next tick begins there too, and no clock is read. `ready` holds the loop's ready callbacks.
    If they are many, even short steps add up, so each goes the slow way until `long_tick` restores
    the limit.
    """
    waiting = () if ready is None else ready

    watched: LoopState | None = state
    del state

    def timed(timeout: float | None = None) -> Any:
        state = watched
        if state is None:
            return select(timeout)
        if not state.turns:
            end_first_step(state)
        end = state.mark
        took = end - state.tick
        state.turns += 1
        if took >= state.limit:
            end_long_tick(state, took)
        state.tick = end
        if timeout == 0:
            if end >= TURNS.due:
                state.mark = TURNS.give(end, state.idle)
            events = select(timeout)
        else:
            state.polling = True
            try:
                events = select(timeout)
            finally:
                state.mark = state.tick = back = clock()
                state.idle += back - end
                state.polling = False
                if state.recorder is not None:
                    state.recorder.poll(state, end, back)
        if len(waiting) > BUSY_TICK:
            state.limit = 0.0
        return events

    def forget() -> None:
        nonlocal watched
        watched = None

    timed.forget = forget  # type: ignore[attr-defined]
    return timed


def end_first_step(state: LoopState) -> None:
    """End the step in which the watch began. It began before, so it has no owner; only its time
    since the watch began counts."""
    now = clock()
    took, state.mark = now - state.mark, now
    if took >= LONG:
        end_gap(state, took)


def end_tick(state: LoopState, ended: float) -> None:
    took = ended - state.tick
    state.turns += 1
    if took >= state.limit:
        end_long_tick(state, took)
    state.tick = ended


def end_long_tick(state: LoopState, took: float) -> None:
    state.count_tick(took)
    state.fall_behind(took)
    state.long_tick(took)
