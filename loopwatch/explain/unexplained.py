"""A stall that is only timed, since explaining it would have cost more than the CPU budget has."""

from __future__ import annotations

from loopwatch.core.evidence import Slow
from loopwatch.core.names import callable_name
from loopwatch.core.record_types import Stall
from loopwatch.core.request import unix_time
from loopwatch.core.safe_text import encodable
from loopwatch.explain.culprit import owner
from loopwatch.explain.safe_stall import known
from loopwatch.routing.route import Place, place

ADVICE = (
    "loopwatch has only timed this stall: its CPU budget was spent. Mend what is named in other "
    "stalls first, or raise cpu_budget."
)


def unexplained(slow: Slow) -> Stall:
    """Return what is known of a slow callback without any work: when, for how long, which route."""
    request = owner(slow, None) if not slow.parts else None
    where = place(request) if request is not None else Place()
    name = slow.coroutine if where.endpoint is None else callable_name(where.endpoint)
    return Stall(
        started_at=unix_time(slow.started),
        duration=slow.duration,
        route=known(where.route),
        method=known(where.method),
        coroutine=known(name),
        thread=encodable(slow.thread),
        advice=ADVICE,
    )
