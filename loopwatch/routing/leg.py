"""One router's part of a route. An app that is mounted in another one's route has several."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

CATCH_ALL = re.compile(r"(:path\}|<path:\w+>|<\w+:path>|\*)/?$")  # whatever follows, of any length


class Leg(NamedTuple):
    """What one router found, and where the next one would go on."""

    template: str  # of the path as far as this router looks at it
    endpoint: Any = None
    more: bool = False  # it hands over to another app, which may know better
    bare: str = ""  # what stands before that app's own template
    whole: bool = False  # the template covers the path from its beginning, mounts included
    scope: Any = None  # of that app, which may be a copy
    root_path: str | None = None  # in it, as it was handed over
    began: str | None = None  # the `root_path` at which the template begins


def rooted(template: str) -> str:
    """Return a template with its leading slash, which some frameworks leave out."""
    return "/" + template.lstrip("/")


def mount(template: str, scope: Any) -> Leg:
    """Return the leg of a mount, which hands a scope over to another app."""
    root = scope.get("root_path", "")
    return Leg(template or "/", more=True, bare=template, scope=scope, root_path=root)


def is_catch_all(template: str) -> bool:
    return CATCH_ALL.search(template) is not None


def joined(legs: Iterable[Leg]) -> Leg | None:
    """Return the legs of a route, outermost first, as one; None if there are none."""
    prefix, last = "", None
    for leg in legs:
        if last is not None:
            if not last.more:
                break
            prefix = "" if leg.whole else attached(prefix, last.bare)
        last = leg
    if last is None or not prefix:
        return last
    return last._replace(template=attached(prefix, last.template))


def attached(prefix: str, template: str) -> str:
    """Return a template behind what stands before it, with one slash between them."""
    before = prefix.rstrip("/")
    return before + (rooted(template) if before and template else template)
