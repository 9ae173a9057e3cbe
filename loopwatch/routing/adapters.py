"""How each framework's route is found: one table.

Starlette and what is built on it (FastAPI, FastMCP, the MCP SDK, Strawberry's apps, NiceGUI,
Gradio) leave the route in the ASGI scope, and so does Litestar: `route.py` reads it when it is
needed, at no cost before. The others keep it to themselves. There, the function that finds the
route is wrapped, once the app has loaded the framework; loopwatch imports none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from loopwatch.routing import django_routes, lilya_routes, resolved
from loopwatch.routing.leg import Leg

Read = Callable[[Any, Any, Any], Leg | None]


class Adapter(NamedTuple):
    """A method of a framework that knows the route, and how to read it there."""

    framework: str
    module: str  # looked for among those that are loaded
    method: str  # `Class.method`
    read: Read
    after: bool = True  # it returns what is read; else it is a coroutine function, read before


ADAPTERS = (
    Adapter(
        "Django", "django.core.handlers.base", "BaseHandler.resolve_request", django_routes.view
    ),
    Adapter("Channels", "channels.routing", "URLRouter.__call__", django_routes.consumer, False),
    Adapter("Quart", "quart.ctx", "AppContext.match_request", resolved.quart),
    Adapter(
        "Quart before 0.23",
        "quart.ctx",
        "_BaseRequestWebsocketContext.match_request",
        resolved.quart,
    ),
    Adapter("Falcon", "falcon.app", "App._get_responder", resolved.falcon),
    Adapter("Sanic", "sanic.router", "Router.get", resolved.sanic),
    *(
        Adapter("BlackSheep", "blacksheep.server.routing", method, resolved.blacksheep)
        for method in (
            "Router.get_match",
            "RouterFiltersMixin.get_match",
            "MultiRouterMixin.get_match",
            "Router.get_match_by_method_and_path",
        )
    ),
    Adapter(
        "BlackSheep",
        "blacksheep.server.application",
        "MountMixin.handle_mount_path",
        resolved.blacksheep_mount,
    ),
    Adapter(
        "Connexion",
        "connexion.middleware.routing",
        "RoutingOperation.__call__",
        resolved.connexion,
        False,
    ),
    Adapter("Lilya", "lilya.routing.path", "Path.handle_dispatch", lilya_routes.path, False),
    Adapter(
        "Lilya",
        "lilya.routing.websocket",
        "WebSocketPath.handle_dispatch",
        lilya_routes.path,
        False,
    ),
    Adapter(
        "Lilya", "lilya.routing.include", "Include.handle_dispatch", lilya_routes.include, False
    ),
    *(
        Adapter("Ravyn", "ravyn.routing.gateways", method, lilya_routes.path, False)
        for method in ("Gateway.handle_dispatch", "WebSocketGateway.handle_dispatch")
    ),
    Adapter(
        "Ravyn", "ravyn.routing.router", "Include.handle_dispatch", lilya_routes.include, False
    ),
    Adapter(
        "Socket.IO", "engineio.async_drivers.asgi", "ASGIApp.__call__", resolved.engineio, False
    ),
)
