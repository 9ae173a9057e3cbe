"""Garbage collector pauses of the whole process, by `gc.callbacks`, whichever thread collects.

Long pauses are remembered, to compare them with stalls. With two watches each pause is remembered
twice, but `collecting` counts overlapping time once.
"""

from __future__ import annotations

import gc
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any
from weakref import ref

from loopwatch.core.own_thread import running
from loopwatch.loop.loop_state import clock

LONG_PAUSE = 0.005  # s
PAUSES = 256  # long ones remembered
FULL = 2  # the generation of a collection of everything
LONG_YOUNG = 0.001  # CPU s of a collection of new objects; ours are some hundred, and take less

_long: deque[tuple[float, float]] = deque(maxlen=PAUSES)  # began, ended; clock, s
_open: list[tuple[float, int]] = []  # when the one in progress began, clock, s, and on which
# thread, as each watch has noted it


def collecting(started: float, ended: float, waiting: bool = False) -> float:
    """Return for how long (s) long collections ran between two moments, on any thread.

    As a collection ends, its thread lets the GIL go on the way into our callback, so a loop that
    waited for it goes on before the end is noted. If the loop was `waiting` all along, and not
    busy itself, a collection without an end lasted until then.
    """
    pauses = sorted(_long)
    if waiting:
        pauses += [(began, ended) for began, _ in _open[:1]]
    total, upto = 0.0, started
    for began, end in pauses:
        total += max(0.0, min(end, ended) - max(began, upto))
        upto = max(upto, end)
    return total


def open_pause() -> tuple[float, int]:
    """Return when the collection in progress began (clock, s), and the identifier of its thread;
    zeros if there is none."""
    return next(iter(_open), (0.0, 0))


def long_pauses() -> list[tuple[float, float]]:
    """Return the long collections remembered, on any thread: began and ended, clock, s."""
    return [*_long]


class OwnCollections:
    """CPU time of collections on threads of ours that go over the app's objects: full ones, and
    young ones that take long, as one new list of a million numbers makes them. They would be
    another thread's if not ours: a large heap must not use up the budget of a watch."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._began: float | None = None

    def begin(self) -> None:
        self._began = time.thread_time() if threading.get_ident() in running else None

    def end(self, generation: int) -> None:
        """Count it once, however many watches tell of it."""
        began, self._began = self._began, None
        took = time.thread_time() - began if began is not None else 0.0
        if generation == FULL or took >= LONG_YOUNG:
            self.seconds += took


OWN_COLLECTIONS = OwnCollections()


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
            OWN_COLLECTIONS.begin()
            self._began = clock()
            _open.append((self._began, threading.get_ident()))
        elif self._began:
            now = clock()
            if now - self._began >= LONG_PAUSE:
                _long.append((self._began, now))
            _open.clear()
            OWN_COLLECTIONS.end(info["generation"])
            self._paused(info["generation"], now - self._began)


class Listener:
    """What the collector calls. It does not keep what it tells, and goes with it: a watch may be
    dropped without being stopped."""

    def __init__(self, pauses: GcPauses) -> None:
        self._pauses = ref(pauses, self.leave)

    def leave(self, _: object = None) -> None:
        if self in gc.callbacks:
            gc.callbacks.remove(self)
        _open.clear()

    def __call__(self, phase: str, info: dict[str, Any]) -> None:
        pauses = self._pauses()
        if pauses is not None:
            pauses(phase, info)
