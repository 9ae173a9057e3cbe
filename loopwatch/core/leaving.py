"""Calls as the interpreter exits, while threads still run. There is one hook, whatever is called.

`atexit` calls the latest hook first. Ours comes before that of `logging`, which is older.
"""

from __future__ import annotations

import atexit
from collections.abc import Callable
from weakref import WeakMethod

_tellers: list[WeakMethod[Callable[[], None]]] = []
_armed = False


def at_exit(tell: Callable[[], None]) -> None:
    """Call the method `tell` as the interpreter exits, if its object still lives."""
    global _armed
    _tellers[:] = [known for known in _tellers if known() not in (None, tell)]
    _tellers.append(WeakMethod(tell))
    if not _armed:
        atexit.register(_tell)
        _armed = True


def _tell() -> None:
    for known in _tellers:
        tell = known()
        if tell is not None:
            tell()
