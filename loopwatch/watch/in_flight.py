"""The requests of a loop that are in flight, found without a list of them: tasks know theirs."""

from __future__ import annotations

import asyncio
from typing import Any

from loopwatch.core.request import REQUEST, Request
from loopwatch.loop.loop_state import clock
from loopwatch.watchdog.stack_sample import task_context


def requests_in_flight(loop: Any, older_than: float = 0.0) -> set[Request]:
    """Return the requests of a loop, from so many s of age on; any thread may ask."""
    now, found = clock(), set()
    for task in asyncio.all_tasks(loop):
        context = task_context(task)
        request = context.get(REQUEST) if context is not None else None
        if request is None or request.scope is None:  # none, or ended
            continue
        if now - request.started >= older_than:
            found.add(request)
    return found
