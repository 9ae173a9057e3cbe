"""A watch that has seen some of everything."""

import asyncio
from typing import Any

from loopwatch import LoopWatchMiddleware, timed
from tests.watch.recorder import block

from ..asgi import Receive, Send, answer, visit
from ..conftest import spin_for, watchdog_round


async def some_life(watch: Any) -> None:
    """Have something in every metric: a request, a stall, a step, a timed coroutine."""

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        scope["path_template"], scope["endpoint"] = "/life", block
        await asyncio.sleep(0)
        spin_for(0.12)
        await answer(send)

    watch.start()
    await asyncio.sleep(0)
    await timed(asyncio.sleep(0), "nap")
    for _ in range(2):
        await asyncio.ensure_future(visit(LoopWatchMiddleware(app, watch=watch)))
    await watchdog_round()
