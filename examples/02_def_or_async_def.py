"""Lesson 2: FastAPI and Starlette run a `def` route in a thread, an `async def` route on the loop.

    python examples/02_def_or_async_def.py

Both routes make the same synchronous call. Four requests at once take four times as long with
`async def`. There are 40 threads: for calls that take long, and for many of them, use an
asynchronous library.
"""

import asyncio
import sys
import time
from threading import current_thread

try:
    import httpx
    from fastapi import FastAPI
except ModuleNotFoundError as missing:
    print(f"{missing}: pip install 'loopwatch[demo]'", file=sys.stderr)
    sys.exit(2)

from loopwatch import LoopWatchMiddleware, Watch

watch = Watch()
app = FastAPI()
app.add_middleware(LoopWatchMiddleware, watch=watch)


def query() -> str:
    """Stand in for a synchronous library; return the name of the thread that was held."""
    time.sleep(0.3)
    return current_thread().name


@app.get("/async-def")
async def on_the_loop() -> str:
    return query()  # BAD: one after the other, and nothing else runs


@app.get("/def")
def in_a_thread() -> str:
    return query()  # GOOD: each in its own thread


async def visit(path: str) -> None:
    """Ask four times at once; print how long all four took, and where they ran."""
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
        began = time.perf_counter()
        answers = await asyncio.gather(*(client.get(path) for _ in range(4)))
        took = time.perf_counter() - began
    print(f"{path}: four requests took {took:.1f} s, in {answers[0].json()}")


async def main() -> None:
    await visit("/async-def")
    await visit("/def")


if __name__ == "__main__":
    with watch:  # from the start; without this, from the first request on
        asyncio.run(main())
    for stall in watch.stalls:
        print(f"{stall.route} held the loop for {stall.duration:.1f} s: {stall.site.code}")

# Expected output:
#
#   /async-def: four requests took 1.2 s, in MainThread
#   /def: four requests took 0.3 s, in AnyIO worker thread
#   /async-def held the loop for 0.3 s: time.sleep(0.3)
#   /async-def held the loop for 0.3 s: time.sleep(0.3)
#   /async-def held the loop for 0.3 s: time.sleep(0.3)
#   /async-def held the loop for 0.3 s: time.sleep(0.3)
