"""Calls as the interpreter exits, while threads still run. There is one hook, whatever is called.

`atexit` calls the latest hook first. Ours comes before that of `logging`, which is older.
"""

from __future__ import annotations

import atexit
from collections.abc import Callable

from loopwatch.core.tellers import Tellers

_tellers = Tellers(atexit.register)


def at_exit(tell: Callable[[], None]) -> None:
    """Call the method `tell` as the interpreter exits, if its object still lives."""
    _tellers.add(tell)
