"""An app that was never told of loopwatch: it blocks, and answers for how long."""

import time
from typing import Any

SECONDS = 0.5


def sleep() -> float:
    began = time.monotonic()
    time.sleep(SECONDS)
    return time.monotonic() - began


def spin() -> float:
    began = now = time.monotonic()
    while now - began < SECONDS:
        now = time.monotonic()
    return now - began


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return
    held = {"/sleep": sleep, "/spin": spin}.get(scope["path"], float)()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": repr(held).encode()})
