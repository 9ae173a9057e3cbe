"""The other threads: who of them is using the CPU, and where each stands.

A thread that makes the loop wait for the GIL is found by its CPU time, read for all threads once a
second while nothing is slow (a file each, on Linux; elsewhere nobody is named). What a thread has
used since then says who it was; its frame, looked at when the watchdog gets the GIL, says where:
C code that keeps the GIL gives it up at the end of the call, so the frame still stands on it.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from types import FrameType

from loopwatch.evidence import Spot, ThreadPicture
from loopwatch.probe.photograph import spot

THREADS = 64  # looked at
NAMED = 3  # of them told
DEPTH = 32  # frames of each
PERIOD = 1.0  # s between two readings of all threads
LEAST = 0.01  # CPU s for which a thread is worth a picture


class OtherThreads:
    """Knows what each thread had used a second or two ago; belongs to the watchdog's thread."""

    def __init__(self) -> None:
        self._read_at = 0.0
        self._before: dict[int, float] = {}  # the reading before the latest: 1 to 2 periods old
        self._latest: dict[int, float] = {}

    def glance(self, now: float) -> None:
        """Read the threads' times if that is due."""
        if now - self._read_at >= PERIOD:
            self._read_at = now
            self._before, self._latest = self._latest, cpu_times()

    def pictures(self, stands: dict[int, tuple[Spot, ...]]) -> tuple[ThreadPicture, ...]:
        """Return those of the threads in `stands` that have used the CPU since, most first."""
        times = cpu_times()
        used = {
            t: times[t.native_id] - self._before.get(t.native_id, 0.0)
            for t in threading.enumerate()
            if t.native_id in times and t.ident in stands
        }
        busiest = sorted((t for t in used if used[t] >= LEAST), key=lambda t: -used[t])[:NAMED]
        return tuple(ThreadPicture(t.name, used[t], stands[t.ident or 0]) for t in busiest)


def where_threads_stand(*besides: int) -> dict[int, tuple[Spot, ...]]:
    """Return where each thread stands, by ident; nothing runs while this looks."""
    frames = sys._current_frames()
    return {ident: standing(frames[ident]) for ident in frames if ident not in besides}


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
