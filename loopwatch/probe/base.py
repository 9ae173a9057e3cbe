"""What every probe does, whatever its loop: hook in, be told of the loop's end, hook out."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context
from types import CodeType, FrameType
from typing import ClassVar, NamedTuple

from loopwatch.probe.pulse import Pulse

LAYERS = ("requests", "watchdog", "gc")


class Held(NamedTuple):
    """Somebody has the loop: since when, and a mark that is another for every step (clock, s)."""

    mark: float
    since: float


class Probe:
    """Watches one loop through its `pulse`. Subclasses know how."""

    kind: str
    layers: ClassVar[tuple[str, ...]]
    blind: ClassVar[tuple[str, ...]] = ()
    drives: ClassVar[bool] = False  # the middleware must run requests through `drive`

    def __init__(self, pulse: Pulse) -> None:
        self.pulse = pulse
        self.loop = pulse.loop
        pulse.drives = self.drives
        self.floor: CodeType | None = None  # photographs end at this code
        self.base: FrameType | None = None  # or at this frame
        self._closed: Callable[[], None] | None = None

    def install(self, closed: Callable[[], None]) -> None:
        """Hook in; `closed` is called just before the loop closes."""
        self._closed = closed
        self.loop.close = self._close

    def uninstall(self) -> None:
        """Put back what was there."""
        if vars(self.loop).get("close") == self._close:
            del self.loop.close
        self.base = None

    def abandon(self) -> None:
        """`uninstall` in a forked child."""
        self.uninstall()

    def _close(self) -> None:
        if self._closed is not None:
            self._closed()
        self.loop.close()

    def held(self, now: float) -> Held | None:
        """Return who has the loop, or None while it is idle or that cannot be known."""
        raise NotImplementedError

    def suspect(self, held: Held) -> None:
        """Be told by the watchdog that whoever has the loop has had it for long."""

    def glance(self) -> None:
        """Do what this loop needs done at every wake of the watchdog."""

    def idle(self, now: float) -> float | None:
        """Return seconds spent idle since the watch began; None if the loop does not tell."""
        return None

    def ticking(self, now: float) -> float:
        """Return for how long the tick in progress has been busy, s; 0.0 if that is not known."""
        return 0.0

    def callback_context(self, callback: CodeType) -> Context | None:
        """Return the context of the plain callback that is running, if it can be known."""
        return None
