"""Garbage collector pauses of the whole process, by `gc.callbacks`, whichever thread collects.

Long pauses are remembered, to compare them with stalls. With two watches each pause is remembered
twice, but `collecting` counts overlapping time once.
"""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Callable
from typing import Any
from weakref import ref

from loopwatch.loop.loop_state import clock

LONG_PAUSE = 0.005  # s
PAUSES = 256  # long ones remembered
FULL = 2  # the generation of a collection of everything

_long: deque[tuple[float, float]] = deque(maxlen=PAUSES)  # began, ended; clock, s


def collecting(started: float, ended: float) -> float:
    """Return for how long (s) long collections ran between two moments, on any thread."""
    total, upto = 0.0, started
    for began, end in sorted(_long):
        total += max(0.0, min(end, ended) - max(began, upto))
        upto = max(upto, end)
    return total


def long_pauses() -> list[tuple[float, float]]:
    """Return the long collections remembered, on any thread: began and ended, clock, s."""
    return [*_long]


class GcPauses:
    """Calls `paused(generation, seconds)` after every collection, and `before()` each full one.

    Both run on whichever thread collects, in the middle of its code.
    """

    def __init__(
        self, paused: Callable[[int, float], None], before: Callable[[], None] = lambda: None
    ) -> None:
        self._paused, self._before = paused, before
        self._began = 0.0
        self._listener = Listener(self)

    def install(self) -> None:
        if self._listener not in gc.callbacks:
            gc.callbacks.append(self._listener)

    def uninstall(self) -> None:
        self._listener.leave()

    def __call__(self, phase: str, info: dict[str, Any]) -> None:
        if phase == "start":
            if info["generation"] == FULL:
                self._before()
            self._began = clock()
        elif self._began:
            now = clock()
            if now - self._began >= LONG_PAUSE:
                _long.append((self._began, now))
            self._paused(info["generation"], now - self._began)


class Listener:
    """What the collector calls. It does not keep what it tells, and goes with it: a watch may be
    dropped without being stopped."""

    def __init__(self, pauses: GcPauses) -> None:
        self._pauses = ref(pauses, self.leave)

    def leave(self, _: object = None) -> None:
        if self in gc.callbacks:
            gc.callbacks.remove(self)

    def __call__(self, phase: str, info: dict[str, Any]) -> None:
        pauses = self._pauses()
        if pauses is not None:
            pauses(phase, info)
