"""The coroutine that held the loop: the user's own wherever there is one on the stack.

Under a server the task's coroutine is the server's, and below a framework, a broker or a bot it is
theirs. So it is the endpoint where that is own code, else the outermost own coroutine, else the
outermost own function. A library's is named only where nothing own is known.
"""

from __future__ import annotations

from typing import Any

from loopwatch.core.evidence import Sample, Slow, Spot
from loopwatch.core.names import callable_name, code_name
from loopwatch.core.stack import of_stack
from loopwatch.explain.site import SiteRules, function_name, is_coroutine


def holder(slow: Slow, sample: Sample | None, endpoint: Any, rules: SiteRules) -> str | None:
    """Return `module.qualname` of who held the loop; None if nobody is known.

    `endpoint` is that of a request which was in flight.
    """
    if endpoint is not None and rules.is_own_callable(endpoint):
        return callable_name(endpoint)
    spots = sample.spots if sample is not None else ()
    own = own_coroutine(spots, rules)
    if own is not None:
        return own
    return callable_name(endpoint) if endpoint is not None else not_own(slow, sample, rules)


@of_stack
def own_coroutine(spots: tuple[Spot, ...], rules: SiteRules) -> str | None:
    """Return the outermost own coroutine, or else function, of a stack."""
    own = rules.own_spots(spots)[::-1]
    found = next(filter(is_coroutine, own), own[0] if own else None)
    return function_name(found.code, found.module) if found is not None else None


def not_own(slow: Slow, sample: Sample | None, rules: SiteRules) -> str | None:
    """Return the task's coroutine; where that is a server's or runner's, the outermost function
    above it that is not."""
    coroutine = (sample.coroutine if sample is not None else None) or slow.coroutine
    if coroutine is not None and not rules.is_plumbing_name(coroutine):
        return coroutine
    spots: tuple[Spot, ...] = sample.spots if sample is not None else ()
    spot = next((s for s in reversed(spots) if not rules.is_plumbing(s)), None)
    return code_name(spot.code, spot.module) if spot is not None else None
