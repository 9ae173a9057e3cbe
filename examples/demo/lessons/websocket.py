"""Two echo websockets: one blocks at every message, one waits."""

import asyncio
import time
from contextlib import suppress

from fastapi import APIRouter, WebSocket, WebSocketDisconnect

router = APIRouter(prefix="/websocket", tags=["websocket"])

PAUSE = 0.2  # s


@router.websocket("/blocking")
async def blocking(websocket: WebSocket) -> None:
    """BAD: every message of a visitor stops all other visitors.

    loopwatch says: blocking_call, `time.sleep(PAUSE)` in `blocking`, once a message.
    """
    await websocket.accept()
    with suppress(WebSocketDisconnect):  # it may go before its answer comes
        async for text in websocket.iter_text():
            time.sleep(PAUSE)
            await websocket.send_text(text)


@router.websocket("/waiting")
async def waiting(websocket: WebSocket) -> None:
    """GOOD: the same pause, awaited.

    loopwatch says nothing.
    """
    await websocket.accept()
    with suppress(WebSocketDisconnect):
        async for text in websocket.iter_text():
            await asyncio.sleep(PAUSE)
            await websocket.send_text(text)
