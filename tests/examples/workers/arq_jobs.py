"""A worker of arq that knows nothing of loopwatch: one job, on a Redis within the process."""

import asyncio
import time
from typing import Any

import arq.worker
from arq.connections import ArqRedis
from fakeredis import FakeAsyncRedis


async def say_nothing(*_: object) -> None:
    """Stand in for what arq logs of Redis: fakeredis does not know its command INFO."""


setattr(arq.worker, "log_redis_info", say_nothing)  # noqa: B010 - it is not exported


async def write_report(ctx: dict[str, Any]) -> None:
    await asyncio.sleep(0.01)
    time.sleep(0.6)


async def startup(ctx: dict[str, Any]) -> None:
    await ctx["redis"].enqueue_job("write_report")


class WorkerSettings:
    functions = (write_report,)
    on_startup = startup
    burst = True
    redis_pool = ArqRedis(connection_pool=FakeAsyncRedis().connection_pool)
