"""Pauses in work that takes long, on a thread beside the loop.

A thread that wants the interpreter's lock gets it after 5 ms if another one keeps it, and the loop
wants it several times a request. So our own long work pauses more often than that, by itself.

C code that keeps the lock lets one of those in that wait as it ends. It has to be the watchdog: the
loop's thread still stands on the line then. A thread of ours that was let in after a long wait
gives way at once. The loop may still come before the watchdog, so the watchdog asks whether there
was such a thread: then the line that it sees is in doubt. Measured with a thread of ours that waits
as each hold ends: 3 of 30 holds were told of the next line; now of 200 none is, and 8 have no line.
"""

from __future__ import annotations

import math
import threading
import time

STRETCH = 0.001  # s of work between two pauses
PAUSE = 0.001  # s
LONG_WAIT = 0.01  # s for the lock, after which it is given back: two switch intervals

clock = time.perf_counter


class Breath(threading.local):
    """When a thread is to pause next; never, unless it has begun to."""

    due: float | None = None


class LongWaits:
    """Those of all threads of ours for the lock."""

    last = -math.inf  # clock, s: the end of the last one


_mine = Breath()


def begin_to_pause() -> None:
    """Have the calling thread pause at each `breathe` that is due, from now on."""
    _mine.due = clock() + STRETCH


def breathe() -> None:
    """Pause, on a thread that does so, if it is time."""
    if _mine.due is not None and (began := clock()) >= _mine.due:
        time.sleep(PAUSE)
        give_way(clock() - began - PAUSE)
        _mine.due = clock() + STRETCH


def give_way(waited: float) -> None:
    """Pause once more after a wait for the lock of `waited` s, if it was a long one."""
    if waited >= LONG_WAIT:
        LongWaits.last = clock()
        time.sleep(PAUSE)


def gave_way_since(moment: float) -> bool:
    """Return whether a thread of ours has got the lock after a long wait since then (clock, s)."""
    return LongWaits.last > moment
