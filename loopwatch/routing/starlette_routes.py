"""What the routers of Starlette and FastAPI leave in the ASGI scope.

They leave the innermost route; what came before it is the routers' prefix (known to FastAPI's
effective context) and the mounts, of which only the raw path is left (`root_path`). The mounts'
templates are found by walking the app's tree of routes along that path. FastAPI leaves no route
for a mount.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from loopwatch.routing.leg import Leg, is_catch_all

UNKNOWN = "/{mount}"  # the tree of routes has no mount there


def leg(scope: Any, door: Any, root: str | None = None, until: str | None = None) -> Leg | None:
    """Return what a Starlette or FastAPI app has left in a scope, None if it has not routed.

    `root` is the `root_path` that the app was called with; without it, the app's own note counts.
    `until` is the one that another framework within was called with; else the scope's counts.
    The tree of routes is looked for behind `door`, through any chain of `.app`.
    """
    if "endpoint" not in scope:
        return None
    endpoint, route = scope["endpoint"], scope.get("route")
    path, before = _path(scope, route), _mounts(scope, door, root, until)
    if path is None and before is None:
        return None
    prefix = before or ""
    if path is None or hasattr(route, "routes"):  # it ends at a mount
        return Leg(prefix or path or "/", endpoint, more=True, bare=prefix)
    open_end = is_catch_all(getattr(route, "path", None) or path)
    return Leg(prefix + path, endpoint, more=open_end, bare=prefix)


def is_before_router(scope: Any) -> bool:
    """Return whether a request is in a Starlette app whose middleware has not let it through yet.

    `BaseHTTPMiddleware`, and so `@app.middleware("http")`, calls the router in a task of its own:
    where the loop is held meanwhile, the route is known only after that.
    """
    if scope is None or "router" in scope:
        return False
    return hasattr(scope.get("app"), "middleware_stack")  # Starlette's own; others set "app", too


def _path(scope: Any, route: Any) -> str | None:
    context = (scope.get("fastapi") or {}).get("effective_route_context")
    starlette_route = getattr(context, "starlette_route", None)
    for candidate in (starlette_route, context, route):
        path = getattr(candidate, "path_format", None) or getattr(candidate, "path", None)
        if isinstance(path, str):
            return path
    return None


def _mounts(scope: Any, door: Any, root: str | None, until: str | None) -> str | None:
    """Return the template of the mounts a request went through, None if there were none."""
    if "app_root_path" not in scope:
        return None
    whole = scope.get("root_path", "") if until is None else until
    raw = whole.removeprefix(scope["app_root_path"] if root is None else root)
    if not raw:
        return None
    router = scope.get("router")
    return _walk(_routes(door), raw) or _walk(_routes(router), raw) or UNKNOWN


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
            return str(mount.path) + (_walk(mount.routes, below.rstrip("/")) or UNKNOWN)
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
