"""libuv's functions, through the symbols that uvloop's shared object exports.

`uv_loop_configure(UV_METRICS_IDLE_TIME)` makes libuv count its waiting time. Our own prepare and
check handles report where a poll begins and ends (`native/libuv_poll.c`, `python_libuv`).
"""

from __future__ import annotations

import ctypes
import importlib
from typing import Any

from loopwatch.loop.loop_state import LoopState
from loopwatch.loop.step_timing import LibuvPoll

UV_METRICS_IDLE_TIME = 1
UV_CHECK, UV_PREPARE = 2, 9  # uv_handle_type: in this order since libuv 1.0
FUNCTIONS = (  # in the order of native/libuv_poll.h; only python_libuv.py uses the last one
    *("uv_prepare_init", "uv_prepare_start", "uv_prepare_stop"),
    *("uv_check_init", "uv_check_start", "uv_check_stop"),
    *("uv_close", "uv_unref", "uv_metrics_idle_time", "uv_now", "uv_metrics_info"),
)


class Libuv:
    """The `uv_loop_t` of one uvloop loop. Raises OSError or AttributeError if out of reach."""

    def __init__(self, loop: Any) -> None:
        extension: Any = importlib.import_module("uvloop.loop")
        self.library = ctypes.PyDLL(extension.__file__)
        self.address = pointer(extension.libuv_get_loop_t_ptr(loop))
        self.functions = tuple(address_of(self.library, name) for name in FUNCTIONS)
        size = returning(self.library.uv_handle_size, ctypes.c_size_t)
        self.prepare_size, self.check_size = size(UV_PREPARE), size(UV_CHECK)

    def open(self, state: LoopState) -> Any:
        """Make libuv write each poll into `state` until `close`; call it on the loop's thread.

        Raises OSError where libuv refuses.
        """
        configure = self.library.uv_loop_configure
        if configure(ctypes.c_void_p(self.address), UV_METRICS_IDLE_TIME) != 0:
            raise OSError("uv_loop_configure refused UV_METRICS_IDLE_TIME")
        return LibuvPoll(state, self.address, self.functions, self.prepare_size, self.check_size)


def returning(function: Any, kind: Any) -> Any:
    function.restype = kind
    return function


def address_of(library: Any, name: str) -> int:
    return ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0


def pointer(capsule: Any) -> int:
    """Return the address in a PyCapsule without a name."""
    prototype = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)
    address: int = prototype(("PyCapsule_GetPointer", ctypes.pythonapi))(capsule, None)
    return address
