"""A thread that does the same again and again."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def repeating(step: Callable[[], object], make: Callable[..., threading.Thread]) -> Iterator[None]:
    """Have a thread, which `make` makes, take a step again and again meanwhile."""
    ended = threading.Event()

    def repeat() -> None:
        while not ended.is_set():
            step()

    thread = make(target=repeat, name="repeater")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
