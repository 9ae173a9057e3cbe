"""Sanic under its own server: `install(app)`.

A Sanic application takes no attributes, and rewrites its class's `handle_request` as it starts. So
that method is replaced when the server is about to serve, and put back when it has ended. The
request lasts as long as the method: middlewares, handler, and sending the response.
"""

from __future__ import annotations

from functools import partial, wraps
from typing import Any

from loopwatch.core.guard import guarded, log_once
from loopwatch.core.names import attribute
from loopwatch.core.request import REQUEST
from loopwatch.core.restoring import restore
from loopwatch.frameworks.visit import MESSAGE, Visit, endpoint_of, middleware_for, text_headers
from loopwatch.watch.watch import Watch
from loopwatch.web.middleware import LoopWatchMiddleware

METHOD = "handle_request"


def install(app: Any, *, watch: Watch | None = None) -> Any:
    """Count the requests of a `sanic.Sanic` application under Sanic's own server, and return it.

    Call it before the server starts, in each worker: where the app is made.

    Args:
        app: the application.
        watch: a `Watch` with your options; by default, one with everything on. It starts at the
            first request. If another watch already watches the loop, that watch records the
            requests.

    Raises:
        TypeError: `watch` is not a `Watch`, or `app` is none of Sanic.
    """
    if not callable(getattr(app, METHOD, None)):
        raise TypeError(f"app must be a sanic.Sanic, got {app!r}")
    hook = Hook(app, middleware_for(watch))
    app.register_listener(hook.put, "before_server_start")
    app.register_listener(hook.put_back, "after_server_stop")
    return app


class Hook:
    """The method `handle_request` of an application's class, replaced while its server runs."""

    def __init__(self, app: Any, middleware: LoopWatchMiddleware) -> None:
        self._app, self._middleware = app, middleware
        self._before: Any = None
        self._ours: Any = None

    def put(self, *_: Any) -> None:
        """Replace it; called once the application has rewritten it."""
        owner, app, hook = type(self._app), self._app, self
        original = getattr(owner, METHOD)
        self._before = vars(owner).get(METHOD)

        @wraps(original)  # an application that starts later reads its source
        async def handle_request(self: Any, request: Any) -> Any:
            if self is not app:
                return await original(self, request)
            return await hook.serve(original, request)

        self._ours = handle_request
        setattr(owner, METHOD, handle_request)

    @guarded
    def put_back(self, *_: Any) -> None:
        """Restore it, unless other code has replaced ours since."""
        restore(type(self._app), METHOD, self._ours, self._before)

    async def serve(self, original: Any, request: Any) -> Any:
        visit = Visit(attribute(request, "transport"))
        try:
            if not is_asgi(request):
                visit.begin(self._middleware, scope_of(self._app, request))
        except Exception:
            log_once("loopwatch.frameworks.sanic")
        try:
            return await original(self._app, request)
        finally:
            visit.end()


def is_asgi(request: Any) -> bool:
    """Return whether an ASGI server has called, and our middleware counts the request."""
    scope, outer = attribute(request.transport, "scope"), REQUEST.get(None)
    return scope is not None and outer is not None and outer.scope is scope


def scope_of(app: Any, request: Any) -> dict[str, Any]:
    """Return an ASGI scope for a request."""
    scope: dict[str, Any] = {
        "type": "http",
        "http_version": request.version,
        "method": request.method,
        "headers": text_headers(request.headers.items()),
        MESSAGE: request,
    }
    route = route_of(app, request)
    if route is not None:
        scope["path_template"] = "/" + route.path.lstrip("/")
        scope["endpoint"] = handler_of(route.handler, request.method)
        if hasattr(route.handler, "is_websocket"):
            scope["type"] = "websocket"
            del scope["method"]
    return scope


def route_of(app: Any, request: Any) -> Any:
    """Return the route that the app will find; its router remembers the answer."""
    try:
        return app.router.get(request.path, request.method, request.headers.getone("host", None))[0]
    except Exception:  # there is none, and the app answers so
        return None


def handler_of(handler: Any, method: str) -> Any:
    """Return the user's own function behind a handler: of a class, or of a websocket."""
    if isinstance(handler, partial) and hasattr(handler, "is_websocket") and handler.args:
        return handler.args[0]
    return endpoint_of(attribute(handler, "view_class") or handler, method)
