"""The ASGI middleware: it says whose turn it is.

Pure ASGI: whatever is not `http` or `websocket` leaves on the first lines, and so does everything
where there is no asyncio loop. On the asyncio loop the app is simply awaited, since every callback
is timed anyway; on others the app's coroutine is driven step by step. `send` is wrapped only to
see the response end: background tasks run on after that, within the same call.
"""

from __future__ import annotations

from asyncio import _get_running_loop
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from types import CoroutineType
from typing import Any, TypeAlias

from loopwatch.guard import logger, tell_once
from loopwatch.probe.pulse import clock
from loopwatch.probe.steps import drive
from loopwatch.request import REQUEST, Request
from loopwatch.watch import LOOPS, Watch
from loopwatch.watched import WatchedLoop

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

_default: Watch | None = None
_warned = False


def default_watch() -> Watch:
    """Return the watch of every middleware that was given none; one a process."""
    global _default
    if _default is None:
        _default = Watch()
    return _default


class LoopWatchMiddleware:
    """Watches the loop an app runs on, and tells its requests apart.

    Args:
        app: any ASGI 3 app.
        watch: a `Watch` with your options; without one, a default that has everything on. It is
            started at the first call, lifespan or request. If the loop is watched already, by
            whatever watch, that one is told of the requests.

    Raises:
        TypeError: `watch` is no `Watch`.
    """

    def __init__(self, app: App, *, watch: Watch | None = None) -> None:
        if watch is not None and not isinstance(watch, Watch):
            raise TypeError(f"watch must be a loopwatch.Watch or None, got {watch!r}")
        self.app = app
        self.watch = watch
        self._given_up = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        watched = LOOPS.get(_get_running_loop()) or self._start()
        outer = REQUEST.get(None)
        kind = scope["type"]
        if watched is None or (kind != "http" and kind != "websocket") or twice(outer, scope):
            await self.app(scope, receive, send)
            return
        request = Request(scope, self.app, clock())
        nested = outer is not None and not outer.ended
        REQUEST.set(request)
        watched.begin(request, nested)
        if kind == "http":
            send = noting_response(request, send)
        try:
            if watched.drives:
                await drive(watched.pulse, request, coroutine(self.app(scope, receive, send)))
            else:
                await self.app(scope, receive, send)
        finally:
            watched.finish(request)
            if nested and outer is not None:
                REQUEST.set(outer)

    def _start(self) -> WatchedLoop | None:
        """Watch the running loop; None where that cannot be or is not wanted."""
        if self._given_up:
            return None
        loop = _get_running_loop()
        if loop is None:
            warn_once()
            return None
        try:
            watch = self.watch or default_watch()
            if not watch.stopped:
                watch.start()
            return LOOPS.get(loop)
        except Exception:
            self._given_up = True
            tell_once("loopwatch.middleware: this app is not watched")
            return None


def warn_once() -> None:
    global _warned
    if not _warned:
        _warned = True
        logger.warning(
            "loopwatch watches asyncio loops, and there is none here (trio?): it has no effect"
        )


def twice(outer: Request | None, scope: Scope) -> bool:
    """Return whether this very request has come through the middleware already."""
    return outer is not None and outer.scope is scope


def noting_response(request: Request, send: Send) -> Send:
    """Return `send`, noting when the last part of the response is sent."""

    def noting(message: Message) -> Awaitable[None]:
        if message["type"] == "http.response.body" and not message.get("more_body"):
            request.responded = clock()
        return send(message)

    return noting


def coroutine(awaitable: Awaitable[None]) -> Coroutine[Any, Any, None]:
    """Return an awaitable as a coroutine: an app may return any."""
    if type(awaitable) is CoroutineType:
        return awaitable

    async def awaiting() -> None:
        await awaitable

    return awaiting()
