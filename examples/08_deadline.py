"""Lesson 8: `asyncio.wait_for`: too late is 504, any other error of the service behind is 502.

    python examples/08_deadline.py

A deadline works only while the loop turns: `/blocking` has one of 0.3 s, and answers 200 after
0.8 s.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable

try:
    import httpx
    from fastapi import FastAPI, HTTPException
except ModuleNotFoundError as missing:
    print(f"{missing}: pip install 'loopwatch[demo]'", file=sys.stderr)
    sys.exit(2)

from loopwatch import LoopWatchMiddleware, Watch

DEADLINE = 0.3  # s
watch = Watch()
app = FastAPI()
app.add_middleware(LoopWatchMiddleware, watch=watch)


class ModelError(Exception):
    """What the client of a model raises."""


async def model(kind: str) -> str:
    """Stand in for a model that is quick, slow or broken."""
    await asyncio.sleep(0.8 if kind == "slow" else 0.1)
    if kind == "broken":
        raise ModelError("out of memory")
    return "an answer"


async def blocking_model() -> str:
    time.sleep(0.8)  # nobody can interrupt this, neither a deadline nor a cancellation
    return "an answer"


async def in_time(answer: Awaitable[str]) -> str:
    try:
        return await asyncio.wait_for(answer, DEADLINE)
    except TimeoutError as late:
        raise HTTPException(504, f"no answer within {DEADLINE} s") from late
    except ModelError as error:
        raise HTTPException(502, "the model failed") from error


@app.get("/waiting/{kind}")
async def waiting(kind: str) -> str:
    return await in_time(model(kind))  # GOOD


@app.get("/blocking")
async def blocking() -> str:
    return await in_time(blocking_model())  # BAD


async def main() -> None:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
        for path in ("/waiting/quick", "/waiting/slow", "/waiting/broken", "/blocking"):
            began = time.perf_counter()
            answer = await client.get(path)
            took = time.perf_counter() - began
            print(f"{path}: {answer.status_code} after {took:.1f} s: {answer.text}")


if __name__ == "__main__":
    with watch:
        asyncio.run(main())
    for stall in watch.stalls:
        print(f"{stall.route} held the loop for {stall.duration:.1f} s: {stall.site.code}")

# Expected output:
#
#   /waiting/quick: 200 after 0.1 s: "an answer"
#   /waiting/slow: 504 after 0.3 s: {"detail":"no answer within 0.3 s"}
#   /waiting/broken: 502 after 0.1 s: {"detail":"the model failed"}
#   /blocking: 200 after 0.8 s: "an answer"
#   /blocking held the loop for 0.8 s: time.sleep(0.8)
