"""The watch of a process that the start-up hook watches: made once, started with its first loop.

Its options are `LOOPWATCH_*` variables. It is the default watch, so a middleware that the app has
itself joins it, and it leaves a loop to any watch that the program starts on it.
"""

from __future__ import annotations

import atexit
import os
import sys
from functools import lru_cache
from typing import Any

from loopwatch.core import options
from loopwatch.core.guard import guarded
from loopwatch.core.record_types import Stall
from loopwatch.loop.adoption import adopt_uvloops
from loopwatch.startup.admin_port import AdminPort, on_standard_error
from loopwatch.startup.exit_summary import summary
from loopwatch.watch.watch import Watch
from loopwatch.web.middleware import LoopWatchMiddleware, use_by_default


class Beside:
    """The exporter that opens the admin port, and writes the summary as the process exits."""

    def __init__(self, watch: Watch, chosen: dict[str, Any]) -> None:
        self._watch, self.summary_wanted = watch, chosen.get("summary", False)
        self._port: AdminPort | None = None
        self._written = -1  # stalls
        if (port := chosen.get("admin_port")) is not None:
            self._port = AdminPort(watch, chosen.get("admin_host", "127.0.0.1"), port, self._say)

    def start(self, source: Any) -> None:
        """Once a process: in its children again, when a loop begins to run there."""
        if self._port is not None:
            self._port.open()
        if self.summary_wanted:
            atexit.register(self.write_summary)
            if "multiprocessing.process" in sys.modules:
                self._end_with_multiprocessing()

    def _end_with_multiprocessing(self) -> None:
        """Its children do not call what is registered with atexit, before Python 3.13."""
        from multiprocessing import parent_process
        from multiprocessing.util import Finalize

        if parent_process() is not None:
            Finalize(None, self.write_summary, exitpriority=-100)

    def stop(self, source: Any) -> None:
        if self._port is not None:
            self._port.close()
        atexit.unregister(self.write_summary)

    def after_fork(self, source: Any) -> None:
        self._written = -1
        if self._port is not None:
            self._port.abandon()
        atexit.unregister(self.write_summary)

    def stalled(self, stall: Stall) -> None:
        """The watch itself keeps the stalls."""

    @guarded
    def write_summary(self) -> None:
        """Write the summary; again only if there is more to say."""
        snapshot = self._watch.snapshot(recent=False)
        if snapshot.stall_count > self._written:
            self._written = snapshot.stall_count
            on_standard_error(said(summary(snapshot)))

    @staticmethod
    def _say(text: str) -> None:
        on_standard_error(said(f"loopwatch: {text}\n"))


def said(text: str) -> str:
    """Return the text with the process named: many write to one terminal."""
    return text.replace("loopwatch: ", f"loopwatch: process {os.getpid()}: ", 1)


@lru_cache(maxsize=1)
def process_watch() -> tuple[Watch, Beside]:
    """Return the watch and what is beside it; raises ValueError if its options are wrong."""
    chosen = options.from_environment(options.RUN_VARIABLES, os.environ, options.VARIABLES)
    watch = Watch.from_env()
    watch.be_guest()
    beside = Beside(watch, chosen)
    watch.add_instrument(beside)
    use_by_default(watch)
    return watch, beside


def begin() -> None:
    """Watch every loop of this process that begins to run from now on."""
    process_watch()[0].start()


def end() -> None:
    """Watch no loop any more."""
    watch, _ = process_watch()
    watch.stop()
    use_by_default(None)
    process_watch.cache_clear()


def ending() -> None:
    """The process is about to end, maybe without an exit."""
    _, beside = process_watch()
    if beside.summary_wanted:
        beside.write_summary()


def watched(app: Any) -> Any:
    """Return an ASGI app within the middleware."""
    if isinstance(app, LoopWatchMiddleware):
        return app
    return LoopWatchMiddleware(app, watch=process_watch()[0])


def watch_uvloop() -> None:
    """uvloop has been imported since `begin`."""
    adopt_uvloops()
