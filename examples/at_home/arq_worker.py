"""An arq worker: two jobs, one of which blocks. Here Redis is fakeredis, in this process.

python examples/at_home/arq_worker.py
"""

import asyncio
import sys
import time
from typing import Any
from unittest.mock import patch

try:
    from arq import Worker
    from arq.connections import ArqRedis
    from fakeredis import FakeAsyncRedis
except ModuleNotFoundError as missing:
    print(f"{missing}: pip install arq fakeredis", file=sys.stderr)
    sys.exit(2)

from loopwatch import Watch


async def send_mail(ctx: dict[Any, Any], to: str) -> None:
    await asyncio.sleep(0.01)
    print(f"mail to {to}")


async def write_report(ctx: dict[Any, Any]) -> None:
    await asyncio.sleep(0.01)
    time.sleep(0.5)  # blocks


async def say_nothing(*_: object) -> None:
    """Stand in for what arq logs of Redis: fakeredis does not know its command INFO."""


async def main() -> None:
    redis = ArqRedis(connection_pool=FakeAsyncRedis().connection_pool)
    worker = Worker([send_mail, write_report], redis_pool=redis, burst=True, handle_signals=False)
    await redis.enqueue_job("send_mail", "ada")
    await redis.enqueue_job("write_report")
    with patch("arq.worker.log_redis_info", say_nothing):
        await worker.main()
    await worker.close()


if __name__ == "__main__":
    with Watch() as watch:
        asyncio.run(main())
    for stall in watch.stalls:
        print(f"{stall.coroutine} held the loop for {stall.duration:.1f} s")
        print(f"    in {stall.site.function}, line {stall.site.line}: {stall.site.code}")

# Expected output:
#
#   mail to ada
#   __main__.write_report held the loop for 0.5 s
#       in __main__.write_report, line 30: time.sleep(0.5)
