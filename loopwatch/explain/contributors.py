"""Who took part in a tick of many callbacks."""

from __future__ import annotations

from loopwatch.core.evidence import Part
from loopwatch.core.names import callable_name
from loopwatch.core.record_types import NONE, Contributor
from loopwatch.explain.site import SiteRules

CONTRIBUTORS = 5  # of a tick of many callbacks that are told


def contributors(parts: tuple[Part, ...], rules: SiteRules) -> tuple[Contributor, ...]:
    """Return the parts of a tick that took longest, most seconds first."""
    return tuple(contributor(part, rules) for part in parts[:CONTRIBUTORS])


def contributor(part: Part, rules: SiteRules) -> Contributor:
    """Return a part of a tick by its own name; a server's task is known by the endpoint."""
    name = part.coroutine or NONE
    if part.endpoint is not None and (name == NONE or rules.is_plumbing_name(name)):
        name = callable_name(part.endpoint)
    return Contributor(coroutine=name, count=part.count, seconds=part.seconds)
