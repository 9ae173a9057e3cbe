"""What the tests of the compiled twin are made with: a loop state, and a front without a server."""

import asyncio
import gc
from collections.abc import Callable
from contextvars import Context
from typing import Any

from loopwatch.core import speedups as twin
from loopwatch.core.request import begin
from loopwatch.loop.loop_state import LoopState

speedups: Any = twin.speedups
HTTP = {"type": "http"}


def a_state(loop: Any = None) -> Any:
    return LoopState(loop, 0.1, lambda *_: None, lambda *_: None, lambda *_: None)


def a_request() -> Any:
    return Context().run(begin, None, {"type": "http"})


async def send(message: Any) -> None:
    """The server's, which sends nothing."""


async def receive() -> Any:
    """The server's, which receives nothing."""


async def napping(scope: Any, receive: Any, send: Any) -> str:
    """An app that is suspended once."""
    await asyncio.sleep(0)
    return "what nobody asks for"


class Finishing:
    """Stands for a watched loop: it takes all requests that end."""

    def __init__(self) -> None:
        self.finished = 0

    def finish(self, request: Any) -> None:
        self.finished += 1
        request.scope = None


def a_front(
    app: Any = napping, late: Callable[..., None] = lambda *_: None, state: LoopState | None = None
) -> Any:
    """Return a middleware of the twin's own, which takes every call here for an ordinary one."""

    class Front(speedups.Middleware):  # type: ignore[misc]
        async def serve(self, *arguments: Any) -> str:
            return "served"

    front = Front()
    front.app = app
    running = asyncio._get_running_loop()
    front.remember(running, Finishing(), state or a_state(), {}, None, late)
    return front


def answered(state: LoopState | None = None) -> Any:
    """Return the `send` that an app gets."""
    return speedups.answering(state or a_state(), a_request(), receive, send, None, print)


def kept(name: str) -> list[Any]:
    """Return the objects of a type, by its name, that the collector knows."""
    gc.unfreeze()  # earlier modules have left some, too
    return [each for each in gc.get_objects() if type(each).__name__ == name]
