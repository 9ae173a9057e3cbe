"""What Django and Channels resolve: patterns by `path` are templates, those by `re_path` nearly."""

from __future__ import annotations

import re
from typing import Any

from loopwatch.routing.leg import Leg, rooted

GROUP = re.compile(r"\(\?P<(\w+)>(?:[^()\\]|\\.)*\)")  # without a group inside
ANCHOR = re.compile(r"^\^|\\A|(?<!\\)\^|(?<!\\)\$|\\Z|\\z|\?$")


def readable(pattern: str) -> str:
    """Return a pattern with the names of its groups alone, and without anchors."""
    if "(?" not in pattern and "^" not in pattern and "$" not in pattern:
        return rooted(pattern)
    named = ANCHOR.sub("", GROUP.sub(r"<\1>", pattern))
    return rooted(re.sub(r"\\(\W)", r"\1", named))


def view(handler: Any, arguments: Any, match: Any) -> Leg | None:
    """Return what `BaseHandler.resolve_request` has found."""
    return Leg(readable(match.route), match.func)


def consumer(router: Any, arguments: Any, result: Any) -> Leg | None:
    """Return what a `URLRouter` of Channels is about to find: it keeps that to itself."""
    scope = arguments[0]
    path = scope.get("path_remaining")
    if path is None:
        path = scope["path"].removeprefix(scope.get("root_path", ""))
    for route in router.routes:
        if route.pattern.match(path.lstrip("/")):
            template, app = readable(str(route.pattern)), route.callback
            more = getattr(app, "_path_routing", False) is True
            return Leg(template, getattr(app, "consumer_class", app), more, template)
    return None
