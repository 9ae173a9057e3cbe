"""The default executor of both loops: found, counted, and who waits for its threads is charged."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from loopwatch.loop.executor import Executor, default_executor
from tests.calm import in_calm
from tests.conftest import block_for, run_on, until
from tests.loop.pools import NEAR, Charges, Job


def pooled(loop: str, main: Callable[[Executor], Awaitable[None]], threads: int) -> Charges:
    """Run `main` with a default executor of so many threads, and return what was charged."""
    charges = Charges()

    async def run() -> None:
        running = asyncio.get_running_loop()
        running.set_default_executor(ThreadPoolExecutor(threads))
        executor = Executor(running, charges.add)
        executor.glance()
        try:
            await main(executor)
        finally:
            executor.uninstall()
            assert not executor._line._waits

    run_on(loop, run())
    return charges


async def in_thread(job: Job) -> Job:
    job.ask()
    return await asyncio.to_thread(job)


@in_calm
def test_waits_are_charged_to_the_requests_that_waited(loop: str) -> None:
    jobs = [Job(f"/{n}", 0.05) for n in range(6)]

    async def main(executor: Executor) -> None:
        await asyncio.gather(*map(in_thread, jobs))

    charged = pooled(loop, main, threads=2).seconds
    truths = {job.path: job.began - job.asked for job in jobs}
    assert set(charged) == {"/2", "/3", "/4", "/5"}
    assert {p: s for p, s in truths.items() if p in charged} == pytest.approx(charged, abs=NEAR)


@in_calm
def test_a_stalled_loop_is_no_wait_for_a_thread(loop: str) -> None:
    jobs = [Job("/0", 0.1), Job("/1")]

    async def main(executor: Executor) -> None:
        tasks = [asyncio.ensure_future(in_thread(job)) for job in jobs]
        await asyncio.sleep(0.02)
        block_for(0.3)
        await asyncio.gather(*tasks)

    charged = pooled(loop, main, threads=1).seconds
    assert charged == {"/1": pytest.approx(jobs[1].began - jobs[1].asked, abs=NEAR)}
    assert charged["/1"] < 0.2


@in_calm
def test_who_gives_up_has_waited_until_then(loop: str) -> None:
    release = threading.Event()
    waited: list[float] = []
    job = Job("/given-up")

    async def main(executor: Executor) -> None:
        holder = asyncio.ensure_future(in_thread(Job("/0", then=release.wait)))
        await asyncio.sleep(0.01)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.ensure_future(in_thread(job)), 0.03)
        waited.append(time.perf_counter() - job.asked)
        release.set()
        await holder
        await asyncio.sleep(0.01)

    charged = pooled(loop, main, threads=1).seconds
    assert job.began == 0.0
    assert charged == {"/given-up": pytest.approx(waited[0], abs=NEAR)}


def test_threads_are_counted(loop: str) -> None:
    """After calls have been in line too, when Python 3.11 counts idle threads too many."""
    release = threading.Event()

    async def main(executor: Executor) -> None:
        assert executor.reading() == (0, 2, 0)
        await asyncio.gather(*(in_thread(Job(f"/{n}", 0.005)) for n in range(6)))
        await until(lambda: executor.reading() == (0, 2, 0))
        tasks = [asyncio.ensure_future(in_thread(Job("/", then=release.wait))) for _ in range(3)]
        await until(lambda: executor.reading() == (2, 0, 1))
        release.set()
        await asyncio.gather(*tasks)

    pooled(loop, main, threads=2)


def test_an_executor_made_or_exchanged_later_is_found(loop: str) -> None:
    async def main() -> None:
        running: Any = asyncio.get_running_loop()
        assert default_executor(running) is None
        executor = Executor(running, Charges().add)
        executor.glance()
        await asyncio.to_thread(int)
        made = default_executor(running)
        await asyncio.to_thread(executor.glance)
        assert "submit" in vars(made)
        with ThreadPoolExecutor(1) as other:
            running.set_default_executor(other)
            executor.glance()
            assert "submit" not in vars(made)
            assert "submit" in vars(other)
            executor.uninstall()
            assert "submit" not in vars(other)
        running.set_default_executor(made)

    run_on(loop, main())


def test_an_executor_the_app_keeps_on_its_loop_is_not_taken_for_the_default_one() -> None:
    async def main() -> None:
        running: Any = asyncio.get_running_loop()
        with ThreadPoolExecutor(1) as running.mine:
            assert default_executor(running) is None

    pytest.importorskip("uvloop")
    run_on("uvloop", main())


def test_somebody_elses_wrapper_stays(loop: str) -> None:
    async def main(executor: Executor) -> None:
        made = default_executor(asyncio.get_running_loop())
        ours = made.submit
        made.submit = theirs = lambda fn, *args: ours(fn, *args)
        executor.uninstall()
        assert made.submit is theirs
        assert await asyncio.to_thread(abs, -1) == 1

    pooled(loop, main, threads=1)


def test_errors_and_results_are_the_calls_own(loop: str) -> None:
    async def main(executor: Executor) -> None:
        holder = asyncio.ensure_future(in_thread(Job("/0", 0.02)))
        await asyncio.sleep(0)
        results = await asyncio.gather(
            *(asyncio.to_thread(int, x) for x in ("1", "x")), return_exceptions=True
        )
        assert results[0] == 1
        assert isinstance(results[1], ValueError)
        await holder

    assert pooled(loop, main, threads=1).seconds == {}
