"""CPU work: on the loop, in a thread, in another process."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query

from examples.demo.resources import Opened
from examples.demo.squares import sum_of_squares

router = APIRouter(prefix="/cpu", tags=["cpu"])

# The default is some 0.25 s of work; the bound prevents a visitor from stopping the demo.
N = Annotated[int, Query(ge=1, le=20_000_000, description="how many squares to add up")]
DEFAULT_N = 4_000_000


@router.get("/async-def")
async def in_async_def(n: N = DEFAULT_N) -> dict[str, int]:
    """BAD: a long computation in `async def`.

    loopwatch says: cpu, in `sum_of_squares`: the line of the `for` loop, not one of this route.
    """
    return {"sum": sum_of_squares(n)}


@router.get("/def")
def in_def(n: N = DEFAULT_N) -> dict[str, int]:
    """Partly GOOD: a thread takes turns with the loop, 5 ms each, so all requests are slower.

    loopwatch says nothing as long as only a few such threads work at once.
    """
    return {"sum": sum_of_squares(n)}


@router.get("/process-pool")
async def in_process_pool(opened: Opened, n: N = DEFAULT_N) -> dict[str, int]:
    """GOOD: another process has its own interpreter and its own core.

    loopwatch says nothing: the loop only waits for the answer.
    """
    loop = asyncio.get_running_loop()
    return {"sum": await loop.run_in_executor(opened.workers, sum_of_squares, n)}
