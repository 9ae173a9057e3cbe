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

    Every instruction here is paid by every request, so what is rarely needed is not set at first.
    """

    __slots__ = ("ended", "long", "row", "running", "scope", "started", "steps")

    scope: Any  # None once it has ended: `row` names its route then
    started: float
    running: float  # s in steps since the row last took it
    steps: int  # of them, the short ones
    long: list[float]  # s each, of the long ones; not set before there is one
    row: Any  # of the ledger; not set before the end
    ended: float  # not set before the end

    def __init__(self, scope: Any, started: float) -> None:
        self.scope = scope
        self.started = started
        self.running = 0.0
        self.steps = 0


REQUEST: ContextVar[Request] = ContextVar("loopwatch_request")
