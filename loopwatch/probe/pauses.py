"""Garbage collector pauses, by `gc.callbacks`; process-wide, whichever thread collects."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

from loopwatch.probe.pulse import clock


class GcPauses:
    """Calls `paused(generation, seconds)` after every collection."""

    def __init__(self, paused: Callable[[int, float], None]) -> None:
        self._paused = paused
        self._began = 0.0

    def install(self) -> None:
        if self not in gc.callbacks:
            gc.callbacks.append(self)

    def uninstall(self) -> None:
        if self in gc.callbacks:
            gc.callbacks.remove(self)

    def __call__(self, phase: str, info: dict[str, Any]) -> None:
        if phase == "start":
            self._began = clock()
        elif self._began:
            self._paused(info["generation"], clock() - self._began)
