"""The asyncio loop: its selector's `select` gives each tick, `Handle._run` each callback.

`select` is wrapped on the selector instance. `_run` is wrapped on the class, since handles have
slots, once for all watched loops; loops that are not watched pass through on the first line. Idle
time is what passes inside a `select` that may wait, and busy time is the rest, so the two add up
to wall time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from itertools import islice
from types import CodeType
from typing import Any

from loopwatch.core.frames import running_frame
from loopwatch.core.guard import say
from loopwatch.core.request import REQUEST, Request
from loopwatch.loop.busy_ticks import running_task
from loopwatch.loop.first_step import end_first_step
from loopwatch.loop.loop_state import LoopState
from loopwatch.loop.probe import LAYERS, Held, Probe
from loopwatch.loop.replaced import Replaced
from loopwatch.loop.step_timing import timed_run, timed_select

LINE = 2048  # handles looked at as a hold ends

_states: dict[Any, LoopState] = {}  # by loop; one entry per watched loop
_original: Any = None
_patched: Any = None
_eager = False  # at least one watched loop has a task factory


def _patch() -> None:
    """Install the wrapper for the loops watched now; without any, restore the original `_run`."""
    global _original, _patched, _eager
    if _patched is None and _states:
        _original = _patched = asyncio.Handle._run
    if asyncio.Handle._run is not _patched:
        _patched.forget()  # it would keep the loop that was the only one; the others it looks up
        if not _states:
            say(
                logging.WARNING,
                "asyncio.Handle._run was wrapped by somebody else after loopwatch, so loopwatch's "
                "own wrapper stays beneath it and only passes through",
            )
        return
    if _states:
        _patched = timed_run(_original, _states, _eager)
        asyncio.Handle._run = _patched  # type: ignore[method-assign]
    else:
        asyncio.Handle._run = _original  # type: ignore[method-assign]
        _original = _patched = None
        _eager = False


class AsyncioProbe(Probe):
    """Watches a loop of asyncio's own."""

    intrusion: tuple[float, float] | None = None  # code within a poll: first, last seen; clock, s
    intruding = False

    kind = "asyncio"
    layers = ("ticks", "callbacks", *LAYERS)

    def install(self, closed: Callable[[], None]) -> None:
        super().install(closed)
        self.selector = self.loop._selector
        self.parked = getattr(type(self.selector).select, "__code__", None)
        ready = getattr(self.loop, "_ready", None)
        self.state.victim_search.line = lambda: in_line(ready or ())
        end_first_step(self.loop, ready)  # before the recorder counts what is in line
        if self.state.recorder is not None:
            self.state.recorder.follow(ready)
        timed = timed_select(self.state, self.selector.select, ready)
        self._replaced.append(Replaced(self.selector, "select", timed))
        _states[self.loop] = self.state
        _patch()
        self.floor = frozenset(codes(_original, _patched, getattr(self.loop, "_run_once", None)))
        self.glance()

    def uninstall(self) -> None:
        super().uninstall()
        if _states.pop(self.loop, None) is not None:
            _patch()

    def expect_eager_tasks(self) -> None:
        global _eager
        _eager = self.state.eager = True
        _patch()

    def glance(self) -> None:
        super().glance()
        if self.intrusion is not None and not self.intruding:
            self._end_intrusion(*self.intrusion)

    def held(self, now: float) -> Held | None:
        state = self.state
        if not state.polling:
            self.intruding = False
            return Held(state.mark, state.mark)
        self.intruding = self._intruded()
        if not self.intruding:
            return None
        since = self.intrusion[0] if self.intrusion is not None else now
        self.intrusion = since, now
        return Held(-since, since)

    def _intruded(self) -> bool:
        """Return whether Python code runs within the poll, such as a signal handler."""
        frame = running_frame(self.state.thread_id)
        if frame is None or self.parked is None or frame.f_code is self.parked:
            return False
        while frame is not None and frame.f_code is not self.parked:
            frame = frame.f_back
        return frame is not None

    def _end_intrusion(self, since: float, seen: float) -> None:
        """Judge what ran within the poll; it ran a little longer than from first to last sight."""
        self.intrusion = None
        if seen - since >= self.state.threshold:
            self.state.judge(since, seen - since)


def codes(*functions: Any) -> Iterable[CodeType]:
    """Return the code objects of those functions that have one."""
    found = (getattr(function, "__code__", None) for function in functions)
    return (code for code in found if isinstance(code, CodeType))


def in_line(ready: Iterable[Any]) -> frozenset[Request]:
    """Return the requests whose tasks are among the first `LINE` ready handles of a loop."""
    found = set()
    for handle in islice(ready, LINE):
        if running_task(handle) is not None:
            request = handle._context.get(REQUEST)
            if request is not None:
                found.add(request)
    return frozenset(found)
