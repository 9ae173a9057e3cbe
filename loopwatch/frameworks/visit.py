"""One request of a framework that is no ASGI app, counted by the ASGI middleware.

The call of the middleware is begun by hand, waits within its app while the framework serves the
request, and is closed as the request ends. So there is one way to count requests, compiled or not.
Nothing stands between the framework and its handler: results, exceptions and cancellations pass by.

The steps in between are the request's by the context in which it began. A framework that serves all
requests of a connection in one task has each begin in the same context; those before have ended.
"""

from __future__ import annotations

import types
from asyncio import current_task
from collections.abc import Generator, Iterable
from typing import Any, Protocol
from weakref import ref

from loopwatch.core.guard import log_once
from loopwatch.core.names import attribute
from loopwatch.core.request import REQUEST, TASK
from loopwatch.loop.response import BODY, START
from loopwatch.watch.watch import Watch
from loopwatch.web.middleware import LoopWatchMiddleware

MESSAGE = "loopwatch.message"  # in a scope: the framework's own request, for as long as it lasts


class Transport(Protocol):
    """What leads to the socket of a connection."""

    def get_extra_info(self, name: str) -> Any:
        """Return the socket for `"socket"`, None if there is none."""


class Visit:
    """A request from `begin` to `end`, in the task that serves it. Nothing here raises."""

    __slots__ = ("_call", "_headers", "_send", "transport")

    def __init__(self, transport: Transport | None = None) -> None:
        self.transport = transport
        self._call: Any = None
        self._send: Any = None
        self._headers: Iterable[tuple[bytes, bytes]] = ()

    def begin(self, middleware: LoopWatchMiddleware, scope: dict[str, Any]) -> None:
        """Begin the request of an ASGI scope, which is the current one from now on; unless it was
        begun already, by another of our hooks."""
        outer = REQUEST.get(None)
        known = outer.scope if outer is not None else None
        if known is not None and known.get(MESSAGE) is scope[MESSAGE]:
            return
        scope[TASK] = ref(task) if (task := current_task()) is not None else None
        asgi: Any = middleware
        call = asgi(scope, self.receive, self._deliver)
        call.send(None)
        self._call = call

    async def receive(self) -> Any:
        """Stands for a server's `receive`; nobody calls it."""
        return {"type": "http.disconnect"}

    def use(self, send: Any) -> None:
        """Have `send` told of the response."""
        self._send = send

    def head(self) -> Iterable[tuple[bytes, bytes]]:
        """Return the headers to add to the response, which begins now."""
        self._tell({"type": START, "status": 200, "headers": []})
        return self._headers

    def responded(self) -> None:
        """The response is complete; what the request does from now on is in the background."""
        self._tell({"type": BODY})

    def end(self) -> None:
        """End the request, unless it has ended."""
        call, self._call, self._send = self._call, None, None
        if call is not None:
            try:
                call.close()
            except Exception:
                log_once("loopwatch.frameworks.visit")

    def _tell(self, message: dict[str, Any]) -> None:
        if self._send is not None:
            try:
                self._send(message)
            except Exception:
                log_once("loopwatch.frameworks.visit")

    def _deliver(self, message: Any) -> None:
        """Stands for a server's `send`."""
        self._headers = message.get("headers", ())


@types.coroutine
def parked() -> Generator[None, None, None]:
    """Wait until closed."""
    yield


async def wait_for_end(scope: Any, receive: Any, send: Any) -> None:
    """Stand for an ASGI app: a visit goes on meanwhile."""
    receive.__self__.use(send)
    await parked()


def middleware_for(watch: Watch | None) -> LoopWatchMiddleware:
    """Return what counts visits; raises TypeError if `watch` is no `Watch`."""
    return LoopWatchMiddleware(wait_for_end, watch=watch)


def endpoint_of(handler: Any, method: str) -> Any:
    """Return the function that serves a method, where a handler is a class with one for each."""
    if isinstance(handler, type):
        return attribute(handler, method.lower(), handler)
    return handler


def is_websocket(headers: Any) -> bool:
    """Return whether a request's headers ask for a websocket."""
    return "websocket" in (headers.get("Upgrade") or "").lower()


def text_headers(headers: Iterable[tuple[str, str]]) -> Iterable[tuple[bytes, bytes]]:
    """Return headers as an ASGI scope has them, as they are read."""
    for name, text in headers:
        yield name.lower().encode("latin-1", "replace"), text.encode("latin-1", "replace")
