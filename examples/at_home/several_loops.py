"""Several loops at once, each in a thread: which one was held, and by what.

python examples/at_home/several_loops.py
"""

import asyncio
import time
from threading import Thread

from loopwatch import Watch


async def poll(seconds: float) -> None:
    await asyncio.sleep(seconds)


async def import_orders() -> None:
    await asyncio.sleep(0.05)
    time.sleep(0.5)  # blocks


async def export_orders() -> None:
    await asyncio.sleep(0.05)
    sum(number * number for number in range(10))
    time.sleep(0.8)  # blocks, at the same time, another loop


def main() -> None:
    coroutines = {"polls": poll(0.3), "imports": import_orders(), "exports": export_orders()}
    with Watch() as watch:
        threads = [
            Thread(target=asyncio.run, args=(coroutine,), name=name)
            for name, coroutine in coroutines.items()
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for stall in sorted(watch.stalls, key=lambda stall: stall.duration):
        print(f"{stall.coroutine} held the loop of {stall.thread} for {stall.duration:.1f} s")
        print(f"    in {stall.site.function}, line {stall.site.line}: {stall.site.code}")


if __name__ == "__main__":
    main()

# Expected output:
#
#   __main__.import_orders held the loop of imports for 0.5 s
#       in __main__.import_orders, line 19: time.sleep(0.5)
#   __main__.export_orders held the loop of exports for 0.8 s
#       in __main__.export_orders, line 25: time.sleep(0.8)
