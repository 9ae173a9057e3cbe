"""The loop of the port beside the app: it has turns at the GIL while the app's loop is full."""

from __future__ import annotations

import asyncio
import selectors

from loopwatch.core.gil_turns import FOR_PORT
from loopwatch.core.rest import rest

LONGEST = 60.0  # s of one poll


class RestingSelector(selectors.DefaultSelector):
    """Waits outside the interpreter until the selector itself can be read, and then asks it."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if hasattr(self, "fileno"):
            seconds = LONGEST if timeout is None else min(LONGEST, max(0.0, timeout))
            rest(FOR_PORT, self.fileno(), seconds, ())
            timeout = 0
        return super().select(timeout)


def admin_loop() -> asyncio.AbstractEventLoop:
    return asyncio.SelectorEventLoop(RestingSelector())
