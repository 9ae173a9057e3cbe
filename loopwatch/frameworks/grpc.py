"""grpc.aio: `grpc.aio.server(interceptors=[interceptor])`.

Put it first. The route is the full name of the method, `/package.Service/Method`. Handlers that are
no coroutines run in threads, not on the loop, and are left alone.

How long a request was queued is not known: gRPC's own threads read the socket, and the requests of
a connection share it.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

import grpc
import grpc.aio

from loopwatch.core.guard import log_once
from loopwatch.frameworks.visit import MESSAGE, Visit, middleware_for
from loopwatch.watch.watch import Watch

KINDS = {  # a handler's attribute with its behaviour; whether requests stream, and responses
    (False, False): "unary_unary",
    (False, True): "unary_stream",
    (True, False): "stream_unary",
    (True, True): "stream_stream",
}


class Interceptor(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]
    """Counts the requests of a `grpc.aio` server.

    Args:
        watch: a `Watch` with your options; by default, one with everything on. It starts at the
            first request. If another watch already watches the loop, that watch records the
            requests.

    Raises:
        TypeError: `watch` is not a `Watch`.
    """

    def __init__(self, *, watch: Watch | None = None) -> None:
        self._middleware = middleware_for(watch)

    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Any]], handler_call_details: Any
    ) -> Any:
        """Return the handler of a call, which counts it."""
        handler = await continuation(handler_call_details)
        try:
            return self._counting(handler, handler_call_details.method)
        except Exception:
            log_once("loopwatch.frameworks.grpc")
            return handler

    def _counting(self, handler: Any, method: str) -> Any:
        if handler is None:
            return None
        kind = KINDS[handler.request_streaming, handler.response_streaming]
        behaviour = getattr(handler, kind)
        if inspect.isasyncgenfunction(behaviour):
            ours: Any = self._stream(behaviour, method)
        elif inspect.iscoroutinefunction(behaviour):
            ours = self._call(behaviour, method)
        else:
            return handler
        make = getattr(grpc, f"{kind}_rpc_method_handler")
        return make(ours, handler.request_deserializer, handler.response_serializer)

    def _call(self, behaviour: Any, method: str) -> Any:
        async def call(request: Any, context: Any) -> Any:
            visit = self._visit(behaviour, method, context)
            try:
                return await behaviour(request, context)
            finally:
                visit.end()

        return call

    def _stream(self, behaviour: Any, method: str) -> Any:
        async def stream(request: Any, context: Any) -> AsyncIterator[Any]:
            visit = self._visit(behaviour, method, context)
            try:
                async with aclosing(behaviour(request, context)) as responses:
                    async for response in responses:
                        yield response
            finally:
                visit.end()

        return stream

    def _visit(self, behaviour: Any, method: str, context: Any) -> Visit:
        visit = Visit()
        scope = {
            "type": "http",
            "http_version": "2",
            "method": "POST",  # of each request of gRPC
            "headers": (),
            "path_template": method,
            "endpoint": behaviour,
            MESSAGE: context,
        }
        try:
            visit.begin(self._middleware, scope)
        except Exception:
            log_once("loopwatch.frameworks.grpc")
        return visit


interceptor = Interceptor()
