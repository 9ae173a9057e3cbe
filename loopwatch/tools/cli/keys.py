"""Single keys of the terminal, as they are pressed."""

from __future__ import annotations

import importlib.util
import os
import select
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def keys() -> Iterator[Callable[[float], str]]:
    """Give what waits so many seconds for a key: at once if there is one, else empty.

    There is never one where no terminal is read from, or where terminals have no termios.
    """
    if sys.stdin is None or not sys.stdin.isatty() or importlib.util.find_spec("termios") is None:
        yield no_key
        return
    import termios
    import tty

    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    tty.setcbreak(terminal)
    try:
        yield lambda seconds: key(terminal, seconds)
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


def key(terminal: int, seconds: float) -> str:
    if not select.select([terminal], [], [], seconds)[0]:
        return ""
    pressed = os.read(terminal, 64)
    if not pressed:  # the terminal is gone
        time.sleep(seconds)
    return pressed.decode("ascii", "replace")


def no_key(seconds: float) -> str:
    time.sleep(seconds)
    return ""
