"""Lesson 9: asyncio's debug mode warns of callbacks that take 100 ms, and what it does not say.

    python examples/09_debug_mode.py

The warning names the task and the line where its coroutine is defined. It comes afterwards, and
debug mode is too slow for production. loopwatch has the same threshold, and names the line of the
call.
"""

import asyncio
import logging
import time

from loopwatch import Watch


def load(seconds: float) -> None:
    time.sleep(seconds)


async def handle(seconds: float) -> None:
    """Stand in for a handler of requests, in which a call far below blocks."""
    await asyncio.sleep(0)
    load(seconds)


async def main() -> None:
    await asyncio.create_task(handle(0.01), name="short")  # less than 100 ms: nobody says anything
    await asyncio.create_task(handle(0.5), name="long")


class Warnings(logging.Handler):
    """Prints what asyncio says of slow callbacks, without paths and addresses."""

    def emit(self, record: logging.LogRecord) -> None:
        said = record.getMessage()
        if said.startswith("Executing"):
            named = [word for word in ("'short'", "'long'", "handle()", "load") if word in said]
            print(f"asyncio: a callback took {said.split()[-2][:3]} s; named: {', '.join(named)}")


if __name__ == "__main__":
    logging.getLogger("asyncio").addHandler(Warnings())
    asyncio.run(main(), debug=True)
    with Watch() as watch:
        asyncio.run(main())
    for stall in watch.stalls:
        print(f"loopwatch: {stall.coroutine} held the loop for {stall.duration:.1f} s")
        print(f"    in {stall.site.function}, line {stall.site.line}: {stall.site.code}")

# Expected output:
#
#   asyncio: a callback took 0.5 s; named: 'long', handle()
#   loopwatch: __main__.handle held the loop for 0.5 s
#       in __main__.load, line 18: time.sleep(seconds)
