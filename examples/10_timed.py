"""Lesson 10: `timed` shows a coroutine's own latency, for all its callers.

    python examples/10_timed.py

Slow is not blocking. `lookup` takes as long as `report`, but only `report` holds the loop. So
`lookup` is no stall: its latency is in `snapshot().timed`, and in the metric
`loopwatch_coroutine_seconds`.
"""

import asyncio
import time

from loopwatch import Watch, timed


@timed("lookup")
async def lookup(name: str) -> str:
    await asyncio.sleep(0.4)  # GOOD: slow, and the loop is free
    return name.title()


async def report(name: str) -> str:
    time.sleep(0.4)  # BAD: as slow, and nobody else runs
    return name.upper()


async def main() -> None:
    print(*await asyncio.gather(lookup("ada"), lookup("grace"), lookup("tim")))
    print(await timed(report("ada"), "report"))


if __name__ == "__main__":
    with Watch() as watch:
        asyncio.run(main())
    for label, latency in watch.snapshot().timed:
        mean = latency.sum / latency.count
        print(f"{label}: {latency.count} times, {mean:.1f} s each")
    for stall in watch.stalls:
        print(f"{stall.site.function} held the loop for {stall.duration:.1f} s: {stall.site.code}")

# Expected output:
#
#   Ada Grace Tim
#   ADA
#   lookup: 3 times, 0.4 s each
#   report: 1 times, 0.4 s each
#   __main__.report held the loop for 0.4 s: time.sleep(0.4)
