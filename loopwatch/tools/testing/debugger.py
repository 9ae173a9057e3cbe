"""Whether a person looks at the program while it stands still: then nothing is a stall."""

from __future__ import annotations

import sys

TRACERS = ("coverage",)  # packages whose trace function is no debugger's
DEBUGGER = 0  # the id of debuggers in `sys.monitoring`


def is_active() -> bool:
    """Return whether a debugger traces this thread, or the process was started by one."""
    return "pydevd" in sys.modules or is_traced() or is_monitored()


def is_traced() -> bool:
    trace = sys.gettrace()
    if trace is None:
        return False
    module = getattr(trace, "__module__", None) or type(trace).__module__
    return module.partition(".")[0] not in TRACERS


def is_monitored() -> bool:
    monitoring = getattr(sys, "monitoring", None)  # from 3.12 on
    return monitoring is not None and monitoring.get_tool(DEBUGGER) is not None
