"""The load: an open model. Every request is sent when it is due, whatever has come back.

Latency counts from the due time, not from when the request was sent: where either side is held up,
a client that waits before it asks again leaves out just the requests that would have waited
(coordinated omission), and one that counts from the sending hides what it was late.
"""

from __future__ import annotations

import asyncio
import time

from loopwatch.tools.diagnose.client import CONNECTIONS, Client
from loopwatch.tools.diagnose.plan import Plan
from loopwatch.tools.diagnose.samples import Sample, Tally

PATIENCE = 30.0  # s for one answer
TICK = 0.2  # s within which it stops when told to
GRACE = 10.0  # s after the last due time for answers under way


class Load:
    """Sends a plan's requests once; `tally` may be read from any thread meanwhile."""

    def __init__(self, plan: Plan, url: str) -> None:
        self._plan, self.url = plan, url
        self.tally = Tally([])
        self.began = 0.0  # on time.monotonic's clock
        self.ended = 0.0  # the same, when the last answer was there or given up
        self._stopped = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    def stop(self) -> None:
        """End early: send no more. When all is sent, wait for no more answers either."""
        if self._stopped.is_set():
            for task in self._tasks:
                task.cancel()
        self.tally.interrupted = True
        self._stopped.set()

    async def run(self) -> Tally:
        """Send, and wait for the answers; those that take longer than `GRACE` are given up."""
        async with Client(self.url, PATIENCE) as client:
            self.tally.limit = CONNECTIONS
            cpu, self.began = time.process_time(), time.monotonic()
            await self._send_all(client)
            passed = max(time.monotonic() - self.began, 1e-9)
            self._stopped.set()
            self.tally.cpu = (time.process_time() - cpu) / passed
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=GRACE)
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            self.ended = time.monotonic()
        return self.tally

    async def _send_all(self, client: Client) -> None:
        for due, kind in zip(self._plan.due(), self._plan.kinds(), strict=True):
            if await self._stopped_until(due):
                return
            self.tally.due += 1
            self.tally.elapsed = due
            task = asyncio.create_task(self._send(client, kind, due))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _stopped_until(self, due: float) -> bool:
        """Wait, and let others run in any case; return whether it was told to stop."""
        while not self._stopped.is_set():
            early = due - self._passed()
            await asyncio.sleep(min(max(0.0, early), TICK))
            if early <= TICK:
                break
        return self._stopped.is_set()

    async def _send(self, client: Client, kind: int, due: float) -> None:
        tally = self.tally
        tally.in_flight += 1
        tally.most_in_flight = max(tally.most_in_flight, tally.in_flight)
        late = self._passed() - due
        outcome = "timeout"
        try:
            outcome = await client.send(self._plan.shots[kind])
        finally:  # of a cancelled one too: left out, it would flatter the latency
            tally.in_flight -= 1
            tally.samples.append(Sample(kind, due, late, self._passed() - due, outcome))

    def _passed(self) -> float:
        return time.monotonic() - self.began
