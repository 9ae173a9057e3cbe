"""Lesson 2: a script, a worker or a bot: no ASGI, a `with` around `asyncio.run`.

    python examples/02_script.py

One of three workers blocks; the watch says which one, where, and for how long.
"""

import asyncio
import time

from loopwatch import Watch


async def polite() -> None:
    await asyncio.sleep(0.2)


async def rude() -> None:
    time.sleep(0.2)


async def main() -> None:
    await asyncio.gather(polite(), rude(), polite())


if __name__ == "__main__":
    with Watch() as watch:
        asyncio.run(main())
    for stall in watch.stalls:
        print(f"{stall.coroutine} held the loop for {stall.duration:.1f} s")
        print(f"in {stall.site.function}, line {stall.site.line}: {stall.site.code}")

# Expected output, below the warning in the log:
#
#   __main__.rude held the loop for 0.2 s
#   in __main__.rude, line 19: time.sleep(0.2)
