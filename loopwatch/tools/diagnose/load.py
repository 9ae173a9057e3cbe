"""The load: an open model. Each request is sent when it is due, without waiting for answers.

Latency counts from the due time. A client that waits for an answer before its next request leaves
out exactly the requests that would have waited (coordinated omission). A client that counts from
the sending hides its own lateness.
"""

from __future__ import annotations

import asyncio
import time

from loopwatch.tools.diagnose.client import CONNECTIONS, Client
from loopwatch.tools.diagnose.plan import Plan
from loopwatch.tools.diagnose.samples import Sample, Tally

PATIENCE = 30.0  # s for one answer
TICK = 0.2  # s within which `stop` takes effect
GRACE = 10.0  # s after the last due time for outstanding answers


class Load:
    """Sends a plan's requests once; any thread may read `tally` at any time."""

    def __init__(self, plan: Plan, url: str) -> None:
        self._plan, self.url = plan, url
        self.tally = Tally([])
        self.began = 0.0  # on time.monotonic's clock
        self.ended = 0.0  # the same: when the last answer came or was given up
        self._stopped = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    def stop(self) -> None:
        """End early: send no more. If all is sent, stop waiting for answers too."""
        if self._stopped.is_set():
            for task in self._tasks:
                task.cancel()
        self.tally.interrupted = True
        self._stopped.set()

    async def run(self) -> Tally:
        """Send, and wait for the answers; give up those that take longer than `GRACE`."""
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
        """Wait, with at least one yield to the loop; return whether `stop` was called."""
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
        finally:  # a cancelled request counts too: without it the latency would look better
            tally.in_flight -= 1
            tally.samples.append(Sample(kind, due, late, self._passed() - due, outcome))

    def _passed(self) -> float:
        return time.monotonic() - self.began
