"""Walking another thread's frames while that thread does not move.

Rule: on Python 3.11, read `sys._current_frames()` and `f_back` of another thread's frame only
within `STILL`. There an allocation may start the garbage collector in the middle of `f_back`, and
its callbacks and finalizers may let the other thread run. Then `f_back` writes into a frame that
has ended: the process crashes, or finds other objects in place of frames (tried: it crashed within
seconds under stress). Since 3.12 the collector runs only between bytecodes, and `STILL` does
nothing. A thread's own frames are safe, and so is a frame object that exists already.

`STILL` sets the collector's threshold to 0. It does not disable it: that switch belongs to the app.

Variables of a frame are read by `variables` only. Before 3.13, `f_locals` copies all of them into a
dict that the frame keeps. What the frame drops later stays alive in it, until whoever reads it next
finalises that: seen with a worker thread of anyio, whose result of 0.2 GB was freed on the
watchdog's thread, in 70 ms at each look.
"""

from __future__ import annotations

import gc
import sys
import threading
from types import FrameType
from typing import Any

from loopwatch.core.speedups import speedups

ONE_FRAME = getattr(speedups, "running_frame", None)
UNSAFE = sys.version_info < (3, 12)
COPIED = sys.version_info < (3, 13)  # `f_locals` is a copy that the frame keeps


class Still:
    """A context in which no garbage collection begins by itself; it may be entered many times."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a signal handler may read a snapshot within
        self._inside = 0
        self._before = gc.get_threshold()

    def __enter__(self) -> None:
        if UNSAFE:
            with self._lock:
                if not self._inside:
                    self._before = gc.get_threshold()
                    gc.set_threshold(0)
                self._inside += 1

    def __exit__(self, *error: object) -> None:
        if UNSAFE:
            with self._lock:
                self._inside -= 1
                if not self._inside:
                    self._restore()

    def abandon(self) -> None:
        """Leave the context in a forked child, where the threads inside do not exist."""
        if self._inside:
            self._restore()
        self._lock, self._inside = threading.RLock(), 0

    def _restore(self) -> None:
        if not gc.get_threshold()[0]:  # else other code has set it meanwhile
            gc.set_threshold(*self._before)


STILL = Still()


def running_frame(thread_id: int) -> FrameType | None:
    """Return the innermost frame of a thread; the compiled part reads no other thread's."""
    if ONE_FRAME is not None:
        frame: FrameType | None = ONE_FRAME(thread_id)
        return frame
    return sys._current_frames().get(thread_id)


def variables(frame: FrameType, *names: str) -> tuple[Any, ...]:
    """Return local variables of a function's frame, None for those that are not set; it keeps no
    copy of any."""
    copied = frame.f_locals
    try:
        return tuple(copied.get(name) for name in names)
    finally:
        if COPIED:
            copied.clear()
