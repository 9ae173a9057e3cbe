"""An app whose loop is always busy, in steps of half a millisecond, from its start to its end."""

import asyncio
import time
from typing import Any

STEP = 0.0005  # s


async def work() -> None:
    while True:
        ended = time.perf_counter() + STEP
        while time.perf_counter() < ended:
            pass
        await asyncio.sleep(0)


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await receive()
        busy = asyncio.create_task(work())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        busy.cancel()
        await send({"type": "lifespan.shutdown.complete"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"{}"})
