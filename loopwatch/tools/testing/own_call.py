"""The part of a loop's run that is a test's own call: from its first line to its last.

A runner plugin runs fixtures, the test and its own tasks on one loop. So the test's function is
wrapped while it is called, and notes when. With Hypothesis there are many calls, of the function
within.
"""

from __future__ import annotations

import functools
import inspect
import sys
import threading
import time
import unittest
from collections.abc import Callable
from typing import Any

from loopwatch.core.names import attribute

POOLS = ("concurrent.futures.thread", "anyio._backends._asyncio")  # whose threads wait for work
WAITING = ("_worker", "run")


class OwnCall:
    """When a test's own function ran. All times are Unix times, s."""

    def __init__(self) -> None:
        self.spans: list[tuple[float, float]] = []
        self.threads: frozenset[str] = frozenset()  # those that were busy before it began
        self._began: float | None = None

    def __enter__(self) -> None:
        if not self.spans:
            self.threads = busy_threads()
        self._began = time.time()

    def __exit__(self, *error: object) -> None:
        self.end()

    def end(self) -> None:
        """Note the end; also of a call that never came back."""
        if self._began is not None:
            self.spans.append((self._began, time.time()))
            self._began = None

    def overlap(self, start: float, end: float) -> float:
        """Return the seconds from `start` to `end` that were within a call."""
        now = time.time()
        spans = [*self.spans, *([(self._began, now)] if self._began is not None else [])]
        return sum(max(0.0, min(end, last) - max(start, first)) for first, last in spans)


def busy_threads() -> frozenset[str]:
    """Return the names of all threads but those of pools that have nothing to do."""
    frames = sys._current_frames()
    return frozenset(
        thread.name
        for thread in threading.enumerate()
        if thread.ident not in frames or not waits_for_work(frames[thread.ident])
    )


def waits_for_work(frame: Any) -> bool:
    while frame is not None and frame.f_globals.get("__name__") in ("queue", "threading"):
        frame = frame.f_back
    return (
        frame is not None
        and frame.f_globals.get("__name__") in POOLS
        and frame.f_code.co_name in WAITING
    )


def around(function: Callable[..., Any], call: OwnCall) -> Callable[..., Any]:
    """Return a function that does the same, and notes when."""
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def noted(*args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            with call:
                return await function(*args, **kwargs)

    else:

        @functools.wraps(function)
        def noted(*args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            with call:
                return function(*args, **kwargs)

    return noted


def holders(item: Any) -> list[tuple[Any, str]]:
    """Return the objects and attributes that hold the function which is called for a test.

    Of a case of unittest these are two: unittest looks its coroutine functions up itself, a plugin
    that runs them calls what the item has.
    """
    inner = getattr(getattr(item, "obj", None), "hypothesis", None)
    if hasattr(inner, "inner_test"):
        return [(inner, "inner_test")]
    case = getattr(item, "instance", None)
    if isinstance(case, unittest.TestCase) and inspect.iscoroutinefunction(item.obj):
        return [(item, "obj"), (case, str(attribute(case, "_testMethodName", item.name)))]
    return [(item, "obj")]


def is_async(item: Any) -> bool:
    """Return whether a test is a coroutine function."""
    function = getattr(item, "obj", None)
    inner = getattr(getattr(function, "hypothesis", None), "inner_test", None)
    return inspect.iscoroutinefunction(inner or function)
