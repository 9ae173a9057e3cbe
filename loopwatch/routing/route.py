"""The route of a request as a template, never a raw path.

Asked for when a request ends whose row is not known by its endpoint, and of a request that holds
the loop. `path_template` in the ASGI scope wins over whatever a framework says: anyone may set it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from loopwatch.core.request import Request
from loopwatch.core.safe_text import label
from loopwatch.routing import litestar_routes, starlette_routes
from loopwatch.routing.leg import Leg, joined


class Place(NamedTuple):
    """What a request was asked for."""

    route: str | None = None
    method: str | None = None
    endpoint: Any = None


NOWHERE = Place()


def place(request: Request) -> Place:
    """Return what a request was asked for, whether it has ended or not."""
    scope = request.scope
    if scope is None:  # it has ended, and `row` was set before
        return Place(request.row.route, request.row.method, request.row.endpoint)
    found = routed(request)
    route = None if found.template is None else label(found.template)
    return Place(route, scope.get("method", "WEBSOCKET"), found.endpoint)


class Routed(NamedTuple):
    """What is known of a request's route (yet)."""

    template: str | None
    endpoint: Any


def routed(request: Request) -> Routed:
    """Return a request's template with all prefixes, None if it was not routed, and endpoint."""
    scope = request.scope
    found = joined(legs(request))
    endpoint = found.endpoint if found is not None else scope.get("endpoint")
    if "route_handler" not in scope:  # else it is Litestar's, and among the legs
        given = scope.get("path_template")
        if isinstance(given, str):
            return Routed(given, endpoint)
    return Routed(found.template if found is not None else None, endpoint)


def legs(request: Request) -> Iterator[Leg]:
    """Return what each router has said, outermost first."""
    if request.routed is None:
        yield from in_scope(request.scope, request.door)
        return
    inside, began, *noted = request.routed
    if inside:  # a router that writes into the scope had been at work before
        yield from in_scope(request.scope, request.door, until=began)
    yield from noted
    last = noted[-1]
    if not inside and last.more and last.scope is not None:
        yield from in_scope(last.scope, None, last.root_path)


def in_scope(
    scope: Any, door: Any, root: str | None = None, until: str | None = None
) -> Iterator[Leg]:
    """Return what routers have left in a scope: Litestar may mount Starlette, and that Litestar."""
    starlette = starlette_routes.leg(scope, door, root, until)
    litestar = litestar_routes.leg(scope)
    found = (litestar, starlette) if litestar and litestar.more else (starlette, litestar)
    yield from (leg for leg in found if leg is not None)


def is_lone(request: Request) -> bool:
    """Return whether the endpoint in a request's scope leads to its route and method alone."""
    if request.routed is not None or "path_template" in request.scope:
        return False
    return starlette_routes.lone(request.scope, request.door)
