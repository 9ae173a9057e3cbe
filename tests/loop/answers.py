"""The `send` an app gets, made by hand by either twin, on a server that notes what reaches it."""

from collections.abc import Callable
from contextvars import Context
from typing import Any

import pytest

from loopwatch.core.request import Request, begin
from loopwatch.core.speedups import speedups
from loopwatch.loop.loop_state import LoopState
from loopwatch.loop.response import answering as python_answering
from tests.asgi import http_scope

TWINS: dict[str, Any] = {
    "python": python_answering,
    "compiled": speedups and speedups.answering,
}
START: dict[str, Any] = {"type": "http.response.start", "status": 200, "headers": []}
BODY: dict[str, Any] = {"type": "http.response.body", "body": b"x"}
MORE = {**BODY, "more_body": True}


@pytest.fixture(params=TWINS)
def answering(request: pytest.FixtureRequest) -> Callable[..., Any]:
    found = TWINS[request.param]
    if found is None:
        pytest.skip("the compiled twin was not built: no compiler, or no GIL")
    function: Callable[..., Any] = found
    return function


def nothing(*arguments: Any) -> None: ...


def a_state() -> LoopState:
    return LoopState(None, 0.1, nothing, nothing, nothing)


def a_request() -> Request:
    return Context().run(begin, None, http_scope())


class Server:
    """What a server's `send` was called with."""

    def __init__(self) -> None:
        self.called: list[Any] = []

    def send(self, *arguments: Any, **named: Any) -> Any:
        self.called.append((*arguments, *named.items()))
        return "sending"

    async def asend(self, message: Any) -> None:
        self.called.append(message)


def no_start(request: Request, message: Any) -> Any:
    raise AssertionError("it must not be asked")


def an_answer(
    answering: Callable[..., Any], start: Any = None
) -> tuple[Any, Request, list[Any], LoopState]:
    """Return an answer, its request, and what reached the server."""
    server, request, state = Server(), a_request(), a_state()
    made = answering(state, request, None, server.send, start, no_start)
    return made, request, server.called, state
