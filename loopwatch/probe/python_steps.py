"""Step timing in Python: for where its compiled twin, `_speedups.c`, was not built.

Rule: arithmetic on the pulse and the request; no strings, locks, metrics or allocation.
"""

from __future__ import annotations

import asyncio
import types
from collections.abc import Callable, Coroutine, Generator, Mapping, Sized
from types import BuiltinFunctionType, MethodType
from typing import Any

from loopwatch.probe.long_steps import (
    end_long_driven_step,
    end_long_step,
    end_other_step,
    share_step,
)
from loopwatch.probe.pulse import CROWD, Pulse, clock
from loopwatch.request import REQUEST, Request

Run = Callable[[Any], None]
Select = Callable[[Any], Any]


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
        if took >= pulse.limit:
            end_long_step(pulse, self, request, took)
        elif request is not None:
            request.steps += 1
            request.seconds += took
            request.stepped = now
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


def timed_select(pulse: Pulse, select: Select, ready: Sized | None) -> Select:
    """Return `select` with every tick, and the idle time between ticks, measured.

    A tick ends where its last step ended. A poll without waiting (timeout 0) has no idle time, so
    the next tick begins there too, and no clock is read. `ready` holds the loop's callbacks that
    are ready to run: among many even short steps add up, so each goes the slow way, until
    `long_tick` puts the limit back.
    """
    waiting = () if ready is None else ready

    def timed(timeout: float | None = None) -> Any:
        end = pulse.mark
        if end - pulse.tick >= pulse.limit:
            pulse.long_tick(end - pulse.tick)
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
            if took < pulse.limit:
                request.steps += 1
                request.seconds += took
                request.stepped = now
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
