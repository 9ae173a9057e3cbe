"""Single key presses from the terminal."""

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
    """Yield a function that waits some seconds for a key and returns it, or an empty string.

    Without a terminal on standard input, or without termios, no key ever comes.
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
