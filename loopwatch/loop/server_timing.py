"""The four parts of a request's latency in its own response: the header Server-Timing.

Format: https://www.w3.org/TR/server-timing/, durations in milliseconds. The header has the parts as
of the beginning of the response. Everyone who can read the response can read them.
"""

from __future__ import annotations

from typing import Any

from loopwatch.core.request import Request
from loopwatch.loop.loop_state import LoopState, clock
from loopwatch.loop.response import used

HEADER = b"server-timing"


def with_server_timing(state: LoopState, request: Request, message: Any) -> Any:
    """Return the first message of a response with the header added."""
    header = HEADER, value(*parts(state, request, clock()))
    return {**message, "headers": [*message.get("headers", ()), header]}


def parts(state: LoopState, request: Request, now: float) -> tuple[float, float, float, float]:
    """Return seconds queued, running, stalled and waiting; they add up to the time until now."""
    age = now - request.started
    running = min(used(state, request, now), age)
    stalled = min(request.stalled, age - running)
    return request.queued, running, stalled, age - running - stalled


def value(queued: float, running: float, stalled: float, waiting: float) -> bytes:
    named = {"queued": queued, "running": running, "stalled": stalled, "waiting": waiting}
    return ", ".join(f"{name};dur={1e3 * s:.3f}" for name, s in named.items()).encode()
