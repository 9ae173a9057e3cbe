"""Pauses in work that takes long, on a thread beside the loop.

A thread that wants the interpreter's lock gets it after 5 ms if another one keeps it, and the loop
wants it several times a request. So our own long work pauses more often than that, by itself.
"""

from __future__ import annotations

import threading
import time

STRETCH = 0.001  # s of work between two pauses
PAUSE = 0.001  # s

clock = time.perf_counter


class Breath(threading.local):
    """When a thread is to pause next; never, unless it has begun to."""

    due: float | None = None


_mine = Breath()


def begin_to_pause() -> None:
    """Have the calling thread pause at each `breathe` that is due, from now on."""
    _mine.due = clock() + STRETCH


def breathe() -> None:
    """Pause, on a thread that does so, if it is time."""
    if _mine.due is not None and clock() >= _mine.due:
        time.sleep(PAUSE)
        _mine.due = clock() + STRETCH
