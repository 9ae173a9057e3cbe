"""A Ctrl-C or a SystemExit that arrives while our own code runs reaches the app."""

import asyncio
import socket
import time
from typing import Any

import pytest

from loopwatch import LoopWatchMiddleware
from loopwatch.core.request import REQUEST
from loopwatch.ledger.request_row import RequestRow
from loopwatch.watch.watched_loop import LOOPS

from .asgi import Receive, Send, answer, visit
from .conftest import MakeWatch, run_on

ENDING = [KeyboardInterrupt, SystemExit]


@pytest.mark.parametrize("error", ENDING)
def test_at_the_end_of_a_request(
    loop: str, error: type[BaseException], make_watch: MakeWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    def note(self: Any, request: Any) -> None:
        raise error

    async def endpoint() -> None:
        """Stands for a view."""

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        scope["endpoint"] = endpoint
        REQUEST.get().waits = [object()] if armed else None
        await answer(send, b"")

    armed: list[bool] = []
    watch = make_watch()
    front = LoopWatchMiddleware(app, watch=watch)

    async def main() -> None:
        await visit(front)
        await visit(front)
        monkeypatch.setattr(RequestRow, "note", note)
        armed.append(True)
        await visit(front)

    with pytest.raises(error):
        run_on(loop, main())
    watch.stop()


def test_between_two_steps(loop: str, make_watch: MakeWatch) -> None:
    """A reader's callback was long: Python files that, and is interrupted there."""
    watch = make_watch()
    ours, theirs = socket.socketpair()

    def read() -> None:
        ours.recv(1)
        time.sleep(0.02)

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    async def main() -> None:
        watch.start()
        running = asyncio.get_running_loop()
        await asyncio.sleep(0.01)
        LOOPS[running].state.long_step = interrupt
        running.add_reader(ours, read)
        theirs.send(b"x")
        await asyncio.sleep(1.0)

    try:
        with pytest.raises(KeyboardInterrupt):
            run_on(loop, main())
    finally:
        watch.stop()
        ours.close()
        theirs.close()
