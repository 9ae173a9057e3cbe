"""Calls in a forked child, and forks that wait for locks. The interpreter cannot remove a hook, so
there is only one of each kind."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from weakref import WeakMethod

_tellers: list[WeakMethod[Callable[[], None]]] = []
_armed = False
_locks: list[threading.Lock] = []
_held: list[threading.Lock] = []  # by the thread that forks

PATIENCE = 1.0  # s that a fork waits for a lock


def on_fork(tell: Callable[[], None]) -> None:
    """Call the method `tell` in each forked child, while its object lives."""
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


def no_fork_while(lock: threading.Lock) -> None:
    """Make forks wait while a lock is held: otherwise it would stay held in the child for ever."""
    if not _locks and hasattr(os, "register_at_fork"):
        os.register_at_fork(before=_hold, after_in_parent=_let_go, after_in_child=_let_go)
    if lock not in _locks:
        _locks.append(lock)


def _hold() -> None:
    _held.extend(lock for lock in _locks if lock.acquire(timeout=PATIENCE))


def _let_go() -> None:
    while _held:
        _held.pop().release()
