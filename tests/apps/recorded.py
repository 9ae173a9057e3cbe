"""An app whose trace is judged: one route that blocks, one that waits, one that fans out."""

import asyncio
import time

from fastapi import FastAPI

from loopwatch import LoopWatchMiddleware, Watch, page

watch = Watch(registry=None, otel=False, log=False, flight_recorder=True)
app = FastAPI()


@app.get("/bad/{number}")
async def bad(number: int) -> int:
    time.sleep(0.5)
    return number


@app.get("/good/{number}")
async def good(number: int) -> int:
    for _ in range(20):
        await asyncio.sleep(0.02)
        sum(range(2000))
    return number


@app.get("/fan")
async def fan() -> int:
    await asyncio.gather(*(asyncio.sleep(0.01) for _ in range(3)))
    return 3


@app.get("/busy")
def busy() -> dict[str, float]:
    """Return the loop's busy time, its recorded steps, and its busy time again."""
    before = watch.snapshot(recent=False).busy
    [recording] = watch.recordings()
    steps = sum(step.ended - step.started for step in recording.steps)
    return {"before": before, "steps": steps, "after": watch.snapshot(recent=False).busy}


app.mount("/watch", page(watch))
app.add_middleware(LoopWatchMiddleware, watch=watch)
