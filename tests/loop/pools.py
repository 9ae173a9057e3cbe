"""What tests of thread pools share: requests that ask for threads, and who was charged."""

import time
from collections.abc import Callable
from typing import Any

from loopwatch.core.request import Request, begin
from loopwatch.loop.loop_state import clock
from tests.asgi import http_scope

NEAR = 0.010  # s


class Charges:
    """What each request was charged, by its path."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def add(self, request: Request, seconds: float) -> None:
        path = request.scope["path"]
        self.seconds[path] = self.seconds.get(path, 0.0) + seconds


class Job:
    """One request's blocking call, and when it really asked, began and was done (clock, s)."""

    def __init__(self, path: str, seconds: float = 0.0, then: Callable[[], Any] = int) -> None:
        self.path, self.seconds, self.then = path, seconds, then
        self.asked = self.began = self.done = 0.0

    def ask(self) -> "Job":
        """Begin a request in the caller's context, which is about to ask for a thread."""
        begin(None, http_scope(self.path))
        self.asked = clock()
        return self

    def __call__(self) -> "Job":
        self.began = clock()
        time.sleep(self.seconds)
        self.then()
        self.done = clock()
        return self
