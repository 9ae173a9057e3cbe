"""An ASGI app that answers GET and HEAD on its own thread.

So a request costs the loop almost nothing, and works even if all worker threads are busy. Requests
for the same thing share an answer, and a client that has left gets none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, MutableMapping
from contextlib import suppress
from typing import Any, NamedTuple, TypeAlias

from loopwatch.core.request import OURS, REQUEST, Request
from loopwatch.exporters.shared_answers import PATIENCE, BusyError, Outcome, SharedAnswers

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
    keep: bool = True  # for those who ask again soon


class Question(NamedTuple):
    """What was asked: those whose `key` is the same get the same answer."""

    key: Hashable
    make: Callable[[], Answer]


def text_answer(status: int, text: str, *headers: tuple[str, str]) -> Answer:
    """Return an answer with one line of text."""
    return Answer(status, Body(f"{text}\n".encode() if text else b"", TEXT), headers)


class Answering:
    """The app; subclasses define `find`."""

    policy = "default-src 'none'; frame-ancestors 'none'"  # what a browser may do with an answer

    def __init__(self, name: str, share: float, longest: float) -> None:
        self._answers = SharedAnswers(name, share, longest)

    def find(self, scope: Scope) -> Answer | Question | None:
        """Return the answer, or what makes it on the app's own thread; None: nothing is there."""
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
            note_ours(REQUEST.get(None))
            answer = await self._answer(scope, receive)
            if answer is not None:
                policy = ("content-security-policy", self.policy)
                await respond(scope["method"], answer, (policy, *HEADERS), send)

    def answer(self, scope: Scope) -> Answer:
        """Return the answer on a thread that may wait for it, outside any loop."""
        found = self._found(scope)
        if isinstance(found, Answer):
            return found
        try:
            answer: Answer = self._answers.answer(*found)
        except BusyError as busy:
            return too_busy(busy)
        return answer

    def _found(self, scope: Scope) -> Answer | Question:
        found = self.find(scope)
        if found is None:
            return self.missing()
        if scope["method"] not in METHODS:
            allow = ", ".join(METHODS)
            return text_answer(405, f"method not allowed; use {allow}", ("allow", allow))
        return found

    async def _answer(self, scope: Scope, receive: Receive) -> Answer | None:
        """Return the answer; None if the client has left meanwhile."""
        found = self._found(scope)
        if isinstance(found, Answer):
            return found
        if asyncio._get_running_loop() is None:  # trio
            return found.make()
        known: Answer | None = self._answers.kept(found.key)
        try:
            return known or await shared(self._answers, found, receive)
        except BusyError as busy:
            return too_busy(busy)


def note_ours(request: Request | None) -> None:
    """Note that a request is for us: it waits for our own thread, which is nothing to look into."""
    if request is not None and request.scope is not None:
        request.scope[OURS] = True


def too_busy(busy: BusyError) -> Answer:
    return text_answer(503, f"{busy}; ask later", ("retry-after", str(busy.retry_after)))


async def shared(answers: SharedAnswers, question: Question, receive: Receive) -> Answer | None:
    """Return the next answer to a question, None if the client leaves before; raises BusyError."""
    loop = asyncio.get_running_loop()
    coming: asyncio.Future[Outcome] = loop.create_future()

    def tell(outcome: Outcome) -> None:
        with suppress(RuntimeError):  # the loop has closed
            loop.call_soon_threadsafe(settle, coming, outcome)

    leave = answers.join(*question, tell)
    leaving = asyncio.ensure_future(has_left(receive))
    try:
        await asyncio.wait((coming, leaving), timeout=PATIENCE, return_when="FIRST_COMPLETED")
    finally:
        leave()
        left = leaving.done()
        leaving.cancel()
    if coming.done():
        answer: Answer = coming.result().result()
        return answer
    if left:
        return None
    raise BusyError(PATIENCE)


def settle(coming: asyncio.Future[Outcome], outcome: Outcome) -> None:
    if not coming.done():
        coming.set_result(outcome)


async def has_left(receive: Receive) -> None:
    """Return once the client has left; never if that is not told."""
    more = True
    with suppress(Exception):
        while (message := await receive())["type"] != "http.disconnect":
            if not more:  # whoever says that again and again says nothing else
                break
            more = message.get("more_body", False)
        else:
            return
    await asyncio.get_running_loop().create_future()


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
