"""An ASGI app that answers GET and HEAD on its own thread.

So a request costs the loop almost nothing, and works even if all worker threads are busy.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeAlias

from loopwatch.core.fork import on_fork

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers: TypeAlias = tuple[tuple[str, str], ...]

METHODS = ("GET", "HEAD")
TEXT = "text/plain; charset=utf-8"
HEADERS: Headers = (
    ("x-content-type-options", "nosniff"),
    ("cache-control", "no-store"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-resource-policy", "same-origin"),
)


class Body(NamedTuple):
    data: bytes
    kind: str  # content type


class Answer(NamedTuple):
    status: int
    body: Body
    headers: Headers = ()


def text_answer(status: int, text: str, *headers: tuple[str, str]) -> Answer:
    """Return an answer with one line of text."""
    return Answer(status, Body(f"{text}\n".encode() if text else b"", TEXT), headers)


class Answering:
    """The app; subclasses define `find`."""

    policy = "default-src 'none'; frame-ancestors 'none'"  # what a browser may do with an answer

    def __init__(self, name: str) -> None:
        self._name = name
        self._after_fork()
        on_fork(self._after_fork)

    def _after_fork(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=self._name)

    def find(self, scope: Scope) -> Callable[[], Answer] | None:
        """Return a function that makes the answer on the app's thread; None for an unknown path."""
        raise NotImplementedError

    def missing(self) -> Answer:
        """Return the answer for an unknown path."""
        return text_answer(404, "not found")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await live(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
        else:
            answer = await self._answer(scope)
            policy = ("content-security-policy", self.policy)
            await respond(scope["method"], answer, (policy, *HEADERS), send)

    async def _answer(self, scope: Scope) -> Answer:
        make = self.find(scope)
        if make is None:
            return self.missing()
        if scope["method"] not in METHODS:
            allow = ", ".join(METHODS)
            return text_answer(405, f"method not allowed; use {allow}", ("allow", allow))
        if asyncio._get_running_loop() is None:  # trio
            return make()
        return await asyncio.get_running_loop().run_in_executor(self._thread, make)


async def respond(method: str, answer: Answer, more: Headers, send: Send) -> None:
    headers = (
        ("content-type", answer.body.kind),
        ("content-length", str(len(answer.body.data))),
        *more,
        *answer.headers,
    )
    raw = [(name.encode(), value.encode()) for name, value in headers]
    await send({"type": "http.response.start", "status": answer.status, "headers": raw})
    data = b"" if method == "HEAD" else answer.body.data
    await send({"type": "http.response.body", "body": data})


async def live(receive: Receive, send: Send) -> None:
    """Accept a server's lifespan events, for an app that is served alone."""
    while True:
        message = await receive()
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return
