"""An arq worker: two jobs, one of which blocks. Here Redis is fakeredis, in this process.

    python examples/at_home/arq_worker.py

Two hooks of the settings start and stop the watch: `arq arq_worker.WorkerSettings` has it too.
"""

import asyncio
import sys
import time
from typing import Any
from unittest.mock import patch

try:
    from arq.connections import ArqRedis
    from arq.worker import create_worker
    from fakeredis import FakeAsyncRedis
except ModuleNotFoundError as missing:
    print(f"{missing}: pip install arq fakeredis", file=sys.stderr)
    sys.exit(2)

from loopwatch import Watch

watch = Watch()


async def send_mail(ctx: dict[str, Any], to: str) -> None:
    await asyncio.sleep(0.01)
    print(f"mail to {to}")


async def write_report(ctx: dict[str, Any]) -> None:
    await asyncio.sleep(0.01)
    time.sleep(0.5)  # blocks


async def startup(ctx: dict[str, Any]) -> None:
    watch.start()


async def shutdown(ctx: dict[str, Any]) -> None:
    watch.stop()


class WorkerSettings:
    functions = (send_mail, write_report)
    on_startup = startup
    on_shutdown = shutdown


async def say_nothing(*_: object) -> None:
    """Stand in for what arq logs of Redis: fakeredis does not know its command INFO."""


async def main() -> None:
    redis = ArqRedis(connection_pool=FakeAsyncRedis().connection_pool)
    await redis.enqueue_job("send_mail", "ada")
    await redis.enqueue_job("write_report")
    settings: Any = WorkerSettings
    worker = create_worker(settings, redis_pool=redis, burst=True, handle_signals=False)
    with patch("arq.worker.log_redis_info", say_nothing):
        await worker.main()
    await worker.close()


if __name__ == "__main__":
    asyncio.run(main())
    for stall in watch.stalls:
        print(f"{stall.coroutine} held the loop for {stall.duration:.1f} s")
        print(f"    in {stall.site.function}, line {stall.site.line}: {stall.site.code}")

# Expected output:
#
#   mail to ada
#   __main__.write_report held the loop for 0.5 s
#       in __main__.write_report, line 34: time.sleep(0.5)
