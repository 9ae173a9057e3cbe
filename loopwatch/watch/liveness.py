"""Whether a process is alive, as a supervisor should see it: asked off the loop, while it is held.

Busy is not dead: a loop that is always busy in short steps is alive. It is dead once one step has
held it for `live_after`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from loopwatch.core.record_types import Stall
from loopwatch.loop.loop_state import clock
from loopwatch.watch.watched_loop import WatchedLoop


class Liveness(NamedTuple):
    """What `GET /livez` answers: 200 if `alive`, else 503."""

    alive: bool
    report: dict[str, Any]  # JSON-ready


def liveness(
    loops: Iterable[WatchedLoop], in_progress: Sequence[Stall], live_after: float
) -> Liveness:
    """Return the state of the loop that has been held longest; times are s."""
    longest = max(in_progress, key=lambda stall: stall.duration, default=None)
    now = clock()
    is_busy = any(watched.probe.ticking(now) > 0.0 for watched in loops)
    held = longest.duration if longest is not None else 0.0
    report = {
        "state": "held" if longest is not None else "busy" if is_busy else "idle",
        "held_seconds": round(held, 3),
        "live_after": live_after,
        "culprit": culprit(longest) if longest is not None else None,
    }
    return Liveness(held < live_after, report)


def culprit(stall: Stall) -> dict[str, Any]:
    site = stall.site
    return {
        "route": stall.route,
        "method": stall.method,
        "coroutine": stall.coroutine,
        "function": site.function,
        "file": site.file,
        "line": site.line,
        "code": site.code,
        "cause": stall.cause,
        "waits_for": stall.blocker.text if stall.blocker is not None else None,
    }
