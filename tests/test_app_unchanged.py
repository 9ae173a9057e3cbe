"""An app under the middleware notices nothing: its context, errors, cancellation, clean-up."""

import asyncio
import contextvars
from collections.abc import Awaitable, Generator
from typing import Any

import pytest

from loopwatch import LoopWatchMiddleware
from tests.web.requests import hello, requests_of

from .asgi import Message, Receive, Send, answer, http_scope, visit
from .conftest import MakeWatch, run_on

LANGUAGE: contextvars.ContextVar[str] = contextvars.ContextVar("LANGUAGE", default="none")


@pytest.mark.parametrize("eager", [False, True])
def test_what_the_app_sets_stays_set(loop: str, eager: bool, make_watch: MakeWatch) -> None:
    """The app runs in its caller's context: variables go in and come out as without us."""
    watch = make_watch()
    seen: list[str] = []

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        seen.append(LANGUAGE.get())
        LANGUAGE.set("inside")
        if not eager:
            await asyncio.sleep(0)
        seen.append(LANGUAGE.get())
        await answer(send)

    async def main() -> None:
        LANGUAGE.set("outside")
        await visit(LoopWatchMiddleware(app, watch=watch))
        seen.append(LANGUAGE.get())

    run_on(loop, main())
    assert seen == ["outside", "inside", "inside"]


@pytest.mark.parametrize("steps", [0, 2])
def test_errors_reach_the_server_as_they_were_raised(
    loop: str, steps: int, make_watch: MakeWatch
) -> None:
    """The same object, with no cause or context of ours; the request is counted."""
    watch, error = make_watch(), ValueError("mine")

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        scope["path_template"] = "/raises"
        for _ in range(steps):
            await asyncio.sleep(0)
        raise error

    async def main() -> None:
        with pytest.raises(ValueError, match="mine") as caught:
            await visit(LoopWatchMiddleware(app, watch=watch))
        assert caught.value is error
        assert error.__context__ is None
        assert error.__cause__ is None

    run_on(loop, main())
    assert requests_of(watch.snapshot()) == {("/raises", "GET"): 1}


def test_thrown_errors_have_the_context_they_would_have(loop: str, make_watch: MakeWatch) -> None:
    """What a future raises into the app brings no context of ours, nor does what follows it."""
    watch = make_watch()
    met: list[BaseException] = []

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(future.set_exception, KeyError("thrown"))
        try:
            await future
        except KeyError as error:
            met.append(error)
        try:
            raise IndexError("after")
        except IndexError as error:
            met.append(error)
        await asyncio.sleep(0)
        try:
            raise OSError("later")
        except OSError as error:
            met.append(error)
        await answer(send)

    run_on(loop, visit(LoopWatchMiddleware(app, watch=watch)))
    assert [type(error) for error in met] == [KeyError, IndexError, OSError]
    assert [error.__context__ for error in met] == [None, None, None]


def test_cancellation_reaches_the_app(loop: str, make_watch: MakeWatch) -> None:
    """With its message; the app may clean up, and even await, before it lets go."""
    watch = make_watch()
    told: list[Any] = []

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        scope["path_template"] = "/cancelled"
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError as error:
            told.append(error.args)
            await asyncio.sleep(0.01)
            told.append("cleaned up")
            raise

    async def main() -> None:
        task = asyncio.ensure_future(visit(LoopWatchMiddleware(app, watch=watch)))
        await asyncio.sleep(0.02)
        task.cancel("client went away")
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()

    run_on(loop, main())
    assert told == [("client went away",), "cleaned up"]
    assert requests_of(watch.snapshot()) == {("/cancelled", "GET"): 1}


def test_swallowed_cancellation_stays_swallowed(loop: str, make_watch: MakeWatch) -> None:
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            assert task is not None
            assert task.uncancel() == 0
        await asyncio.sleep(0.01)
        await answer(send, b"still here")

    async def main() -> None:
        task = asyncio.ensure_future(visit(LoopWatchMiddleware(app, watch=make_watch())))
        await asyncio.sleep(0.02)
        task.cancel()
        assert (await task)[1]["body"] == b"still here"

    run_on(loop, main())


def test_closing_runs_the_app_s_cleanup(loop: str, make_watch: MakeWatch) -> None:
    """A server that closes the coroutine (GeneratorExit) closes the app's with it, at once."""
    watch = make_watch()
    cleaned: list[str] = []

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        try:
            await asyncio.sleep(10)
        except GeneratorExit:
            cleaned.append("exit")
            raise
        finally:
            cleaned.append("finally")

    async def main() -> None:
        call: Any = LoopWatchMiddleware(app, watch=watch)(http_scope(), no_receive, no_send)
        call.send(None)
        call.close()

    run_on(loop, main())
    assert cleaned == ["exit", "finally"]


async def no_receive() -> Message:
    raise AssertionError


async def no_send(message: Message) -> None:
    raise AssertionError


class Waits:
    """An awaitable that is no coroutine."""

    def __init__(self, awaited: Awaitable[None]) -> None:
        self.awaited = awaited

    def __await__(self) -> Generator[Any, None, None]:
        return self.awaited.__await__()


def test_an_app_may_return_any_awaitable(loop: str, make_watch: MakeWatch) -> None:
    def app(scope: Any, receive: Receive, send: Send) -> Awaitable[None]:
        return Waits(hello(scope, receive, send))

    def future(scope: Any, receive: Receive, send: Send) -> Awaitable[None]:
        return asyncio.ensure_future(hello(scope, receive, send))

    async def main() -> None:
        for kind in (app, future):
            sent = await visit(LoopWatchMiddleware(kind, watch=make_watch()))
            assert sent[1]["body"] == b"hello"
            await asyncio.sleep(0)

    run_on(loop, main())


def test_an_app_that_is_no_app_fails_as_it_would(loop: str, make_watch: MakeWatch) -> None:
    def app(scope: Any, receive: Receive, send: Send) -> Awaitable[None]:
        raise TypeError("old style")

    async def main() -> None:
        with pytest.raises(TypeError, match="old style"):
            await visit(LoopWatchMiddleware(app, watch=make_watch()))

    run_on(loop, main())
