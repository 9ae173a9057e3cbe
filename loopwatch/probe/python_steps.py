"""Step timing in Python: for where its compiled twin, in `native/`, was not built.

Rule: arithmetic on the pulse and the request; no strings, locks, metrics or allocation.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sized
from types import BuiltinFunctionType, MethodType
from typing import Any

from loopwatch.probe.crowd import OLD
from loopwatch.probe.long_steps import end_gap, end_long_step, end_other_step, share_step
from loopwatch.probe.pulse import CROWD, LONG, Pulse, clock
from loopwatch.request import REQUEST, Request

Run = Callable[[Any], None]
Select = Callable[[Any], Any]


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
        return
    callback = handle._callback
    kind = type(callback)
    if kind is MethodType or (
        kind is BuiltinFunctionType and type(callback.__self__) is not asyncio.Task
    ):  # a transport's, most likely, or a set's `discard`
        pulse.other_steps += 1
        pulse.other_seconds += took
    else:
        end_other_step(pulse, handle, took)


def timed_run(run: Run, pulses: Mapping[Any, Pulse], eager: bool) -> Run:
    """Return `run` (`asyncio.Handle._run`) with every step of the loops in `pulses` timed.

    Only where tasks may be `eager` must a step look for a request that entered it. To be made anew
    whenever `pulses` changes: one loop alone is found without a lookup.
    """
    find = pulses.get
    only, its_pulse = next(iter(pulses.items())) if len(pulses) == 1 else (None, None)

    def _run(self: Any) -> None:
        pulse = its_pulse if self._loop is only else find(self._loop)
        if pulse is None:
            run(self)
            return
        pulse.running = self
        run(self)
        pulse.running = None
        now = clock()
        took = now - pulse.mark
        pulse.mark = now
        try:
            request = self._context.get(REQUEST)
        except AttributeError:  # it is no context, and the step was none
            request = None
        if request is None or eager or took >= pulse.limit or now - pulse.tick >= OLD:
            end_step(pulse, self, request, took)
        else:
            request.steps += 1
            request.seconds += took
            request.stepped = now

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
        end_tick(pulse, end)
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
        pulse.count_tick(took)
        pulse.fall_behind(took)
        pulse.long_tick(took)
    pulse.tick = ended
