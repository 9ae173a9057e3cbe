"""One request: whose turn it is, for whoever asks from inside the request's own context.

The variable is never reset. A bad route often starts, blocks and returns within one step, and a
step is judged after it; a reset would have wiped the culprit's name. `ended` tells instead.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

AFTERLIFE = 5.0  # s for which a task left behind by an ended request still carries its route


class Request:
    """What the loop thread knows of one request; plain numbers, no locks. Times are clock, s.

    `scope` is let go when the request has ended; `row` then names its route.
    """

    __slots__ = (
        "app",
        "charged",
        "ended",
        "long",
        "responded",
        "row",
        "running",
        "scope",
        "started",
        "steps",
    )

    def __init__(self, scope: Any, app: Any, started: float) -> None:
        self.scope = scope
        self.app = app  # where the tree of routes is found
        self.started = self.charged = started
        self.running = 0.0  # s in steps since the row last took it
        self.steps = 0  # of them, the short ones
        self.long: list[float] | None = None  # s each, of the long ones
        self.ended = self.responded = 0.0
        self.row: Any = None


REQUEST: ContextVar[Request] = ContextVar("loopwatch_request")
