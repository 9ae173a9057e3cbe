"""When the processes of a trial had to wait for a CPU: what was timed then proves nothing."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

from tests.calm import children, run_delay, stolen, threads

from .recount import Span

WINDOW = 0.05  # s
WAITED = 0.003  # s that all their threads together may wait in a window


class Disturbance:
    """Looks again and again, from a thread, while it is entered."""

    def __init__(self) -> None:
        self.windows: list[Span] = []
        self._over = Event()
        self._thread = Thread(target=self._look, daemon=True)

    def __enter__(self) -> "Disturbance":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        before, since = waited_for_cpu(), time.perf_counter()
        while not self._over.wait(WINDOW):
            waited, now = waited_for_cpu(), time.perf_counter()
            if not waited - before <= WAITED:  # not a number: unknown
                self.windows.append(Span(since, now))
            before, since = waited, now

    def touches(self, moment: float) -> bool:
        return any(window.holds(moment) for window in self.windows)


def waited_for_cpu() -> float:
    """Return seconds for which threads of our child processes were kept from running."""
    try:
        return sum(run_delay(thread) for thread in threads_of_children()) + stolen()
    except OSError:
        return float("inf")


def threads_of_children() -> Iterator[Path]:
    for own in Path(f"/proc/{os.getpid()}/task").iterdir():
        for child in children(own):
            yield from threads(int(child))
