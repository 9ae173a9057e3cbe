"""Threads that are none: gevent and eventlet replace those of the standard library by greenlets.

A watchdog that is a greenlet runs on the very thread that it should watch, so it never runs while
that is held. And a greenlet's id is no thread's: asking for its CPU clock reads foreign memory.
"""

from __future__ import annotations

import _thread
import threading
from types import BuiltinFunctionType

REFUSED = (
    "{library} has replaced the standard library's threads by greenlets, so no thread could look "
    "at the loop while it is held; use loopwatch in an unpatched process, or patch without "
    "threads (thread=False)"
)


def refuse_green_threads() -> None:
    """Raise RuntimeError where a new thread would be no thread of the system."""
    for function in (_thread.start_new_thread, threading.get_ident):
        if not isinstance(function, BuiltinFunctionType):
            library = str(getattr(function, "__module__", None)).partition(".")[0]
            raise RuntimeError(REFUSED.format(library=library))
