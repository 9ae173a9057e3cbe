"""Very many of something: loops, threads with loops, starts and stops, requests in flight."""

import asyncio
import random
import threading
import time
from typing import Any

from loopwatch import LoopWatchMiddleware
from loopwatch.watch.watched_loop import LOOPS
from tests.asgi import Receive, Send, answer, visit
from tests.conftest import block_for, private_watch, run_on
from tests.states import process_state

from .process import Possessions, possessions

ROUNDS = 4  # of a crowd: what is remembered of stack samples grows in some, a leak in each
MORE = 17e6  # bytes that a crowd may leave behind, whatever its size: a flight recorder has 8.4 MB
SHORT = 0.02  # s: the threshold here
HOLD = 0.05  # s


def few_stay(before: Possessions, after: Possessions, size: int) -> bool:
    """Return whether `size` things have left less than one object for every two of them."""
    return after.objects - before.objects < size / 2


def loops(loop: str, size: int) -> str:
    """`size` loops run one after the other, and nothing of them stays."""
    watch = private_watch()

    async def main() -> None:
        await asyncio.sleep(0)

    with watch:
        for _ in range(20 + size // 20):
            run_on(loop, main())
        for _ in range(ROUNDS):
            before, began = possessions(), time.perf_counter()
            for _ in range(size):
                run_on(loop, main())
            each = (time.perf_counter() - began) / size
            after = possessions()
            if few_stay(before, after, size):
                break
        assert not LOOPS
    assert few_stay(before, after, size), after.grown(before)
    assert after.memory - before.memory < MORE, after.grown(before)
    assert after.descriptors == before.descriptors, after.grown(before)
    return f"{each * 1e3:.1f} ms each; {after.grown(before)}"


def threads(loop: str, size: int) -> str:
    """`size` threads run 3 loops each, at once; some steps hold theirs."""
    watch = private_watch(slow_callback_duration=SHORT)
    errors: list[BaseException] = []
    holds: list[float] = []

    async def main(random_: random.Random) -> None:
        for _ in range(10):
            await asyncio.sleep(random_.random() * 0.01)
            if random_.random() < 0.2:
                holds.append(block_for(HOLD))
        await asyncio.sleep(0)
        holds.append(block_for(HOLD))

    def run(seed: int) -> None:
        try:
            for again in range(3):
                run_on(loop, main(random.Random(seed * 3 + again)))
        except BaseException as error:
            errors.append(error)

    with watch:
        crowd = [threading.Thread(target=run, args=(seed,)) for seed in range(size)]
        for thread in crowd:
            thread.start()
        while any(thread.is_alive() for thread in crowd):
            watch.snapshot()
            time.sleep(0.05)
        shot = watch.snapshot()
    seen = sum(s.stalls.count for s in shot.sites if s.site.endswith("block_for"))
    assert not errors, errors
    assert not LOOPS
    assert shot.stall_count >= len(holds), (shot.stall_count, len(holds), shot.dropped)
    return f"no error; {shot.stall_count} stalls, {seen} of {len(holds)} holds with their line"


def starts(loop: str, size: int) -> str:
    """A watch is started and stopped `size` times in a running loop; all is as it was."""
    watch, bare = private_watch(), process_state()

    async def main() -> str:
        for _ in range(20):
            await once()
        for _ in range(ROUNDS):
            before, began = possessions(), time.perf_counter()
            for _ in range(size):
                await once()
            each = (time.perf_counter() - began) / size
            after = possessions()
            if few_stay(before, after, size):
                break
        assert few_stay(before, after, size), after.grown(before)
        assert after.memory - before.memory < MORE, after.grown(before)
        assert after.descriptors <= before.descriptors, after.grown(before)
        assert after.threads <= before.threads, after.grown(before)
        return f"{each * 1e3:.2f} ms each; {after.grown(before)}"

    async def once() -> None:
        watch.start()
        await asyncio.sleep(0)
        watch.stop()

    told = run_on(loop, main())
    assert process_state() == bare
    return told


def in_flight(loop: str, size: int) -> str:
    """One hold while `size` requests are in flight: the loop goes on soon after it."""
    bare, watched = (run_on(loop, delays(size, each)) for each in (False, True))
    assert watched < bare + 0.5
    return f"late by {watched * 1e3:.0f} ms after the hold, bare by {bare * 1e3:.0f} ms"


async def delays(size: int, watched: bool) -> float:
    """Return by how many s the loop is late at most, in the 0.5 s after a hold."""
    over = asyncio.Event()

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        if scope["path"] == "/wait":
            await over.wait()
        else:
            block_for(0.15)
        await answer(send)

    watch = private_watch()
    front = LoopWatchMiddleware(app, watch=watch) if watched else app
    waiting = [asyncio.create_task(visit(front, "/wait")) for _ in range(size)]
    await asyncio.sleep(0.1)
    await asyncio.create_task(visit(front, "/block"))
    late, ends = 0.0, time.perf_counter() + 0.5
    while (began := time.perf_counter()) < ends:
        await asyncio.sleep(0.005)
        late = max(late, time.perf_counter() - began - 0.005)
    if watched:
        assert [s for s in watch.stalls if s.site.function.endswith("block_for")]
        watch.snapshot()
    over.set()
    await asyncio.gather(*waiting)
    watch.stop()
    return late
