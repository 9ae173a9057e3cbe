"""The threads on which long garbage collections ran: where each stood, and for whom it worked.

A collection stops all threads. It runs on the thread that made one object too many, which need not
be the loop's: then what the loop's thread shows says nothing of who made the objects. So the thread
that has collected is looked at as the collection ends, by itself, in the collector's callback: its
frames below that, which `pictured` leaves out, are where the collection began. A collection that
has not ended, or whose end is not noted yet, is looked at by the watchdog. If that thread was the
loop's own, and nobody has seen its step otherwise, it is the step's stack sample.

Only the last few are kept, and for a few seconds: a picture has code objects, which are the app's.
"""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Iterable
from types import CodeType, FrameType
from typing import NamedTuple

from loopwatch.core.evidence import Sample, ThreadPicture
from loopwatch.core.frames import STILL, running_frame
from loopwatch.core.guard import guarded
from loopwatch.core.own_thread import running
from loopwatch.core.stack import above
from loopwatch.loop.loop_state import clock
from loopwatch.watchdog.gc_pauses import LONG_PAUSE, open_pause
from loopwatch.watchdog.other_threads import pictured

SHOWN = 4 * LONG_PAUSE  # s: of a shorter collection only the length is kept
KEPT = 8  # collections
HALF = 0.5  # of a step
FORGOTTEN = 10.0  # s after its end; the watchdog's next look drops it


class Collection(NamedTuple):
    """One that was long enough to be slow itself, or most of what was."""

    began: float  # clock, s
    ended: float  # s
    thread: int  # its identifier
    picture: ThreadPicture

    def within(self, started: float, ended: float) -> float:
        """Return how much of it was between two moments, s."""
        return min(self.ended, ended) - max(self.began, started)


_kept: deque[Collection] = deque(maxlen=KEPT)


@guarded
def note_collection(seconds: float) -> None:
    """Keep where this thread stands, which has just collected for so long."""
    thread = threading.get_ident()
    if seconds < SHOWN or thread in running:
        return
    now = clock()
    _kept.append(Collection(now - seconds, now, thread, _picture(thread, sys._getframe())))


def collecting_thread(started: float, ended: float, own: int) -> ThreadPicture | None:
    """Return the thread that collected longest between two moments (clock, s); None if that was the
    loop's `own`, or if it is not known."""
    longest = _longest(started, ended)
    return None if longest is None or longest.thread == own else longest.picture


def own_collection(
    started: float, ended: float, own: int, floor: Iterable[CodeType]
) -> list[Sample]:
    """Return where the loop's `own` thread began to collect, as a stack sample, if that took half
    of a step. Nobody else sees it in time: a collection keeps the GIL, and the step may end with
    it."""
    longest = _longest(started, ended)
    if (
        longest is None
        or longest.thread != own
        or longest.within(started, ended) < HALF * (ended - started)
    ):
        return []
    spots = above(longest.picture.spots, floor)
    return [Sample(min(longest.ended, ended), True, spots, 0.0, sure=True)]


def _longest(started: float, ended: float) -> Collection | None:
    """Return the collection that took most of the time between two moments, if one is known."""
    known = [*_kept, *_in_progress(ended)]
    longest = max(known, key=lambda c: c.within(started, ended), default=None)
    return longest if longest is not None and longest.within(started, ended) > 0.0 else None


def forget_collections(now: float) -> None:
    """Drop those that no stall is about any more."""
    while _kept and _kept[0].ended < now - FORGOTTEN:
        _kept.popleft()


def _in_progress(now: float) -> list[Collection]:
    began, thread = open_pause()
    if not thread or thread in running:
        return []
    with STILL:
        return [Collection(began, now, thread, _picture(thread, running_frame(thread)))]


def _picture(thread: int, frame: FrameType | None) -> ThreadPicture:
    """Take no lock: the collection may have begun while its thread had that."""
    known = getattr(threading, "_active", {}).get(thread)
    return pictured(known.name if known is not None else "", frame, 0.0)
