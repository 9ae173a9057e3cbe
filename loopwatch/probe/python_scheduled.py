"""What `native/scheduled.c` does, in Python: the steps of loops whose handles cannot be wrapped."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextvars import Context, copy_context
from typing import Any

from loopwatch.probe.crowd import OLD
from loopwatch.probe.pulse import CROWD, LONG, Pulse, clock
from loopwatch.probe.python_steps import end_step
from loopwatch.request import REQUEST, Request


class Scheduled:
    """Stands for a callback towards the loop, and for the loop's handle towards us."""

    __slots__ = ("__weakref__", "_callback", "_context", "_due", "_made", "_pulse", "_waits")

    def __init__(self, pulse: Pulse, callback: Any, delay: Any) -> None:
        self._pulse, self._callback = pulse, callback
        self._context: Context | None = None  # once a step was long
        self._made = clock()
        self._due = 0.0
        self._waits = delay is None
        if self._waits:
            pulse.ready += 1
        elif isinstance(delay, int | float):
            self._due = self._made + max(0.0, delay)

    def __call__(self, *args: Any) -> Any:
        pulse = self._pulse
        if self._waits:
            self._waits = False
            pulse.ready -= 1
        if pulse.closed or pulse.running is not None:  # stopped, or one within another
            return self._callback(*args)
        ended, pulse.mark = pulse.mark, clock()
        if (
            pulse.mark - ended >= LONG or pulse.mark - pulse.tick >= LONG or pulse.entered
        ) and pulse.poll is not None:
            pulse.poll.catch_up(pulse, ended, pulse.mark)
            pulse.mark = clock()
        if pulse.ready > CROWD:
            pulse.limit = 0.0
        pulse.running = self
        try:
            return self._callback(*args)
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
                self._end(pulse, request, took)
            else:
                request.steps += 1
                request.seconds += took
                request.stepped = now

    def _end(self, pulse: Pulse, request: Request | None, took: float) -> None:
        """End a step that is not simply a short one of a request."""
        if not pulse.closed:
            if took >= pulse.limit:
                self._context = copy_context()
            end_step(pulse, self, request, took)

    def __del__(self) -> None:
        if self._waits:
            self._pulse.ready -= 1

    def __getattr__(self, name: str) -> Any:
        return getattr(self._callback, name)

    def __repr__(self) -> str:
        return repr(self._callback)


def timed_soon(pulse: Pulse, original: Callable[..., Any], at: int) -> Callable[..., Any]:
    """Return a loop's scheduling method with each callback timed; that stands at `at`, 0 or 1. With
    -1 it is `time`, which sets libuv's."""

    def soon(callback: Any, *args: Any, **named: Any) -> Any:
        if pulse.closed or is_refused(callback):
            return original(callback, *args, **named)
        return original(Scheduled(pulse, callback, None), *args, **named)

    def later(delay: Any, callback: Any, *args: Any, **named: Any) -> Any:
        note_time(pulse)
        if pulse.closed or is_refused(callback):
            return original(delay, callback, *args, **named)
        return original(delay, Scheduled(pulse, callback, delay), *args, **named)

    def time() -> Any:
        note_time(pulse)
        return original()

    timed: Any = (soon, later, time)[at]
    timed.__wrapped__ = original
    return timed  # type: ignore[no-any-return]


def note_time(pulse: Pulse) -> None:
    """uvloop is about to set the loop's own time."""
    if pulse.poll is not None and pulse.polling:
        pulse.poll.note_time()


def is_refused(callback: Any) -> bool:
    """Return whether a loop should see a callback as it is: what it refuses, it refuses itself."""
    if inspect.isfunction(callback) or inspect.ismethod(callback):
        return inspect.iscoroutinefunction(callback)
    return not callable(callback) or type(callback) is Scheduled
