"""A background task: after the answer, but still on the loop if it is `async def`."""

import time

from fastapi import APIRouter, BackgroundTasks

router = APIRouter(prefix="/background", tags=["background"])

PAUSE = 0.2  # s


async def blocking_mail() -> None:
    time.sleep(PAUSE)


def threaded_mail() -> None:
    time.sleep(PAUSE)


@router.post("/blocking", status_code=202)
async def with_blocking(tasks: BackgroundTasks) -> dict[str, str]:
    """BAD: this visitor gets the answer at once, but the next ones wait.

    loopwatch says: blocking_call, `time.sleep(PAUSE)` in `blocking_mail`, for this route.
    """
    tasks.add_task(blocking_mail)
    return {"mail": "under way"}


@router.post("/threaded", status_code=202)
async def with_threaded(tasks: BackgroundTasks) -> dict[str, str]:
    """GOOD: a plain `def` background task runs in the thread pool.

    loopwatch says nothing.
    """
    tasks.add_task(threaded_mail)
    return {"mail": "under way"}
