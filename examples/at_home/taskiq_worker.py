"""A taskiq worker. Here the broker is in memory; nothing else changes with another one.

    python examples/at_home/taskiq_worker.py

Two events of the broker start the watch and stop it, so
`taskiq worker taskiq_worker:broker` has it too.
"""

import asyncio
import sys
import time

try:
    from taskiq import InMemoryBroker, TaskiqEvents, TaskiqState
except ModuleNotFoundError as missing:
    print(f"{missing}: pip install taskiq", file=sys.stderr)
    sys.exit(2)

from loopwatch import Watch

watch = Watch()
broker = InMemoryBroker()


@broker.on_event(TaskiqEvents.WORKER_STARTUP)
async def startup(state: TaskiqState) -> None:
    watch.start()


@broker.on_event(TaskiqEvents.WORKER_SHUTDOWN)
async def shutdown(state: TaskiqState) -> None:
    watch.stop()


@broker.task
async def resize(picture: str) -> str:
    await asyncio.sleep(0.01)
    time.sleep(0.5)  # blocks
    return picture.upper()


async def main() -> None:
    await broker.startup()
    task = await resize.kiq("cat.png")
    result = await task.wait_result(timeout=10)
    print(result.return_value)
    await broker.shutdown()


if __name__ == "__main__":
    asyncio.run(main())
    for stall in watch.stalls:
        print(f"{stall.coroutine} held the loop for {stall.duration:.1f} s")
        print(f"    in {stall.site.function}, line {stall.site.line}: {stall.site.code}")

# Expected output:
#
#   CAT.PNG
#   __main__.resize held the loop for 0.5 s
#       in __main__.resize, line 38: time.sleep(0.5)
