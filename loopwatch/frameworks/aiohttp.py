"""aiohttp.web: `web.Application(middlewares=[middleware])`.

Put it first: middlewares before it are not seen. A request ends as its handler returns. aiohttp
writes the response after that, in the same step if it is short; a stall there has the route too.
"""

from __future__ import annotations

from typing import Any

from loopwatch.core.guard import log_once
from loopwatch.frameworks.visit import (
    MESSAGE,
    Visit,
    endpoint_of,
    is_websocket,
    middleware_for,
)
from loopwatch.watch.watch import Watch


class Middleware:
    """Counts the requests of an aiohttp.web application, of its sub-applications as well.

    Args:
        watch: a `Watch` with your options; by default, one with everything on. It starts at the
            first request. If another watch already watches the loop, that watch records the
            requests.

    Raises:
        TypeError: `watch` is not a `Watch`.
    """

    __middleware_version__ = 1  # what `aiohttp.web.middleware` sets

    def __init__(self, *, watch: Watch | None = None) -> None:
        self._middleware = middleware_for(watch)

    async def __call__(self, request: Any, handler: Any) -> Any:
        visit = Visit(request.transport)
        try:
            visit.begin(self._middleware, scope_of(request))
        except Exception:
            log_once("loopwatch.frameworks.aiohttp")
        try:
            response = await handler(request)
            add_headers(visit, response)
            return response
        finally:
            visit.end()


def scope_of(request: Any) -> dict[str, Any]:
    """Return an ASGI scope for a request that has been routed."""
    found = request.match_info
    resource, headers = found.route.resource, request.headers
    scope: dict[str, Any] = {
        "type": "websocket" if is_websocket(headers) else "http",
        "http_version": f"{request.version.major}.{request.version.minor}",
        "headers": ((name.lower(), value) for name, value in request.raw_headers),
        MESSAGE: request,
    }
    if scope["type"] == "http":
        scope["method"] = request.method
    if resource is not None:
        scope["path_template"] = resource.canonical
        scope["endpoint"] = endpoint_of(found.handler, request.method)
    return scope


def add_headers(visit: Visit, response: Any) -> None:
    """Add our headers to a response that is not on its way yet."""
    if getattr(response, "prepared", True):
        return
    for name, value in visit.head():
        response.headers.add(name.decode(), value.decode())


middleware = Middleware()
