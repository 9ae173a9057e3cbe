"""The watchdog sleeps while the loops do, and misses nothing that comes right after."""

import asyncio
import gc
import threading
import time

import pytest

from loopwatch import Watch
from loopwatch.loop.loop_state import LoopState
from loopwatch.watch.watched_loop import LOOPS
from loopwatch.watchdog import sampler as sampler
from loopwatch.watchdog.sleep import COMPILED
from tests.conftest import MakeWatch, private_watch, run_on
from tests.watchdog.counting import watchdogs
from tests.watchdog.watchers import (
    AWAKE,
    block,
    cpu_seconds,
    linux,
    wakes,
)

pytestmark = [
    pytest.mark.skipif(not COMPILED, reason="this sleep is compiled"),
    pytest.mark.usefixtures("soon_left_alone"),
]


@linux
def test_an_idle_process_is_left_alone(loop: str, make_watch: MakeWatch) -> None:
    watch = make_watch()

    def counted() -> tuple[int, float]:
        time.sleep(AWAKE)
        wakes_before, cpu_before = wakes(), cpu_seconds()
        time.sleep(2.0)
        return wakes() - wakes_before, cpu_seconds() - cpu_before

    async def main() -> tuple[int, float]:
        watch.start()
        return await asyncio.to_thread(counted)

    count, cpu = run_on(loop, main())
    assert count <= 2 * 2
    assert cpu < 0.002


@pytest.mark.slow
@linux
def test_many_idle_loops_in_as_many_threads_are_too(loop: str, make_watch: MakeWatch) -> None:
    watch, loops, ended = make_watch(), 20, threading.Event()
    ready = threading.Semaphore(0)

    async def main() -> None:
        watch.start()
        ready.release()
        await asyncio.get_running_loop().run_in_executor(None, ended.wait)

    threads = [threading.Thread(target=run_on, args=(loop, main())) for _ in range(loops)]
    for thread in threads:
        thread.start()
    for _ in threads:
        ready.acquire()
    time.sleep(AWAKE)
    before = wakes()
    time.sleep(2.0)
    count = wakes() - before
    ended.set()
    for thread in threads:
        thread.join()
    assert count <= 2 * 2


@pytest.mark.slow
@linux
def test_a_loop_that_wakes_often_costs_no_look_each(loop: str, make_watch: MakeWatch) -> None:
    """The watchdog glances about each period, and wakes Python now and then."""
    watch = make_watch()

    async def main() -> tuple[int, int]:
        watch.start()
        await asyncio.sleep(AWAKE)
        looks, before = len(LOOPS[asyncio.get_running_loop()].clocks._readings), wakes()
        for _ in range(40):
            await asyncio.sleep(0.05)
        now = len(LOOPS[asyncio.get_running_loop()].clocks._readings)
        return now - looks, wakes() - before

    readings, count = run_on(loop, main())
    assert 2 <= readings <= 16  # two a look
    assert count <= 2 * 50  # and at the random moments of samples of its time


def test_stop_ends_a_deep_sleep_at_once(loop: str, make_watch: MakeWatch) -> None:
    watch = make_watch()

    async def main() -> float:
        watch.start()
        await asyncio.sleep(AWAKE + 0.3)
        (thread,) = watchdogs()
        began = time.perf_counter()
        watch.stop()
        assert not thread.is_alive()
        return time.perf_counter() - began

    assert run_on(loop, main()) < 1.0
    assert watchdogs() == []


def test_a_watch_that_is_over_leaves_no_state_behind(loop: str) -> None:
    async def main(watch: Watch) -> None:
        watch.start()
        await asyncio.sleep(0.1)
        block()
        await asyncio.sleep(0.1)
        watch.stop()

    def states() -> int:
        gc.collect()
        return sum(type(one) is LoopState for one in gc.get_objects())

    before = states()
    for _ in range(3):
        run_on(loop, main(private_watch()))
    assert states() <= before
