"""The ASGI middleware: it records which request each step belongs to.

Pure ASGI. Scopes other than `http` and `websocket`, and calls without an asyncio loop, go straight
to the app. The app is simply awaited, since every callback is timed anyway. With the compiled part,
`native/exchange.c` handles ordinary requests instead.
"""

from __future__ import annotations

import logging
from asyncio import _get_running_loop
from collections.abc import Awaitable, Callable, MutableMapping
from types import FunctionType
from typing import TYPE_CHECKING, Any, TypeAlias

from loopwatch.core.guard import is_due, log_once, say
from loopwatch.core.request import REQUEST, Request, begin
from loopwatch.core.speedups import speedups
from loopwatch.ledger.request_table import finish
from loopwatch.loop.loop_state import LoopState
from loopwatch.loop.step_timing import answering, enter
from loopwatch.watch.watch import Watch
from loopwatch.watch.watched_loop import LOOPS, WatchedLoop

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

_default: Watch | None = None


def default_watch() -> Watch:
    """Return the default watch, one for each process."""
    global _default
    if _default is None:
        _default = Watch()
    return _default


if TYPE_CHECKING or speedups is None:

    class Front:
        """Calls the app; the compiled one leaves unusual requests to `serve`."""

        app: Any

        def remember(self, *parts: Any) -> None:
            """Keep what the requests of the running loop need; in Python, nothing."""

        def forget(self) -> None:
            """Forget a loop that is no longer watched."""

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            raise NotImplementedError

        async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
            raise NotImplementedError

else:
    Front = speedups.Middleware


class LoopWatchMiddleware(Front):
    """Watches the loop that an app runs on, and attributes steps to requests.

    Args:
        app: any ASGI 3 app.
        watch: a `Watch` with your options; by default, one with everything on. It starts at the
            first call, lifespan or request. If another watch already watches the loop, that watch
            records the requests.

    Raises:
        TypeError: `watch` is not a `Watch`.
    """

    def __init__(self, app: App, *, watch: Watch | None = None) -> None:
        if watch is not None and not isinstance(watch, Watch):
            raise TypeError(f"watch must be a loopwatch.Watch or None, got {watch!r}")
        self.app = app
        self.watch = watch
        self._given_up = False
        if speedups is not None and type(self).__call__ is Front.__call__:
            setattr(self, "__call__", self.serve)  # noqa: B010 - servers check whether it is a coroutine function

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the app, and count its request; this is `__call__` without the compiled part."""
        try:
            watched: WatchedLoop | None = LOOPS[_get_running_loop()]
        except KeyError:
            watched = self._start()
        kind = scope["type"]
        if watched is None or (kind != "http" and kind != "websocket"):
            await self.app(scope, receive, send)
            return
        request, state = begin(self, scope), watched.state
        if request.outer is not None:
            await self.nested(watched, request, scope, receive, send)
            return
        if speedups is not None and self not in watched.fronts:
            self._join(watched)
        send = answering(state, request, receive, send, watched.start_response, watched.late)
        try:
            if state.eager:
                enter(state, request)
            await self.app(scope, receive, send)
        finally:
            if not finish(state, watched.rows, request):
                watched.finish(request)
            if type(receive) is FunctionType:
                leave_context(state, request)

    if speedups is None:
        __call__ = serve

    def _join(self, watched: WatchedLoop) -> None:
        """Let the next requests of this loop take the fast path."""
        for other in LOOPS.values():
            other.fronts.discard(self)
        watched.fronts.add(self)
        self.remember(
            watched.loop,
            watched,
            watched.state,
            watched.rows,
            watched.start_response,
            watched.late,
        )

    async def nested(
        self,
        watched: WatchedLoop,
        request: Request,
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        """Call the app within another request's step: this middleware is installed twice, or that
        request's handler calls the app in process."""
        outer, request.outer = request.outer, None
        assert outer is not None
        if outer.scope is scope:
            REQUEST.set(outer)
            await self.app(scope, receive, send)
            return
        try:
            await self.app(scope, receive, send)
        finally:
            watched.finish(request)
            REQUEST.set(outer)

    def _start(self) -> WatchedLoop | None:
        """Watch the running loop; None if that is impossible or not wanted."""
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
            log_once("loopwatch.web.middleware: this app is not watched")
            return None


def leave_context(state: LoopState, request: Request) -> None:
    """Take an ended request out of the current context: its caller may go on in it, and start
    tasks. A server's own context ends with the request; its `receive` is no plain function."""
    state.left = request
    REQUEST.set(None)  # type: ignore[arg-type]


def warn_once() -> None:
    if is_due(__name__):
        say(
            logging.WARNING,
            "loopwatch watches asyncio loops, and there is none here (trio?): it has no effect",
        )


async def awaiting(awaitable: Awaitable[None]) -> None:
    """Wrap what an app returned, which may be any awaitable, in a coroutine."""
    await awaitable


if speedups is not None:
    speedups.wire_middleware(_get_running_loop, awaiting)
