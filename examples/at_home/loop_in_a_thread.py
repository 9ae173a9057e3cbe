"""A loop in a thread of its own, to which synchronous code hands coroutines.

    python examples/at_home/loop_in_a_thread.py

The watch is made on the main thread. Every loop that begins to run while it is on is watched.
"""

import asyncio
import time
from threading import Thread

from loopwatch import Watch


async def quote(symbol: str) -> float:
    await asyncio.sleep(0.01)
    return convert(symbol)


def convert(symbol: str) -> float:
    time.sleep(0.5)  # blocks
    return float(len(symbol))


def main() -> None:
    with Watch() as watch:
        loop = asyncio.new_event_loop()
        thread = Thread(target=loop.run_forever, name="quotes")
        thread.start()
        price = asyncio.run_coroutine_threadsafe(quote("ACME"), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
    print(f"ACME is at {price}")
    for stall in watch.stalls:
        print(f"{stall.coroutine} held the loop of {stall.thread} for {stall.duration:.1f} s")
        print(f"    in {stall.site.function}, line {stall.site.line}: {stall.site.code}")


if __name__ == "__main__":
    main()

# Expected output:
#
#   ACME is at 4.0
#   __main__.quote held the loop of quotes for 0.5 s
#       in __main__.convert, line 21: time.sleep(0.5)
