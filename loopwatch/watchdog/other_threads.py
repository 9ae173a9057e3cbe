"""The other threads: who of them is using the CPU, and where each stands.

A thread that makes the loop wait for the GIL is found by its CPU time, read for all threads once a
second while the process does anything (a file each, on Linux; elsewhere nobody is named). What a
thread has used since then says who it was; its frame, looked at when the watchdog gets the GIL,
says where: C code that keeps the GIL gives it up at the end of the call, so the frame still stands
on it.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from loopwatch.core.evidence import Spot, ThreadPicture
from loopwatch.watchdog.stack_sample import spot

THREADS = 64  # looked at
NAMED = 3  # of them told
DEPTH = 32  # frames of each
PERIOD = 1.0  # s between two readings of all threads
QUIET = 0.01  # CPU s of the process since the last reading: as little cannot mislead
LEAST = 0.002  # CPU s for which a thread is worth a picture


class Stand(NamedTuple):
    """A thread, and where it stood."""

    name: str
    native_id: int
    spots: tuple[Spot, ...]  # innermost first


class Culprit(NamedTuple):
    """A thread that may have been at it."""

    native_id: int
    picture: ThreadPicture


class OtherThreads:
    """Knows what each thread had used a second or two ago; belongs to the watchdog's thread.

    However many loops ask at one wake, the threads are looked at once.
    """

    def __init__(self) -> None:
        self._read_at, self._process = 0.0, 0.0
        self._before: dict[int, float] = {}  # the reading before the latest: 1 to 2 periods old
        self._latest: dict[int, float] = {}
        self._stands: list[Stand] | None = None  # as of this wake
        self._culprits: tuple[list[Culprit], list[Culprit]] | None = None

    def wake(self) -> None:
        """Forget where the threads stood at the wake before."""
        self._stands = self._culprits = None

    def stand(self) -> None:
        """Look where the threads stand, while nothing runs."""
        if self._stands is None:
            self._stands = where_threads_stand(threading.get_ident())

    def glance(self, now: float, process: float) -> None:
        """Read the threads' times if that is due; `process` is the CPU time of them all."""
        if now - self._read_at < PERIOD:
            return
        self._read_at, self._before = now, self._latest
        if process - self._process >= QUIET:
            self._process, self._latest = process, cpu_times()
        self._before = self._before or self._latest

    def pictures(self, loop: int) -> tuple[ThreadPicture, ...]:
        """Return those threads that have used the CPU since, most first, but for a loop's own.

        Where none of those that live has, it was those that have ended meanwhile.
        """
        if self._culprits is None:
            self._culprits = self._found(self._stands or [])
        busiest, ended = (
            [c.picture for c in found if c.native_id != loop][:NAMED] for found in self._culprits
        )
        return tuple(busiest or ended)

    def _found(self, stands: list[Stand]) -> tuple[list[Culprit], list[Culprit]]:
        """Return the busiest NAMED threads and one more, and those that have ended."""
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
    """Return where Python's threads stand; nothing runs while this looks."""
    frames = sys._current_frames()
    return [
        Stand(t.name, t.native_id or 0, standing(frames.get(t.ident or 0)))
        for t in threading.enumerate()
        if t.ident not in besides
    ]


def standing(frame: FrameType | None) -> tuple[Spot, ...]:
    """Return where a frame and its callers stand, innermost first."""
    spots: list[Spot] = []
    while frame is not None and len(spots) < DEPTH:
        spots.append(spot(frame))
        frame = frame.f_back
    return tuple(spots)


def cpu_times() -> dict[int, float]:
    """Return the CPU seconds of Python's threads by native id; empty where nobody tells."""
    found: dict[int, float] = {}
    for thread in threading.enumerate()[:THREADS]:
        try:
            text = Path(f"/proc/self/task/{thread.native_id}/schedstat").read_bytes()
            found[thread.native_id or 0] = int(text.split()[0]) / 1e9
        except (OSError, IndexError):  # it has ended, or this is not Linux
            continue
    return found
