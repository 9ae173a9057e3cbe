"""`asyncio.Runner`: several calls of `run` on one loop, all watched.

python examples/at_home/asyncio_runner.py
"""

import asyncio
import time

from loopwatch import Watch


async def connect() -> str:
    await asyncio.sleep(0.01)
    return "connected"


async def migrate(tables: int) -> None:
    for _ in range(tables):
        time.sleep(0.5)  # blocks


def main() -> None:
    with Watch() as watch, asyncio.Runner() as runner:
        print(runner.run(connect()))
        runner.run(migrate(1))
    for stall in watch.stalls:
        print(f"{stall.coroutine} held the loop for {stall.duration:.1f} s")
        print(f"    in {stall.site.function}, line {stall.site.line}: {stall.site.code}")


if __name__ == "__main__":
    main()

# Expected output:
#
#   connected
#   __main__.migrate held the loop for 0.5 s
#       in __main__.migrate, line 19: time.sleep(0.5)
