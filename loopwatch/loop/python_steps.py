"""Step timing in Python: for where its compiled twin, in `native/`, was not built.

Rule: arithmetic on the pulse and the request; no strings, locks, metrics or allocation.
"""

from __future__ import annotations

import asyncio
from asyncio import Task, format_helpers
from collections.abc import Callable, Mapping, Sized
from contextvars import Context
from types import BuiltinFunctionType, MethodType
from typing import Any

from loopwatch.core.request import REQUEST, Request
from loopwatch.loop.busy_ticks import OLD
from loopwatch.loop.loop_state import CROWD, LONG, Pulse, clock
from loopwatch.loop.slow_steps import end_gap, end_long_step, end_other_call, share_step

Run = Callable[[Any], None]
Select = Callable[[Any], Any]

PLAIN_RUN: Run = asyncio.Handle._run


def report(handle: Any, error: BaseException) -> None:
    """Report what a callback has raised, as `asyncio.Handle._run` does."""
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
    """Report it without our own frame, which would keep the handle."""
    trace = error.__traceback__
    report(handle, error.with_traceback(trace and trace.tb_next))


def end_step(pulse: Pulse, handle: Any, request: Request | None, took: float) -> None:
    """End a step, at `pulse.mark`, that is not simply a short one of a request."""
    entered = pulse.entered
    if entered is not None:
        if entered is not request:
            share_step(pulse, handle, request, took)
            return
        pulse.entered = None
    if took >= pulse.limit:
        end_long_step(pulse, handle, request, took)
        return
    if pulse.mark - pulse.tick >= OLD:
        pulse.limit = 0.0  # what follows is noted
    if request is not None:
        request.steps += 1
        request.seconds += took
        request.stepped = pulse.mark
    else:
        end_short_other(pulse, handle._callback, took)


def end_short_other(pulse: Pulse, callback: Any, took: float) -> None:
    """Count a short step that no request owns."""
    kind = type(callback)
    if kind is MethodType or (
        kind is BuiltinFunctionType and type(callback.__self__) is not Task
    ):  # a transport's, most likely, or a set's `discard`
        pulse.other_steps += 1
        pulse.other_seconds += took
    else:
        end_other_call(pulse, callback, took)


def timed_run(run: Run, pulses: Mapping[Any, Pulse], eager: bool) -> Run:
    """Return `run` (`asyncio.Handle._run`) with every step of the loops in `pulses` timed.

    Only where tasks may be `eager` must a step look for a request that entered it. To be made anew
    whenever `pulses` changes: one loop alone is found without a lookup.
    """
    find = pulses.get
    only, its_pulse = next(iter(pulses.items())) if len(pulses) == 1 else (None, None)
    plain = run is PLAIN_RUN

    def _run(self: Any) -> None:
        pulse = its_pulse if self._loop is only else find(self._loop)
        if pulse is None:
            run(self)
            return
        pulse.running = self
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
        pulse.running = None
        now = clock()
        took = now - pulse.mark
        pulse.mark = now
        context = self._context
        request = context.get(REQUEST) if type(context) is Context else None
        if eager or took >= pulse.limit or now - pulse.tick >= OLD:
            end_step(pulse, self, request, took)
        elif request is not None:
            request.steps += 1
            request.seconds += took
            request.stepped = now
        else:
            end_short_other(pulse, self._callback, took)

    def forget() -> None:
        nonlocal only, its_pulse
        only = its_pulse = None

    _run.forget = forget  # type: ignore[attr-defined]
    return _run


def timed_select(pulse: Pulse, select: Select, ready: Sized | None) -> Select:
    """Return `select` with every tick, and the idle time between ticks, measured.

    A tick ends where its last step ended. A poll without waiting (timeout 0) has no idle time, so
    the next tick begins there too, and no clock is read. `ready` holds the loop's callbacks that
    are ready to run: among many even short steps add up, so each goes the slow way, until
    `long_tick` puts the limit back.
    """
    waiting = () if ready is None else ready

    def timed(timeout: float | None = None) -> Any:
        if not pulse.turns:
            end_first_step(pulse)
        end = pulse.mark
        took = end - pulse.tick
        pulse.turns += 1
        if took >= pulse.limit:
            end_long_tick(pulse, took)
        pulse.tick = end
        if timeout == 0:
            events = select(timeout)
        else:
            pulse.polling = True
            try:
                events = select(timeout)
            finally:
                pulse.mark = pulse.tick = back = clock()
                pulse.idle += back - end
                pulse.polling = False
        if len(waiting) > CROWD:
            pulse.limit = 0.0
        return events

    return timed


def end_first_step(pulse: Pulse) -> None:
    """The step in which the watch began is nobody's, for it began before; as long as it lasts
    since."""
    now = clock()
    took, pulse.mark = now - pulse.mark, now
    if took >= LONG:
        end_gap(pulse, took)


def end_tick(pulse: Pulse, ended: float) -> None:
    took = ended - pulse.tick
    pulse.turns += 1
    if took >= pulse.limit:
        end_long_tick(pulse, took)
    pulse.tick = ended


def end_long_tick(pulse: Pulse, took: float) -> None:
    pulse.count_tick(took)
    pulse.fall_behind(took)
    pulse.long_tick(took)
