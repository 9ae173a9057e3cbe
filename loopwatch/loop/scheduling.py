"""Steps of a loop whose handles cannot be wrapped: its methods that schedule are.

`call_soon`, `call_soon_threadsafe` and `call_later` are set on the loop's instance, where asyncio's
tasks and futures look them up; `call_at` calls `call_later` on the instance by itself. Each
callback is timed by an object that stands for its handle (`native/scheduled.c`,
`python_scheduled`), while the handle stays the loop's own. What the loop schedules within itself is
not seen: what a transport tells its protocol, readers and writers, signal handlers.
"""

from __future__ import annotations

from collections.abc import Mapping

from loopwatch.loop.loop_state import LoopState
from loopwatch.loop.replaced import Replaced
from loopwatch.loop.step_timing import timed_soon

METHODS = {"call_soon": 0, "call_soon_threadsafe": 0, "call_later": 1}  # where the callback stands
TIME = {"time": -1}  # of uvloop: it sets libuv's time


class Scheduling:
    """The scheduling methods of one loop. Raises AttributeError where they cannot be set."""

    def __init__(self, state: LoopState, methods: Mapping[str, int] = METHODS) -> None:
        self._state, self._methods = state, methods
        self.originals = {name: getattr(state.loop, name) for name in methods}
        self._replaced: list[Replaced] = []

    def install(self) -> None:
        for name, at in self._methods.items():
            ours = timed_soon(self._state, self.originals[name], at)
            self._replaced.append(Replaced(self._state.loop, name, ours))

    def uninstall(self) -> None:
        """Put back what was there, but for what somebody has wrapped since."""
        while self._replaced:
            self._replaced.pop().put_back()
