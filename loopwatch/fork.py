"""Being told of a fork, in the child. The interpreter takes no such hook back, so there is one."""

from __future__ import annotations

import os
from collections.abc import Callable
from weakref import WeakMethod

_tellers: list[WeakMethod[Callable[[], None]]] = []
_armed = False


def on_fork(tell: Callable[[], None]) -> None:
    """Call the method `tell` in every forked child, as long as its object lives."""
    global _armed
    _tellers[:] = [known for known in _tellers if known() not in (None, tell)]
    _tellers.append(WeakMethod(tell))
    if not _armed and hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_tell)
        _armed = True


def _tell() -> None:
    for known in _tellers:
        tell = known()
        if tell is not None:
            tell()
