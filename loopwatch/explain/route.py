"""The route of a request as a template, from what routers leave in the ASGI scope.

Starlette and FastAPI leave the innermost route; what came before it is the routers' prefix (known
to FastAPI's effective context) and the mounts, of which only the raw path is left (`root_path`).
The mounts' templates are found by walking the app's route tree along that path.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from loopwatch.core.request import Request
from loopwatch.explain.safe_stall import known


class Place(NamedTuple):
    """What a request was asked for."""

    route: str | None = None
    method: str | None = None
    endpoint: Any = None


def place(request: Request) -> Place:
    """Return what a request was asked for, whether it has ended or not."""
    scope = request.scope
    if scope is None:  # it has ended, and `row` was set before
        return Place(request.row.route, request.row.method, request.row.endpoint)
    route = known(template(scope, request.door))
    return Place(route, scope.get("method", "WEBSOCKET"), scope.get("endpoint"))


def template(scope: Any, door: Any) -> str | None:
    """Return the route's template with all prefixes, None if the request was not routed (yet).

    The tree of routes is looked for behind `door`, through any chain of `.app`.
    """
    known = scope.get("path_template")  # Litestar's
    if isinstance(known, str):
        return known
    route = scope.get("route")
    path = _path(scope, route)
    if path is None:
        return None
    prefix = _mounts(scope, door)
    if prefix is None:
        return path
    if hasattr(route, "routes"):  # the mount itself: whatever is below it has no routes to tell
        return prefix or "/"
    return prefix + path


def _path(scope: Any, route: Any) -> str | None:
    context = (scope.get("fastapi") or {}).get("effective_route_context")
    starlette_route = getattr(context, "starlette_route", None)
    for candidate in (starlette_route, context, route):
        path = getattr(candidate, "path_format", None) or getattr(candidate, "path", None)
        if isinstance(path, str):
            return path
    return None


def _mounts(scope: Any, door: Any) -> str | None:
    """Return the template of the mounts a request went through, None if there were none."""
    if "app_root_path" not in scope:
        return None
    raw = scope.get("root_path", "").removeprefix(scope["app_root_path"])
    return (_walk(_routes(door), raw) or "/{mount}") if raw else None


def _routes(app: Any) -> Iterable[Any]:
    for _ in range(100):  # middlewares, one inside the other
        routes = getattr(app, "routes", None)
        if isinstance(routes, list):
            return routes
        app = getattr(app, "app", None)
        if app is None:
            return ()
    return ()


def _walk(routes: Iterable[Any], raw: str) -> str | None:
    """Return the templates of the mounts along `raw`, None where the tree has none."""
    for mount in _flat(routes):
        regex = getattr(mount, "path_regex", None)
        if regex is None or not hasattr(mount, "app") or not hasattr(mount, "routes"):
            continue
        match = regex.match(raw + "/")
        if match is None:
            continue
        rest = "/" + match.groupdict().get("path", "")
        below = raw[len(raw) + 1 - len(rest) :] if rest != "/" else ""
        if below and below != "/":
            return str(mount.path) + (_walk(mount.routes, below.rstrip("/")) or "/{mount}")
        return str(mount.path)
    return None


def _flat(routes: Iterable[Any]) -> Iterable[Any]:
    for route in routes:
        candidates = getattr(route, "effective_candidates", None)
        if candidates is None:
            yield route
        else:
            for candidate in _flat(candidates()):
                yield getattr(candidate, "starlette_route", None) or candidate


def lone(scope: Any, door: Any) -> bool:
    """Return whether the endpoint in a scope serves one route with one method (beside HEAD)."""
    endpoint = scope.get("endpoint")
    if endpoint is None:
        return False
    uses = [methods for other, methods in _leaves(_routes(door)) if other is endpoint]
    return len(uses) == 1 and len(set(uses[0]) - {"HEAD"}) == 1


def _leaves(routes: Iterable[Any]) -> Iterable[tuple[Any, Iterable[str]]]:
    """Return every endpoint of a tree of routes, with its methods, as often as it is used."""
    for route in _flat(routes):
        below = getattr(route, "routes", None)
        if isinstance(below, list) and below:
            yield from _leaves(below)
        else:
            yield getattr(route, "endpoint", None), getattr(route, "methods", None) or ()
