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

    There is no `__init__`, since the call costs more than all else about a request: the middleware
    sets what is marked (1) as it begins, the ledger what is marked (2) as it ends.
    """

    __slots__ = ("door", "ended", "row", "scope", "started", "times")

    scope: Any  # (1) the ASGI scope; (2) None: `row` names its route from then on
    door: Any  # (1) the middleware it came through: the tree of routes is behind it
    started: float  # (1)
    times: list[float]  # (1) s each, of its steps since the row last took them
    row: Any  # (2) of the ledger
    ended: float  # (2)


REQUEST: ContextVar[Request] = ContextVar("loopwatch_request")
