"""Lesson 3: `timed` shows a coroutine's own latency, for all its callers.

    python examples/03_timed.py

Slow is not blocking: this lookup is slow, but it does not hold the loop, so it is no stall.
"""

import asyncio

from loopwatch import Watch, timed


@timed("lookup")
async def lookup(name: str) -> str:
    await asyncio.sleep(0.15)
    return name.title()


async def main() -> None:
    print(*await asyncio.gather(lookup("ada"), lookup("grace")))
    print(await timed(asyncio.sleep(0.05, "Tim"), "nap"))


if __name__ == "__main__":
    with Watch() as watch:
        asyncio.run(main())
    print(f"{len(watch.stalls)} stalls")
    for coroutine, latency in watch.snapshot().timed:
        print(f"{coroutine}: {latency.count} times, {latency.sum:.1f} s in all")

# Expected output:
#
#   Ada Grace
#   Tim
#   0 stalls
#   lookup: 2 times, 0.3 s in all
#   nap: 1 times, 0.1 s in all
