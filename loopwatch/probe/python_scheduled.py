"""What `native/scheduled.c` does, in Python: the steps of loops whose handles cannot be wrapped.

When a callback was scheduled is known to the step that did it, unless another thread did. How many are
ready is not counted.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context, copy_context
from typing import Any

from loopwatch.probe.crowd import OLD
from loopwatch.probe.pulse import LONG, Pulse, clock
from loopwatch.probe.python_steps import end_short_other, end_step
from loopwatch.request import REQUEST

owner = REQUEST.get

UNSET = {"_context": None, "_due": 0.0}


class Scheduled:
    """Stands for a callback towards the loop, and for the loop's handle towards us."""

    __slots__ = ("_callback", "_context", "_due", "_made", "_pulse")

    _callback: Any
    _pulse: Pulse
    _made: float  # when it was scheduled, clock, s
    _due: float  # of a timer
    _context: Context  # once a step was long

    def __call__(self, *args: Any) -> Any:
        """Call the callback, and time its step."""
        pulse = self._pulse
        if pulse.closed or pulse.running is not None:  # stopped, or one within another
            return self._callback(*args)
        ended, pulse.mark = pulse.mark, clock()
        if pulse.mark - pulse.tick >= LONG and pulse.poll is not None:
            pulse.poll.catch_up(pulse, ended, pulse.mark)
            pulse.mark = clock()
        pulse.running = self
        try:
            return self._callback(*args)
        finally:
            pulse.running = None
            now = clock()
            took = now - pulse.mark
            pulse.mark = now
            request = owner(None)
            if took >= pulse.limit or pulse.entered is not None or now - pulse.tick >= OLD:
                if not pulse.closed:
                    self._context = copy_context()
                    end_step(pulse, self, request, took)
            elif request is not None:
                request.steps += 1
                request.seconds += took
                request.stepped = now
            else:
                end_short_other(pulse, self, took)

    def __getattr__(self, name: str) -> Any:
        """Whatever else is asked of it is asked of the callback."""
        return UNSET[name] if name in UNSET else getattr(self._callback, name)

    def __repr__(self) -> str:
        return repr(self._callback)


def timed_soon(pulse: Pulse, original: Callable[..., Any], at: int) -> Callable[..., Any]:
    """Return a loop's scheduling method with each callback timed; that stands at `at`, 0 or 1. With
    -1 it is `time`, which needs nothing here."""

    def soon(callback: Any, *args: Any, context: Context | None = None) -> Any:
        if pulse.closed or type(callback) is Scheduled:
            return original(callback, *args, context=context)
        scheduled = Scheduled()
        scheduled._callback, scheduled._pulse = callback, pulse
        scheduled._made = clock() if pulse.running is None else pulse.mark
        if not args:
            return original(scheduled, context=context)
        if len(args) == 1:
            return original(scheduled, args[0], context=context)
        return original(scheduled, *args, context=context)

    def later(delay: Any, callback: Any, *args: Any, context: Context | None = None) -> Any:
        if pulse.closed or type(callback) is Scheduled or not isinstance(delay, (int, float)):
            return original(delay, callback, *args, context=context)
        scheduled = Scheduled()
        scheduled._callback, scheduled._pulse = callback, pulse
        scheduled._made = scheduled._due = made = clock()
        if delay > 0:
            scheduled._due = made + delay
        if not args:
            return original(delay, scheduled, context=context)
        return original(delay, scheduled, *args, context=context)

    def time() -> Any:
        return original()

    timed: Any = (soon, later, time)[at]
    timed.__wrapped__ = original
    return timed  # type: ignore[no-any-return]
