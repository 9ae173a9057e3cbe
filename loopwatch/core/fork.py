"""Calls in a forked child, and forks that wait for locks. The interpreter cannot remove a hook, so
there is only one of each kind."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import TypeAlias

from loopwatch.core.tellers import Tellers

Lock: TypeAlias = "threading.RLock"

_locks: list[Lock] = []
_held: dict[int, list[Lock]] = {}  # by the id of the thread that forks: several may fork at once

PATIENCE = 1.0  # s that a fork waits for all locks


def on_fork(tell: Callable[[], None]) -> None:
    """Call the method `tell` in each forked child, while its object lives."""
    _tellers.add(tell)


def _arm(tell: Callable[[], None]) -> None:
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=tell)


_tellers = Tellers(_arm)


def no_fork_while(lock: Lock) -> None:
    """Make forks wait while a lock is held, which must be reentrant: otherwise it would stay held
    in the child for ever. What holds it for longer than `PATIENCE` is not waited for, and the
    child's lock is made anew."""
    if not _locks and hasattr(os, "register_at_fork"):
        os.register_at_fork(before=_hold, after_in_parent=_let_go, after_in_child=_let_go_in_child)
    if lock not in _locks:
        _locks.append(lock)


def _hold() -> None:
    deadline = time.monotonic() + PATIENCE
    taken = _held.setdefault(threading.get_ident(), [])
    for lock in _locks:
        if lock.acquire(timeout=max(0.0, deadline - time.monotonic())):
            taken.append(lock)


def _let_go() -> None:
    for lock in reversed(_held.pop(threading.get_ident(), [])):
        lock.release()


def _let_go_in_child() -> None:
    _let_go()
    _held.clear()  # of threads that do not exist here
    for lock in _locks:
        if lock.acquire(blocking=False):
            lock.release()
        else:
            lock._at_fork_reinit()  # type: ignore[attr-defined]  # noqa: SLF001, as threading does
