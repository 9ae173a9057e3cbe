"""A consumer in the style of aiokafka: `async for message in consumer`, a task a partition.

    python examples/at_home/queue_consumer.py

The consumer here is an `asyncio.Queue`, so that no broker is needed. While one handler blocks, no
partition is read, and with a real broker no heartbeat is sent.
"""

import asyncio
import time
from collections.abc import AsyncIterator

from loopwatch import Watch


class Consumer:
    """What `AIOKafkaConsumer` is to its user: messages, as they come."""

    def __init__(self, *messages: str) -> None:
        self._queue = asyncio.Queue[str]()
        for message in messages:
            self._queue.put_nowait(message)

    async def __aiter__(self) -> AsyncIterator[str]:
        while not self._queue.empty():
            await asyncio.sleep(0.01)
            yield await self._queue.get()


async def consume(consumer: Consumer) -> None:
    async for message in consumer:
        await handle(message)


async def handle(message: str) -> None:
    if message == "invoice":
        time.sleep(0.5)  # blocks


async def main() -> None:
    partitions = Consumer("order", "order"), Consumer("order", "invoice")
    await asyncio.gather(*map(consume, partitions))


if __name__ == "__main__":
    with Watch() as watch:
        asyncio.run(main())
    for stall in watch.stalls:
        print(f"{stall.coroutine} held the loop for {stall.duration:.1f} s")
        print(f"    in {stall.site.function}, line {stall.site.line}: {stall.site.code}")

# Expected output:
#
#   __main__.consume held the loop for 0.5 s
#       in __main__.handle, line 37: time.sleep(0.5)
