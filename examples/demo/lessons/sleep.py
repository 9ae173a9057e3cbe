"""Waiting: one sleep that holds the loop, and two that do not."""

import asyncio
import time

from fastapi import APIRouter

router = APIRouter(prefix="/sleep", tags=["sleep"])

PAUSE = 0.2  # s


@router.get("/async-def")
async def in_async_def() -> dict[str, float]:
    """BAD: `time.sleep` in `async def`. No other request is served for 0.2 s.

    loopwatch says: blocking_call, `time.sleep(PAUSE)` in `in_async_def`.
    """
    time.sleep(PAUSE)
    return {"slept": PAUSE}


@router.get("/def")
def in_def() -> dict[str, float]:
    """GOOD: the same in a plain `def`, which FastAPI runs in its thread pool.

    loopwatch says nothing: a thread sleeps, the loop does not.
    """
    time.sleep(PAUSE)
    return {"slept": PAUSE}


@router.get("/to-thread")
async def in_to_thread() -> dict[str, float]:
    """GOOD: `async def`, with the one blocking call handed to a thread.

    loopwatch says nothing. (Only to wait, use `await asyncio.sleep`: it needs no thread.)
    """
    await asyncio.to_thread(time.sleep, PAUSE)
    return {"slept": PAUSE}
