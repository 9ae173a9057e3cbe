"""The log: logger `loopwatch`, one WARNING a stall, one sentence, `extra={"stall": {...}}`.

A site that stalls all the time would fill the log: each may say `BURST` sentences at once and one
more every `REFILL` seconds. The next sentence tells how many were left out; metrics count all.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from loopwatch.records import NONE, Stall

BURST = 5
REFILL = 10.0  # s
SITES = 256  # remembered; when full, all start afresh

logger = logging.getLogger("loopwatch")


class Allowance:
    """How much one site may still say."""

    __slots__ = ("at", "left", "suppressed")

    def __init__(self, now: float) -> None:
        self.at, self.left, self.suppressed = now, float(BURST), 0

    def take(self, now: float) -> bool:
        self.left = min(BURST, self.left + (now - self.at) / REFILL)
        self.at = now
        if self.left < 1:
            self.suppressed += 1
            return False
        self.left -= 1
        return True


class StallLog:
    """An instrument that logs stalls."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._allowances: dict[tuple[str | None, str, int], Allowance] = {}
        self.suppressed = 0

    def stalled(self, stall: Stall) -> None:
        now = self._clock()
        key = stall.route, stall.site.function, stall.site.line
        if len(self._allowances) >= SITES and key not in self._allowances:
            self._allowances.clear()
        allowance = self._allowances.setdefault(key, Allowance(now))
        if not allowance.take(now):
            self.suppressed += 1
            return
        text = sentence(stall)
        if allowance.suppressed:
            text += f" ({allowance.suppressed} more of this site not logged since the last)"
            allowance.suppressed = 0
        logger.warning("%s", text, extra={"stall": stall.to_dict()})


def sentence(stall: Stall) -> str:
    """Return a stall as one sentence."""
    who = f"{stall.method} {stall.route}" if stall.route else stall.coroutine or "something"
    site = stall.site
    text = f"{who} held the loop {stall.duration:.3f} s"
    if site.function == NONE:
        return f"{text}; its line is not known [{stall.cause}]"
    text += f" at {site.file}:{site.line}" if site.exact else f" near {site.file}:{site.line}"
    code = f" {site.code}" if site.code else ""
    return f"{text}{code} in {site.function} [{stall.cause}]"
