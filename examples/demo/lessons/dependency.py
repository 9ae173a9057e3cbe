"""Dependencies of a route: one that blocks, and one that does not."""

import time
from typing import Annotated

from fastapi import APIRouter, Depends

router = APIRouter(prefix="/dependency", tags=["dependency"])

PAUSE = 0.2  # s


async def blocking_session() -> str:
    time.sleep(PAUSE)
    return "session"


def threaded_session() -> str:
    time.sleep(PAUSE)
    return "session"


@router.get("/blocking")
async def with_blocking(session: Annotated[str, Depends(blocking_session)]) -> dict[str, str]:
    """BAD: the route itself is fine, but its `async def` dependency sleeps.

    loopwatch says: blocking_call, `time.sleep(PAUSE)` in `blocking_session`, for this route.
    """
    return {"session": session}


@router.get("/threaded")
async def with_threaded(session: Annotated[str, Depends(threaded_session)]) -> dict[str, str]:
    """GOOD: a plain `def` dependency runs in the thread pool.

    loopwatch says nothing.
    """
    return {"session": session}
