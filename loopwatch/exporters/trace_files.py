"""Traces written to a folder that the user has named, on stalls and on slow requests.

They are written one after the other on a thread that exists meanwhile, at most one each `APART`
seconds. What happens in between is in the next one, if it is soon enough. In the folder the latest
`FILES` traces stay, of all processes that write there.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from loopwatch.core.breath import begin_to_pause
from loopwatch.core.guard import guarded, say
from loopwatch.core.own_thread import OwnThread
from loopwatch.core.record_types import Stall
from loopwatch.exporters.whole_file import replace

FILES = 20  # traces in the folder
APART = 60.0  # s from one trace to the next
OFTEN = 2.0  # s between two looks for slow requests
SLOW = 1.0  # s of latency from which a request is slow
FAREWELL = 2.0  # s that a trace under way has as the watch stops
NAME = "loopwatch-trace-{}-{}.json"
PATTERN = "loopwatch-trace-*-*.json"
WROTE = "loopwatch wrote %s, because of %s; %d more times since the one before it did not"


class Tracing(Protocol):
    """The watch, as far as it is needed here."""

    def trace(self) -> bytes:
        """Return the last seconds as Chrome trace events."""

    def slowest_request(self) -> float:
        """Return the latency, s, of the slowest request that ended since this was last called."""


class TraceFiles:
    """Writes traces of one watch into a folder."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder, self._clock = folder, clock
        self._source: Tracing | None = None
        self._begin()

    def _begin(self) -> None:
        self._thread: threading.Thread | None = None
        self._next = self._look = 0.0  # when the next trace may be written; when to look
        self._skipped = 0  # reasons for a trace since the last one

    def start(self, source: Any) -> None:
        self._source = source

    def after_fork(self, source: Any) -> None:
        self._begin()

    def stop(self, source: Any) -> None:
        if self._thread is not None:
            self._thread.join(FAREWELL)

    def stalled(self, stall: Stall) -> None:
        """A stall was delivered."""
        self._write(f"a stall of {stall.duration:.3f} s")

    def due_in(self) -> float:
        """Return s until the next look for slow requests."""
        return max(0.0, self._look - self._clock())

    def write(self, changed: object) -> None:
        """Look for slow requests."""
        if self._clock() < self._look or self._source is None:
            return
        self._look = self._clock() + OFTEN
        slowest = self._source.slowest_request()
        if slowest >= SLOW:
            self._write(f"a request of {slowest:.3f} s")

    def _write(self, why: str) -> None:
        """Have a trace written, unless there was one just now."""
        if self._clock() < self._next or self._source is None:
            self._skipped += 1
            return
        self._next = self._clock() + APART
        skipped, self._skipped = self._skipped, 0
        self._thread = OwnThread(self._work, "loopwatch-trace", self._source, why, skipped)
        self._thread.start()

    @guarded
    def _work(self, source: Tracing, why: str, skipped: int) -> None:
        begin_to_pause()
        moment = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
        target = self._folder / NAME.format(moment, os.getpid())
        replace(target, source.trace())
        self._remove_oldest()
        say(logging.INFO, WROTE, str(target), why, skipped)

    def _remove_oldest(self) -> None:
        found = sorted(self._folder.glob(PATTERN))  # by time, which comes first in the name
        for path in found[:-FILES]:
            with suppress(OSError):  # another process has removed it
                path.unlink()
