"""The garbage collector, held back while the watchdog takes its photographs.

It begins where an object is made, so it may begin as the watchdog wakes. Whoever waits for the GIL
gets it after 5 ms; a collection takes longer (a list of a million numbers that is young, 30 ms), so
the loop would have gone on meanwhile, and be photographed at an innocent line.

It is off for some 100 microseconds at the most, in which the watchdog has the GIL.
"""

from __future__ import annotations

import gc


class Collector:
    """Off between `hold` and `let_go`, unless it was off before."""

    def __init__(self) -> None:
        self._was_on = False

    def hold(self) -> None:
        self._was_on = gc.isenabled()
        gc.disable()

    def let_go(self) -> None:
        """Turn it on again; in a forked child too, whoever has held it."""
        if self._was_on:
            self._was_on = False
            gc.enable()


COLLECTOR = Collector()
