"""A worker of taskiq that knows nothing of loopwatch: its broker has one message, then no more."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncGenerator

from taskiq import AsyncBroker, BrokerMessage


class OneMessage(AsyncBroker):
    """What is sent in this process is received in this process."""

    message = b""

    async def kick(self, message: BrokerMessage) -> None:
        self.message = message.message

    async def listen(self) -> AsyncGenerator[bytes, None]:
        await write_report.kiq()
        yield self.message
        await asyncio.sleep(60)


broker = OneMessage()


@broker.task
async def write_report() -> None:
    await asyncio.sleep(0.01)
    time.sleep(0.6)
    await asyncio.sleep(0.5)  # the stall is logged
    os.kill(os.getppid(), signal.SIGINT)
