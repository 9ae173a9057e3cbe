"""libuv's own measure of idle time, read through the symbols uvloop's shared object exports.

`uv_metrics_idle_time`, `uv_metrics_info` and `uv_now` may be read from any thread, also in a poll,
and cost the loop nothing. Rule: never read after the loop is closed, that memory is freed and the
process would crash. So every read and the closing take one lock. `ctypes.PyDLL` keeps the GIL:
the calls take under a microsecond and must not hand it away.
"""

from __future__ import annotations

import ctypes
import importlib
import threading
from typing import Any, NamedTuple

from loopwatch.probe.pulse import clock

UV_METRICS_IDLE_TIME = 1


class Metrics(ctypes.Structure):
    """uv_metrics_t."""

    _fields_ = (
        ("loop_count", ctypes.c_uint64),
        ("events", ctypes.c_uint64),
        ("events_waiting", ctypes.c_uint64),
        ("reserved", ctypes.c_void_p * 13),
    )


class Reading(NamedTuple):
    idle: float  # s since the watch began
    turns: int  # iterations of the loop
    since: float | None  # clock, s: the start of the tick in progress; None in the poll


class Libuv:
    """The `uv_loop_t` of one uvloop loop. Raises OSError or AttributeError if out of reach."""

    def __init__(self, loop: Any) -> None:
        extension: Any = importlib.import_module("uvloop.loop")

        self.lock = threading.Lock()
        self.closed = False
        library = ctypes.PyDLL(extension.__file__)
        self._loop = ctypes.c_void_p(pointer(extension.libuv_get_loop_t_ptr(loop)))
        self._idle = returning(library.uv_metrics_idle_time, ctypes.c_uint64)
        self._now = returning(library.uv_now, ctypes.c_uint64)
        self._info = library.uv_metrics_info
        self._metrics = Metrics()
        if library.uv_loop_configure(self._loop, UV_METRICS_IDLE_TIME) != 0:
            raise OSError("uv_loop_configure refused UV_METRICS_IDLE_TIME")
        self._zero = self._idle(self._loop)
        self._last = Reading(0.0, -1, None)
        self._offset = clock() - returning(library.uv_hrtime, ctypes.c_uint64)() / 1e9

    def read(self) -> Reading | None:
        """Return where the loop is, None once it is closed.

        In the poll idle time grows between two calls; in a tick it cannot, and `uv_now` is the
        moment the poll returned, in whole milliseconds, until a timer is set: uvloop updates it
        then. The earliest that was read in a tick is kept.
        """
        with self.lock:
            if self.closed:
                return None
            self._info(self._loop, ctypes.byref(self._metrics))
            before, idle = self._idle(self._loop), self._idle(self._loop)
            since = None if idle > before else self._now(self._loop) / 1e3 + self._offset
            turns, last = self._metrics.loop_count, self._last
            if since is not None and last.since is not None and turns == last.turns:
                since = last.since
            self._last = Reading((idle - self._zero) / 1e9, turns, since)
            return self._last

    def close(self) -> None:
        """Never read again; to be called before the loop closes."""
        with self.lock:
            self.closed = True

    def abandon(self) -> None:
        """The same in a forked child, where the lock may be held by a thread that is not there."""
        self.lock, self.closed = threading.Lock(), True


def returning(function: Any, kind: Any) -> Any:
    function.restype = kind
    return function


def pointer(capsule: Any) -> int:
    """Return the address in a PyCapsule without a name."""
    prototype = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)
    address: int = prototype(("PyCapsule_GetPointer", ctypes.pythonapi))(capsule, None)
    return address
