"""What the routers of frameworks that leave nothing in the ASGI scope have found, one reader each.

A reader gets the router, the arguments of the call and its result (None before the call), and
returns a leg of the route, or None where nothing is known.
"""

from __future__ import annotations

import sys
from typing import Any

from loopwatch.routing.leg import Leg, mount, rooted
from loopwatch.routing.starlette_routes import UNKNOWN


def quart(context: Any, arguments: Any, result: Any) -> Leg | None:
    asked = getattr(context, "_request_websocket", None)  # from 0.23 on
    rule = (asked or context.request_websocket).url_rule
    if rule is None:
        return None
    return Leg(rule.rule, context.app.view_functions.get(rule.endpoint))


def falcon(app: Any, arguments: Any, result: Any) -> Leg | None:
    responder, template = result[0], result[3]
    return None if template is None else Leg(rooted(template), responder)


def sanic(router: Any, arguments: Any, result: Any) -> Leg | None:
    route, handler = result[:2]
    return Leg(rooted(route.path), handler)


def blacksheep(router: Any, arguments: Any, match: Any) -> Leg | None:
    if match is None or match.pattern in (b"*", b"/*"):  # nothing fits, or the fallback
        return None
    return Leg(rooted(match.pattern.decode()), match.handler)


def blacksheep_mount(app: Any, arguments: Any, result: Any) -> Leg | None:
    scope, match = arguments[:2]
    template = match.pattern.decode().removesuffix("*").rstrip("/")
    return mount(template, scope)


def connexion(operation: Any, arguments: Any, result: Any) -> Leg | None:
    """Return what Connexion's own Starlette router left in its copy of the scope."""
    if operation.operation_id is None:
        return None
    inside, outside = arguments[0], sys.modules[type(operation).__module__]._scope.get()  # noqa: SLF001
    root, route = outside.get("root_path", ""), inside["route"]
    known = {*outside.get("path_params", ()), *route.param_convertors}
    base = inside.get("root_path", "").removeprefix(root)
    if base and not known.issuperset(inside.get("path_params", ())):
        base = UNKNOWN  # it has parameters
    return Leg(base + route.path_format, began=root)


def engineio(app: Any, arguments: Any, result: Any) -> Leg | None:
    """Return the path of Engine.IO and Socket.IO, which look at the path from its beginning."""
    scope, template = arguments[0], app.engineio_path
    if template is None or scope["type"] not in ("http", "websocket"):
        return None
    if not (scope["path"].rstrip("/") + "/").startswith(template):
        return None
    root = scope.get("root_path", "")
    whole = bool(root) and scope["path"].startswith(root)
    return Leg(template, whole=whole, began=scope.get("app_root_path", "") if whole else root)
