"""The page as a pure ASGI app: which path gives what.

Answers are made on a thread of the page's own, so that asking costs the loop next to nothing and
works while every worker thread of the app is taken.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple, TypeAlias

from loopwatch.fork import on_fork
from loopwatch.page.answers import Answers, Body
from loopwatch.page.document import DOCUMENT, HEADERS
from loopwatch.page.tails import Tails, since
from loopwatch.watch import Watch

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

METHODS = ("GET", "HEAD")
TEXT = "text/plain; charset=utf-8"


class Answer(NamedTuple):
    status: int
    body: Body
    headers: tuple[tuple[str, str], ...] = ()


def page(watch: Watch) -> App:
    """Return the live page of a watch, to mount: `app.mount("/loopwatch", page(watch))`.

    It is an ASGI app, and shows function names, file names, source lines and routes to whoever
    can reach it.
    Raises TypeError if `watch` is no `Watch`.
    """
    if not isinstance(watch, Watch):
        raise TypeError(
            f"watch must be a loopwatch.Watch, got {watch!r}; "
            "give the one that the middleware has: LoopWatchMiddleware(app, watch=watch)"
        )
    return Page(watch)


class Page:
    """Answers GET and HEAD for one watch."""

    def __init__(self, watch: Watch) -> None:
        answers = Answers(watch)
        self._tails = Tails(watch)
        self._makers: dict[str, Callable[[], Body]] = {
            "": lambda: DOCUMENT,
            "snapshot.json": answers.snapshot,
            "stalls.json": answers.stalls,
            "flamegraph.folded": answers.folded,
            "profile.speedscope.json": answers.speedscope,
            "tails.json": self._tails.body,
        }
        self._after_fork()
        on_fork(self._after_fork)

    def _after_fork(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="loopwatch-page")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await live(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
        else:
            await respond(scope["method"], await self._answer(scope), send)

    async def _answer(self, scope: Scope) -> Answer:
        path = relative_path(scope)
        maker = self._makers.get(path.removeprefix("/").removesuffix("/"))
        if maker is None:
            names = " ".join(name or "/" for name in self._makers)
            return Answer(404, Body(f"not found; there is: {names}\n".encode(), TEXT))
        if scope["method"] not in METHODS:
            allow = ", ".join(METHODS)
            body = Body(f"method not allowed; use {allow}\n".encode(), TEXT)
            return Answer(405, body, (("allow", allow),))
        if not path:  # the page asks for what lies beside it, so it needs its slash
            return Answer(307, Body(b"", TEXT), (("location", with_slash(scope)),))
        try:
            maker = partial(maker, since(scope)) if maker == self._tails.body else maker
        except ValueError as error:
            return Answer(400, Body(f"{error}\n".encode(), TEXT))
        if asyncio._get_running_loop() is None:  # trio
            return Answer(200, maker())
        loop = asyncio.get_running_loop()
        return Answer(200, await loop.run_in_executor(self._thread, maker))


def relative_path(scope: Scope) -> str:
    """Return the path below where the page is mounted: empty, or with its leading slash.

    Frameworks differ in whether a mounted app's path still has the mount in it, and whether the
    root path that a proxy took away does.
    """
    path: str = scope["path"]
    root: str = scope.get("root_path", "").rstrip("/")
    outer: str = scope.get("app_root_path", "").rstrip("/")
    for prefix in (root, root.removeprefix(outer)):
        if prefix and (path == prefix or path.startswith(prefix + "/")):
            return path[len(prefix) :]
    return path


def with_slash(scope: Scope) -> str:
    """Return where the page is, relative to the same without its slash: right behind any proxy."""
    path: str = scope["path"] or scope.get("root_path", "")
    return f"./{path.rpartition('/')[2]}/"


async def respond(method: str, answer: Answer, send: Send) -> None:
    headers = (
        ("content-type", answer.body.kind),
        ("content-length", str(len(answer.body.data))),
        *HEADERS,
        *answer.headers,
    )
    raw = [(name.encode(), value.encode()) for name, value in headers]
    await send({"type": "http.response.start", "status": answer.status, "headers": raw})
    data = b"" if method == "HEAD" else answer.body.data
    await send({"type": "http.response.body", "body": data})


async def live(receive: Receive, send: Send) -> None:
    """Go along with a server's lifespan, where the page is served alone."""
    while True:
        message = await receive()
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return
