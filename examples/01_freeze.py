"""Lesson 1: `time.sleep` in `async def` freezes every request, and one line names it.

    python examples/01_freeze.py

A real server has three routes. While `/blocking` sleeps, `/ping` is not answered, though it has
nothing to wait for. `/waiting` takes as long, and `/ping` is answered at once.
"""

import asyncio
import socket
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Thread

try:
    import httpx
    import uvicorn
    from fastapi import FastAPI
except ModuleNotFoundError as missing:
    print(f"{missing}: pip install 'loopwatch[demo]'", file=sys.stderr)
    sys.exit(2)

from loopwatch import LoopWatchMiddleware, Watch

watch = Watch()
app = FastAPI()
app.add_middleware(LoopWatchMiddleware, watch=watch)  # the line


@app.get("/blocking")
async def blocking() -> str:
    time.sleep(0.6)  # BAD: the loop sleeps, and every request with it
    return "late"


@app.get("/waiting")
async def waiting() -> str:
    await asyncio.sleep(0.6)  # GOOD: only this request waits
    return "late"


@app.get("/ping")
async def ping() -> str:
    return "pong"


@contextmanager
def served() -> Iterator[httpx.Client]:
    """Serve the app in a thread, and give a client of it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, loop="none", log_level="error"))
        thread = Thread(target=server.run, args=([listener],))
        thread.start()
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with httpx.Client(base_url=address, trust_env=False, timeout=30) as client:
            yield client
        server.should_exit = True
        thread.join()


def ask(client: httpx.Client, path: str) -> float:
    """Return how long the answer took, in seconds."""
    began = time.perf_counter()
    client.get(path).raise_for_status()
    return time.perf_counter() - began


def main() -> None:
    with served() as client, ThreadPoolExecutor() as pool:
        ask(client, "/ping")
        for path in ("/blocking", "/waiting"):
            slow = pool.submit(ask, client, path)
            time.sleep(0.1)
            pings = [pool.submit(ask, client, "/ping") for _ in range(3)]
            longest = max(each.result() for each in pings)
            print(f"{path} took {slow.result():.1f} s, and /ping beside it {longest:.1f} s")
    for stall in watch.stalls:
        print(f"{stall.method} {stall.route} held the loop for {stall.duration:.1f} s")
        print(f"    in {stall.coroutine}, line {stall.site.line}: {stall.site.code}")
        print(f"    {stall.victims} requests waited {stall.lost_request_seconds:.1f} s in all")


if __name__ == "__main__":
    main()

# Expected output:
#
#   /blocking took 0.6 s, and /ping beside it 0.5 s
#   /waiting took 0.6 s, and /ping beside it 0.0 s
#   GET /blocking held the loop for 0.6 s
#       in __main__.blocking, line 35: time.sleep(0.6)
#       3 requests waited 1.5 s in all
