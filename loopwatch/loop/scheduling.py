"""Steps of a loop whose handles cannot be wrapped: its scheduling methods are wrapped instead.

`call_soon`, `call_soon_threadsafe` and `call_later` are replaced for one loop (`replaced`):
asyncio's tasks and futures look them up on the instance, and `call_at` itself calls `call_later`
there. An object that stands for the handle times each callback (`native/scheduled.c`,
`python_scheduled`); the handle stays the loop's own. What the loop schedules internally is not
seen: calls of a transport to its protocol, readers and writers, signal handlers.
"""

from __future__ import annotations

from collections.abc import Mapping

from loopwatch.loop.loop_state import LoopState
from loopwatch.loop.replaced import Replaced, ReplacedInClass, replace
from loopwatch.loop.step_timing import timed_soon

METHODS = {"call_soon": 0, "call_soon_threadsafe": 0, "call_later": 1}  # the callback's position
TIME = {"time": -1}  # of uvloop only: it sets libuv's time


class Scheduling:
    """The scheduling methods of one loop. Raises AttributeError where they cannot be set."""

    def __init__(self, state: LoopState, methods: Mapping[str, int] = METHODS) -> None:
        self._state, self._methods = state, methods
        self.originals = {name: getattr(state.loop, name) for name in methods}
        self._replaced: list[Replaced | ReplacedInClass] = []

    def install(self) -> None:
        for name, at in self._methods.items():
            ours = timed_soon(self._state, self.originals[name], at)
            self._replaced.append(replace(self._state.loop, name, ours))

    def uninstall(self) -> None:
        """Restore the methods, except those that other code has wrapped since."""
        while self._replaced:
            self._replaced.pop().put_back()
