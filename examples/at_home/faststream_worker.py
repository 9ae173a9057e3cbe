"""A FastStream worker with a subscriber and a publisher. Here with FastStream's broker for tests.

    python examples/at_home/faststream_worker.py

That broker calls a subscriber within `publish`, so the task that is held is the publisher's.
"""

import asyncio
import sys
import time

try:
    from faststream.redis import RedisBroker, TestRedisBroker
except ModuleNotFoundError as missing:
    print(f"{missing}: pip install 'faststream[redis]'", file=sys.stderr)
    sys.exit(2)

from loopwatch import Watch

broker = RedisBroker()


@broker.subscriber("orders")
@broker.publisher("invoices")
async def bill(order: str) -> str:
    await asyncio.sleep(0.01)
    return render(order)


def render(order: str) -> str:
    time.sleep(0.5)  # blocks
    return f"invoice for {order}"


@broker.subscriber("invoices")
async def send(invoice: str) -> None:
    await asyncio.sleep(0.01)
    print(f"sent: {invoice}")


async def main() -> None:
    async with TestRedisBroker(broker):
        await broker.publish("two cups", "orders")


if __name__ == "__main__":
    with Watch() as watch:
        asyncio.run(main())
    for stall in watch.stalls:
        print(f"{stall.coroutine} held the loop for {stall.duration:.1f} s")
        print(f"    in {stall.site.function}, line {stall.site.line}: {stall.site.code}")

# Expected output:
#
#   sent: invoice for two cups
#   __main__.main held the loop for 0.5 s
#       in __main__.render, line 31: time.sleep(0.5)
