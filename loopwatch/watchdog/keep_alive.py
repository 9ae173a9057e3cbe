"""The keep-alive: by it the outside process knows that the watchdog still comes back.

It is a page of anonymous shared memory and a kernel timer (timerfd_create(2)). Each beat postpones
the timer, and the outside process sleeps until the timer expires. So regular beats wake no process.
If either process is killed, nothing is left behind. Python has such timers since 3.13, libc always.
"""

from __future__ import annotations

import ctypes
import math
import mmap
import os
import time
import weakref

from loopwatch.watchdog.outside_process import DUE, FIRST_THREAD, LENGTH, PATIENCE, SLOTS

ABSOLUTE = 1  # TFD_TIMER_ABSTIME


class KeepAlive:
    """The watchdog writes it, the outside process reads it. Raises OSError if it cannot be made."""

    patience = PATIENCE  # s after a beat was due until the timer goes off

    def __init__(self) -> None:
        self._libc = ctypes.PyDLL(None, use_errno=True)  # keeps the GIL, as releasing costs more
        self.page = os.memfd_create("loopwatch")
        weakref.finalize(self, os.close, self.page).atexit = False
        os.ftruncate(self.page, LENGTH)
        self._slots = memoryview(mmap.mmap(self.page, LENGTH)).cast("d")
        flags = os.O_CLOEXEC | os.O_NONBLOCK  # TFD_CLOEXEC and TFD_NONBLOCK are the same
        self.timer: int = self._libc.timerfd_create(time.CLOCK_MONOTONIC, flags)
        if self.timer < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        weakref.finalize(self, os.close, self.timer).atexit = False
        self._alarm = (ctypes.c_long * 4)()  # itimerspec: repeat s, ns; first s, ns
        self._own = True
        self.rest()

    @property
    def due(self) -> memoryview[float]:
        """The memory of the time at which the next beat is due, for beats from C."""
        return self._slots[DUE : DUE + 1]

    def beat(self, due: float) -> None:
        """Set when the next beat is due (clock, s)."""
        if self._own:
            self._slots[DUE] = due
            self._set_alarm(due + PATIENCE)

    def rest(self) -> None:
        """Pause: no beat is due."""
        if self._own:
            self._slots[DUE] = math.inf
            self._set_alarm(0.0)

    def abandon(self) -> None:
        """Stop writing, in a forked child: page and timer are the parent's."""
        self._own = False

    def watch(self, thread: int) -> None:
        """Have the stack of a thread (native id) read; without a free slot it is left out."""
        self._put(0.0, thread)

    def forget(self, thread: int) -> None:
        self._put(thread, 0.0)

    def _put(self, old: float, new: float) -> None:
        for slot in range(FIRST_THREAD, SLOTS):
            if self._own and self._slots[slot] == old:
                self._slots[slot] = new
                return

    def _set_alarm(self, at: float) -> None:
        """Set when the timer expires (clock, s); 0.0 for never."""
        self._alarm[2], self._alarm[3] = int(at), int(at % 1.0 * 1e9)
        self._libc.timerfd_settime(self.timer, ABSOLUTE, self._alarm, None)
