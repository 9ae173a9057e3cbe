"""Threads that wait for each other, and what is found of them meanwhile."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from loopwatch.core.evidence import ThreadWait
from loopwatch.explain.blocker import is_deadlock, sentence
from loopwatch.explain.site import DEFAULT
from loopwatch.watchdog.blockers import blocker


class Service:
    """Has its lock as an attribute, as most have. Nobody holds it for longer than a test."""

    def __init__(self, lock: Any) -> None:
        self._lock = lock
        self.holding, self.let_go = threading.Event(), threading.Event()

    def enter(self) -> None:
        with self._lock:
            pass

    def acquire(self) -> None:
        self._lock.acquire()
        self._lock.release()

    def hold(self) -> None:
        with self._lock:
            self._wait()

    def keep(self) -> None:
        self._lock.acquire()
        try:
            self._wait()
        finally:
            self._lock.release()

    def _wait(self) -> None:
        self.holding.set()
        self.let_go.wait(20)


@contextmanager
def waiting(
    service: Service, wait: Callable[[], Any], hold: Callable[[], Any] | None = None
) -> Iterator[int]:
    """Have one thread hold what another one waits for; that one's id."""
    holder = threading.Thread(target=hold or service.hold, name="holder")
    waiter = threading.Thread(target=wait, name="waiter")
    holder.start()
    try:
        assert service.holding.wait(10)
        waiter.start()
        yield waiter.ident or 0
    finally:
        service.let_go.set()
        holder.join(20)
        waiter.join(20)


def found(thread: int, loop: Any = None) -> ThreadWait:
    """Return what a thread waits for, once it does; of a loop, once that is a deadlock."""
    until = time.monotonic() + 10
    while (wait := blocker(loop, thread)) is None or (loop is not None and not is_deadlock(wait)):
        assert time.monotonic() < until, "nothing was found"
        time.sleep(0.01)
    return wait


def said(wait: ThreadWait) -> str:
    return sentence(wait, DEFAULT)
