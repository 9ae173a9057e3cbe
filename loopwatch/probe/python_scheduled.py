"""What `native/scheduled.c` does, in Python: the steps of loops whose handles cannot be wrapped.

When a callback was scheduled is known to the step that did it, unless another thread did. How many
are ready is not counted.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context, copy_context
from functools import partial
from typing import Any

from loopwatch.probe.crowd import OLD
from loopwatch.probe.pulse import LONG, Pulse, clock
from loopwatch.probe.python_steps import end_step
from loopwatch.request import REQUEST


class Scheduled(partial[Any]):
    """Stands for a callback towards the loop: `run` with that callback."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.args[1], name)

    def __repr__(self) -> str:
        return repr(self.args[1])


class Ran:
    """Stands for a handle towards us, where a step is not simply a short one."""

    __slots__ = ("_callback", "_context", "_due", "_made")

    def __init__(self, callback: Any, context: Context, made: float, due: float) -> None:
        self._callback, self._context = callback, context
        self._made = made  # when it was scheduled, clock, s
        self._due = due  # of a timer; else 0.0


def run(pulse: Pulse, callback: Any, made: float, due: float, *args: Any) -> Any:
    """Call a callback, and time its step."""
    if pulse.closed or pulse.running is not None:  # stopped, or one within another
        return callback(*args)
    ended, now = pulse.mark, clock()
    pulse.mark = now
    if now - pulse.tick >= LONG and pulse.poll is not None:
        pulse.poll.catch_up(pulse, ended, now)
        pulse.mark = clock()
    pulse.running = callback
    try:
        return callback(*args)
    finally:
        pulse.running = None
        now = clock()
        took = now - pulse.mark
        pulse.mark = now
        request = REQUEST.get(None)
        if (
            request is None
            or took >= pulse.limit
            or pulse.entered is not None
            or now - pulse.tick >= OLD
        ):
            if not pulse.closed:
                end_step(pulse, Ran(callback, copy_context(), made, due), request, took)
        else:
            request.steps += 1
            request.seconds += took
            request.stepped = now


def timed_soon(pulse: Pulse, original: Callable[..., Any], at: int) -> Callable[..., Any]:
    """Return a loop's scheduling method with each callback timed; that stands at `at`, 0 or 1. With
    -1 it is `time`, which needs nothing here."""

    def soon(callback: Any, *args: Any, context: Context | None = None) -> Any:
        if pulse.closed or type(callback) is Scheduled:
            return original(callback, *args, context=context)
        made = clock() if pulse.running is None else pulse.mark
        return original(Scheduled(run, pulse, callback, made, 0.0), *args, context=context)

    def later(delay: Any, callback: Any, *args: Any, context: Context | None = None) -> Any:
        if pulse.closed or type(callback) is Scheduled or not isinstance(delay, int | float):
            return original(delay, callback, *args, context=context)
        made = clock()
        due = made + delay if delay > 0 else made
        return original(delay, Scheduled(run, pulse, callback, made, due), *args, context=context)

    def time() -> Any:
        return original()

    timed: Any = (soon, later, time)[at]
    timed.__wrapped__ = original
    return timed  # type: ignore[no-any-return]
