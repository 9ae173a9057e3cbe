"""Walking another thread's frames while nothing moves under us.

Rule: on Python 3.11 whoever reads `sys._current_frames()` or `f_back` of another thread's frame
does so within `STILL`. There an allocation may start the garbage collector, whose callbacks and
finalizers may let that other thread run, in the middle of `f_back`, which then writes into a frame
that has ended: the process crashes, or finds other objects where frames should be (tried: seconds
to a crash under stress). From 3.12 on the collector runs between bytecodes only, and all this does
nothing. Own frames are safe, and so is a frame object once it is had.

The collector's threshold is set to 0, not the collector disabled: that switch is the app's.
"""

from __future__ import annotations

import gc
import sys
import threading

UNSAFE = sys.version_info < (3, 12)


class Still:
    """A context in which no garbage collection begins by itself; any number at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
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
        """In a forked child, where whoever was inside is no more."""
        if self._inside:
            self._restore()
        self._lock, self._inside = threading.Lock(), 0

    def _restore(self) -> None:
        if not gc.get_threshold()[0]:  # else somebody has set it meanwhile
            gc.set_threshold(*self._before)


STILL = Still()
