"""Where a request waits, from the frames of its await chain: own line, library call, resource."""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

from loopwatch.core.names import attribute
from loopwatch.core.record_types import NONE, Site
from loopwatch.core.stack import Spots, of_stack
from loopwatch.explain.site import (
    SiteRules,
    endpoint_code,
    function_name,
    not_router,
    site,
    site_of_code,
    site_place,
)
from loopwatch.explain.wait_resources import frame_name, resource_of

NOWHERE = Site(NONE, exact=False)


class WaitPlace(NamedTuple):
    """What a chain says by itself."""

    own: int | None  # which frame is the own line, 0: the innermost; None: no frame is
    call: str  # the library's call below it
    resource: str
    decider: int  # which frame tells the resource
    library: int  # how many frames, from the innermost on, are a library's below the own line


@of_stack
def wait_place(spots: Spots, rules: SiteRules, kind: str) -> WaitPlace:
    """Return what a chain says, innermost first; `kind` is that of the future at its end."""
    place = site_place(spots, rules)
    if place is not None and not rules.is_own(spots[place]):
        place = None
    within = [*itertools.takewhile(not_router, spots)] if place is None else spots[:place]
    names = [frame_name(spot) for spot in within]
    resource, decider = resource_of(names, kind)
    return WaitPlace(place, call_of(names), resource, decider, len(names))


def call_of(names: list[str]) -> str:
    """Return the outermost of a library's frames that has a name of its own."""
    told = (name for name in reversed(names) if not is_protocol(name))
    return next(told, names[-1] if names else "")


def is_protocol(name: str) -> bool:
    """Return whether a function is called by `await` or `async with`, not by its name."""
    return name.endswith("__") or name.startswith("asyncio.futures.")


def site_of_wait(stack: Spots, place: WaitPlace, rules: SiteRules, endpoint: Any) -> Site:
    """Return the own line of a chain; without one, the endpoint, or else the innermost function
    that is not plumbing."""
    if place.own is not None:
        return site(stack[place.own])
    code = endpoint_code(endpoint)
    if code is not None and rules.is_own_callable(endpoint):
        return site_of_code(code, attribute(endpoint, "__module__"))
    spot = rules.site_spot(stack)
    return NOWHERE if spot is None else site(spot, exact=False)


def waiter_name(stack: Spots, rules: SiteRules) -> str:
    """Return the coroutine that waits: the outermost own one, else the outermost of all."""
    own = rules.own_spots(stack)
    spot = own[-1] if own else stack[-1]
    return function_name(spot.code, spot.module)
