"""Steps of a loop whose handles cannot be wrapped: its methods that schedule are.

`call_soon`, `call_soon_threadsafe` and `call_later` are set on the loop's instance, where asyncio's
tasks and futures look them up; `call_at` calls `call_later` on the instance by itself. Each callback
is timed by an object that stands for its handle (`native/scheduled.c`, `python_scheduled`), while the
handle stays the loop's own. What the loop schedules within itself is not seen: what a transport
tells its protocol, readers and writers, signal handlers.
"""

from __future__ import annotations

from typing import Any

from loopwatch.probe.pulse import Pulse
from loopwatch.probe.steps import timed_soon

METHODS = {"call_soon": 0, "call_soon_threadsafe": 0, "call_later": 1}  # where the callback stands


class Scheduling:
    """The scheduling methods of one loop. Raises AttributeError where they cannot be set."""

    def __init__(self, pulse: Pulse) -> None:
        self._loop = pulse.loop
        self.originals = {name: getattr(self._loop, name) for name in METHODS}
        self._before = {name: vars(self._loop).get(name) for name in METHODS}
        self._ours = {
            name: timed_soon(pulse, self.originals[name], at) for name, at in METHODS.items()
        }

    def install(self) -> None:
        for name, ours in self._ours.items():
            setattr(self._loop, name, ours)

    def uninstall(self) -> None:
        """Put back what was there, but for what somebody has wrapped since."""
        for name, ours in self._ours.items():
            if vars(self._loop).get(name) is not ours:
                continue
            if self._before[name] is None:
                delattr(self._loop, name)
            else:
                setattr(self._loop, name, self._before[name])

    def runs_through_us(self) -> bool:
        """Return whether a task of the loop is scheduled through what we set."""
        return all(getattr(self._loop, name) is ours for name, ours in self._ours.items())


def can_be_set(loop: Any) -> bool:
    """Return whether methods can be set on a loop's instance."""
    return hasattr(loop, "__dict__") and all(hasattr(loop, name) for name in METHODS)
