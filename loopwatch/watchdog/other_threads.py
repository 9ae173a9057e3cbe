"""The other threads: which of them use the CPU, and where each stands.

A thread that makes the loop wait for the GIL is found by its CPU time. That is read for all threads
once a second while the process does anything (one file per thread, on Linux; elsewhere no thread is
named). The CPU time since then says which thread it was, and its frame says where. The watchdog
reads the frame when it gets the GIL: C code that keeps the GIL releases it at the end of its call,
so the frame is still on that call.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from loopwatch.core.evidence import Spot, ThreadPicture
from loopwatch.watchdog.stack_sample import spot

THREADS = 64  # other threads read
NAMED = 3  # of these, threads that a stall names
DEPTH = 32  # frames of each
PERIOD = 1.0  # s between two readings of all threads
QUIET = 0.01  # CPU s of the process since the last reading below which it stays valid
LEAST = 0.002  # CPU s from which a thread counts as busy


class Stand(NamedTuple):
    """A thread, and where it stood."""

    name: str
    native_id: int
    spots: tuple[Spot, ...]  # innermost first


class Culprit(NamedTuple):
    """A thread that may have had the GIL."""

    native_id: int
    picture: ThreadPicture


class OtherThreads:
    """Knows each thread's CPU time of a second or two ago; belongs to the watchdog's thread.

    At one wake the threads are read once, for all loops.
    """

    def __init__(self) -> None:
        self._read_at, self._process = 0.0, 0.0
        self._before: dict[int, float] = {}  # the reading before the latest: 1 to 2 periods old
        self._latest: dict[int, float] = {}
        self._stands: list[Stand] | None = None  # as of this wake
        self._culprits: tuple[list[Culprit], list[Culprit]] | None = None

    def wake(self) -> None:
        """Forget where the threads stood at the previous wake."""
        self._stands = self._culprits = None

    def stand(self) -> None:
        """Read where the threads stand, while none of them runs."""
        if self._stands is None:
            self._stands = where_threads_stand(threading.get_ident())

    def glance(self, now: float, process: float) -> None:
        """Read the threads' CPU times if due; `now` is clock, `process` the CPU time of all, s."""
        if now - self._read_at < PERIOD:
            return
        self._read_at, self._before = now, self._latest
        if process - self._process >= QUIET:
            self._process, self._latest = process, cpu_times()
        self._before = self._before or self._latest

    def pictures(self, loop: int) -> tuple[ThreadPicture, ...]:
        """Return the threads that have used the CPU since, most first, without a loop's own thread
        (native id `loop`).

        If no living thread has used it, return those that have ended meanwhile.
        """
        if self._culprits is None:
            self._culprits = self._found(self._stands or [])
        busiest, ended = (
            [c.picture for c in found if c.native_id != loop][:NAMED] for found in self._culprits
        )
        return tuple(busiest or ended)

    def _found(self, stands: list[Stand]) -> tuple[list[Culprit], list[Culprit]]:
        """Return the busiest `NAMED` threads and one more, and as many that have ended."""
        times, busiest, ended = cpu_times(), list[Culprit](), list[Culprit]()
        for name, native_id, spots in stands:
            used = times.get(native_id, 0.0) - self._before.get(native_id, 0.0)
            culprit = Culprit(native_id, ThreadPicture(name, max(0.0, used), spots))
            if native_id not in times:
                ended.append(culprit)
            elif used >= LEAST:
                busiest.append(culprit)
        busiest.sort(key=lambda culprit: -culprit.picture.cpu)
        return busiest[: NAMED + 1], ended[: NAMED + 1]


def where_threads_stand(*besides: int) -> list[Stand]:
    """Return where Python's threads stand, except those of `besides`; no thread runs meanwhile."""
    frames = sys._current_frames()
    try:
        return [
            Stand(t.name, t.native_id or 0, standing(frames.get(t.ident or 0)))
            for t in threading.enumerate()
            if t.ident not in besides
        ]
    finally:
        frames.clear()  # it has our own frame, which has it: all frames would wait for a collection


def standing(frame: FrameType | None) -> tuple[Spot, ...]:
    """Return where a frame and its callers stand, innermost first."""
    spots: list[Spot] = []
    while frame is not None and len(spots) < DEPTH:
        spots.append(spot(frame))
        frame = frame.f_back
    return tuple(spots)


def cpu_times() -> dict[int, float]:
    """Return the CPU seconds of Python's threads by native id; empty outside Linux."""
    found: dict[int, float] = {}
    for thread in threading.enumerate()[:THREADS]:
        try:
            text = Path(f"/proc/self/task/{thread.native_id}/schedstat").read_bytes()
            found[thread.native_id or 0] = int(text.split()[0]) / 1e9
        except (OSError, IndexError):  # it has ended, or this is not Linux
            continue
    return found
