"""What Lilya's routes are when their turn comes; Ravyn, which was Esmerald, is built on them."""

from __future__ import annotations

from typing import Any

from loopwatch.routing.leg import Leg, mount, rooted


def path(route: Any, arguments: Any, result: Any) -> Leg | None:
    """Return the leg of a path, a websocket path or a gateway of Ravyn."""
    template, handler = getattr(route, "path", None), getattr(route, "handler", None)
    if not isinstance(template, str):
        return None
    return Leg(rooted(template), getattr(handler, "fn", None) or handler)


def include(route: Any, arguments: Any, result: Any) -> Leg | None:
    """Return the leg of an `Include`: what it includes goes on with the scope that it is given."""
    template = rooted(route.path) if route.path.strip("/") else ""
    return mount(template, arguments[0])
