"""An instrument that keeps what it is told, and a loop that is stalled."""

import asyncio
import threading
import time

from loopwatch import Stall


class Recorder:
    """An instrument that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[Stall] = []
        self.threads: set[str] = set()

    def stalled(self, stall: Stall) -> None:
        self.told.append(stall)
        self.threads.add(threading.current_thread().name)


async def block(times: int = 1, seconds: float = 0.12) -> None:
    """Stall the loop, in a step of its own each time."""
    for _ in range(times):
        await asyncio.sleep(0.02)
        time.sleep(seconds)
    await asyncio.sleep(0.02)
