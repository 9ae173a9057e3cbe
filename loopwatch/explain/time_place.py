"""Which line a sample of the loop's time stands for, and which call that line made.

The line is that of the innermost own frame. The call is what it called: the library's function that
runs right below it, else the function of C code that stands there, by its source text.

The interpreter looks at a few places only (`bytecode`): after a call of C code, on entering a
function, as a loop goes round. On entering a function, nothing of that one has run: the time was
spent by who calls it. Where no own code is on the stack, the framework works for an endpoint, which
is named, without a line; else the outermost function of the step is, such as a server's.

What follows from a stack is worked out once (`of_stack`): the same lines are seen again and again.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from loopwatch.core.evidence import Spot
from loopwatch.core.memo import CodeMemo
from loopwatch.core.names import code_name, module_globals
from loopwatch.core.record_types import Frame, Site
from loopwatch.core.safe_text import label
from loopwatch.core.stack import Spots, Stack, of_stack
from loopwatch.explain.bytecode import at_entry, stands_on_call
from loopwatch.explain.call_names import called, resolved
from loopwatch.explain.safe_stall import safe_frames, safe_site
from loopwatch.explain.site import (
    SiteRules,
    endpoint_code,
    is_generated,
    not_router,
    own_places,
    site,
    site_of_code,
)

CALLS = 1024  # places in code whose call is remembered


class TimePlace(NamedTuple):
    """What a sample stands for."""

    site: Site
    call: str  # "": the line's own bytecode
    stack: tuple[Frame, ...]  # outermost first


def time_place(spots: Spots, endpoint: Any, exact: bool, rules: SiteRules) -> TimePlace | None:
    """Return what a sample stands for, innermost frame first; None if no line of a step ran.

    `endpoint` is that of the request, if it has one; not `exact`: the step is over by now.
    """
    stack = Stack(begun(spots))
    if not stack:
        return None
    found = line_of(stack, rules)
    if found is not None:
        place, call = found
        return TimePlace(safe_site(site(stack[place], exact)), call, safe_frames(stack))
    code = None if all(map(not_router, stack)) else endpoint_code(endpoint)
    if code is not None and rules.is_own_code(code):
        where = site_of_code(code, getattr(endpoint, "__module__", None))
        return TimePlace(safe_site(where), routed_call(stack), safe_frames(stack))
    return TimePlace(safe_site(site(stack[-1], exact=False)), "", safe_frames(stack))


def begun(spots: Spots) -> Spots:
    """Return a stack without functions that have just been entered, if there is anything else."""
    first = next((n for n, spot in enumerate(spots) if not entered(spot.code, spot.instruction)), 0)
    return spots[first:]


@of_stack
def line_of(spots: Spots, rules: SiteRules) -> tuple[int, str] | None:
    """Return where the own frame to name is in a stack, and what it called; None without one."""
    own = own_places(spots, rules)
    if not own:
        return None
    place = next((place for place in own if not is_generated(spots[place])), own[0])
    if place:
        below = spots[place - 1]
        return place, label(code_name(below.code, below.module))
    spot = spots[0]
    return place, call_at(spot.code, *spot[1:])


@of_stack
def routed_call(spots: Spots) -> str:
    """Return what the router called, innermost of it; the router itself if that is all."""
    router = next(n for n, spot in enumerate(spots) if not not_router(spot))
    spot = spots[max(0, router - 1)]
    return label(code_name(spot.code, spot.module))


def written_call(code: Any, instruction: int, line: int, module: str) -> str:
    """Return the name of a call of C code, "" where a frame is at no call."""
    spot = Spot(code, instruction, line, module)
    if not stands_on_call(spot):
        return ""
    path = next(called(site(spot).code), "")
    return label(next(resolved(path, module_globals(module)), "")) if path else ""


call_at = CodeMemo(written_call, CALLS)
entered = CodeMemo(lambda code, instruction: at_entry(Spot(code, instruction, 0, "")), CALLS)
