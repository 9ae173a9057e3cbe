"""Work in a child task: it still runs on the loop, and it still counts for this route."""

import asyncio
import time

from fastapi import APIRouter

router = APIRouter(prefix="/child-task", tags=["child task"])

PAUSE = 0.2  # s


async def blocking_report() -> str:
    time.sleep(PAUSE)
    return "report"


async def waiting_report() -> str:
    await asyncio.sleep(PAUSE)
    return "report"


@router.get("/blocking")
async def with_blocking() -> dict[str, str]:
    """BAD: a task of `create_task` still runs on the loop.

    loopwatch says: blocking_call, `time.sleep(PAUSE)` in `blocking_report`, for this route.
    """
    task = asyncio.create_task(blocking_report())
    return {"made": await task}


@router.get("/waiting")
async def with_waiting() -> dict[str, str]:
    """GOOD: the child awaits.

    loopwatch says nothing.
    """
    task = asyncio.create_task(waiting_report())
    return {"made": await task}
