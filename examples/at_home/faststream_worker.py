"""A FastStream worker with a subscriber and a publisher. Here with FastStream's broker for tests.

    python examples/at_home/faststream_worker.py

Two hooks of the app start the watch and stop it, so `faststream run faststream_worker:app` has it
too. The broker for tests calls a subscriber within `publish`: the publisher's task is held.
"""

import asyncio
import sys
import time

try:
    from faststream import FastStream, TestApp
    from faststream.redis import RedisBroker, TestRedisBroker
except ModuleNotFoundError as missing:
    print(f"{missing}: pip install 'faststream[redis]'", file=sys.stderr)
    sys.exit(2)

from loopwatch import Watch

watch = Watch()
broker = RedisBroker()
app = FastStream(broker)


@app.on_startup
async def startup() -> None:
    watch.start()


@app.after_shutdown
async def shutdown() -> None:
    watch.stop()


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
    async with TestRedisBroker(broker), TestApp(app):
        await broker.publish("two cups", "orders")


if __name__ == "__main__":
    asyncio.run(main())
    for stall in watch.stalls:
        print(f"{stall.coroutine} held the loop for {stall.duration:.1f} s")
        print(f"    in {stall.site.function}, line {stall.site.line}: {stall.site.code}")

# Expected output:
#
#   sent: invoice for two cups
#   __main__.main held the loop for 0.5 s
#       in __main__.render, line 45: time.sleep(0.5)
