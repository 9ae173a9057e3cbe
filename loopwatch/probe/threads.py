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

from loopwatch.evidence import Spot, ThreadPicture
from loopwatch.probe.photograph import spot

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


class OtherThreads:
    """Knows what each thread had used a second or two ago; belongs to the watchdog's thread."""

    def __init__(self) -> None:
        self._read_at, self._process = 0.0, 0.0
        self._before: dict[int, float] = {}  # the reading before the latest: 1 to 2 periods old
        self._latest: dict[int, float] = {}

    def glance(self, now: float, process: float) -> None:
        """Read the threads' times if that is due; `process` is the CPU time of them all."""
        if now - self._read_at >= PERIOD and process - self._process >= QUIET:
            self._read_at, self._process = now, process
            self._before, self._latest = self._latest, cpu_times()

    def pictures(self, stands: list[Stand]) -> tuple[ThreadPicture, ...]:
        """Return those threads that have used the CPU since, most first.

        Where none of those that live has, it was those that have ended meanwhile.
        """
        times = cpu_times()
        living = [s for s in stands if s.native_id in times]
        used = {s: times[s.native_id] - self._before.get(s.native_id, 0.0) for s in living}
        busiest = sorted((s for s in used if used[s] >= LEAST), key=lambda s: -used[s])
        ended = [s for s in stands if s.native_id not in times]
        return tuple(
            ThreadPicture(s.name, used.get(s, 0.0), s.spots) for s in (busiest or ended)[:NAMED]
        )


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
