"""The garbage collector, switched off while the watchdog takes its stack samples.

A collection begins where an object is made, so it may begin as the watchdog wakes. A waiting thread
gets the GIL after 5 ms, and a collection takes longer (30 ms for a young list of a million
numbers). The loop would go on meanwhile, and the sample would show an innocent line.

The collector is off for about 100 microseconds at most. The watchdog has the GIL for all of them.
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

    def held(self, was_on: bool) -> None:
        """Note that compiled code holds it already."""
        self._was_on = was_on

    def let_go(self) -> None:
        """Turn it on again, also in a forked child."""
        if self._was_on:
            self._was_on = False
            gc.enable()


COLLECTOR = Collector()
