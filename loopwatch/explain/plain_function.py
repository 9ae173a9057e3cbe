"""Whether the site is a plain function that can be made a coroutine: it cannot await as it is.

It can, if the user's own coroutine calls it by name, or calls another plain function that does.
What a library calls (a key, a validator, a callback, a property) has to stay as it is.
"""

from __future__ import annotations

import inspect
import itertools
import re

from loopwatch.core.evidence import Spot
from loopwatch.core.stack import Spots, of_stack
from loopwatch.explain.site import SiteRules, is_coroutine, site_place
from loopwatch.explain.source_text import call_text

DEPTH = 16  # plain functions, one called by the other


@of_stack
def could_await(spots: Spots, rules: SiteRules) -> bool:
    """Return whether the site is plain, and could be awaited where it is called."""
    start = site_place(spots, rules)
    if start is None or is_coroutine(spots[start]):
        return False
    for inner, outer in itertools.pairwise(spots[start : start + DEPTH]):
        if not rules.is_own(outer) or not calls(outer, inner):
            return False
        if is_coroutine(outer):
            return True
    return False


def calls(outer: Spot, inner: Spot) -> bool:
    """Return whether a frame calls a plain function by its name: neither a generator that it goes
    over, nor what C code calls for it."""
    if inner.code.co_flags & inspect.CO_GENERATOR:
        return False
    text = call_text(outer)
    found = re.search(rf"(?:^|\.){re.escape(inner.code.co_name)}\(", text)
    before = text[: found.start()] if found is not None else "("
    return before.count("(") == before.count(")")  # else it is among what another call is given
