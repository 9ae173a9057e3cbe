"""Who waits for a token of anyio's limiter is charged, and nobody else notices anything."""

import asyncio
import contextlib
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import anyio.to_thread
import pytest

from loopwatch.loop.limiter import Limiter, made
from tests.calm import in_calm
from tests.conftest import block_for, loop_factory, run_on
from tests.loop.pools import NEAR, Charges, Job

Main = Callable[[Limiter, Any], Awaitable[None]]


def limited(loop: str, main: Main, tokens: int = 1) -> dict[str, float]:
    """Run `main(limiter, anyio's)` with that many tokens, and return what requests were charged."""
    charges = Charges()

    async def run() -> None:
        limiter = Limiter(asyncio.get_running_loop(), charges.add)
        limiter.install()
        limiter.limiter.total_tokens = tokens
        try:
            await main(limiter, limiter.limiter)
        finally:
            limiter.uninstall()

    run_on(loop, run())
    return charges.seconds


async def in_thread(job: Job) -> Job:
    job.ask()
    return await anyio.to_thread.run_sync(job)


@in_calm
def test_waits_are_charged_to_the_requests_that_waited(loop: str) -> None:
    jobs = [Job(f"/{n}", 0.05) for n in range(6)]

    async def main(limiter: Limiter, tokens: Any) -> None:
        await asyncio.gather(*map(in_thread, jobs))

    charged = limited(loop, main, tokens=2)
    truths = {job.path: job.began - job.asked for job in jobs}
    assert set(charged) == {"/2", "/3", "/4", "/5"}
    assert {p: s for p, s in truths.items() if p in charged} == pytest.approx(charged, abs=NEAR)
    assert charged["/5"] > 0.09


def charged_with_a_stall(loop: str, jobs: list[Job], seconds: float) -> Any:
    """Return what each job is charged if the loop stalls while they are under way."""

    async def main(limiter: Limiter, tokens: Any) -> None:
        tasks = [asyncio.ensure_future(in_thread(job)) for job in jobs]
        await asyncio.sleep(0.02)
        block_for(seconds)
        await asyncio.gather(*tasks)

    return limited(loop, main)


@in_calm
def test_a_stalled_loop_is_no_wait_for_a_thread(loop: str) -> None:
    """The thread is free after 0.1 s, but the loop hands it on after 0.4 s only."""
    jobs = [Job(f"/{n}", 0.1) for n in range(3)]

    charged = charged_with_a_stall(loop, jobs, 0.4)
    first, second, third = jobs
    assert second.began - second.asked > 0.4
    assert charged["/1"] == pytest.approx(first.done - second.asked, abs=NEAR)
    truth = first.done - third.asked + second.done - second.began
    assert charged["/2"] == pytest.approx(truth, abs=NEAR)


@in_calm
def test_a_stall_while_threads_are_at_work_changes_nothing(loop: str) -> None:
    jobs = [Job(f"/{n}", 0.2) for n in range(2)]

    charged = charged_with_a_stall(loop, jobs, 0.1)
    assert charged["/1"] == pytest.approx(jobs[1].began - jobs[1].asked, abs=NEAR)


@in_calm
def test_who_gives_up_has_waited_until_then(loop: str) -> None:
    waited: list[float] = []
    jobs = [Job("/0", 0.1), Job("/given-up"), Job("/2")]

    async def give_up() -> None:
        with contextlib.suppress(TimeoutError):
            with anyio.fail_after(0.03):
                await in_thread(jobs[1])
        waited.append(time.perf_counter() - jobs[1].asked)

    async def main(limiter: Limiter, tokens: Any) -> None:
        await asyncio.gather(in_thread(jobs[0]), give_up(), in_thread(jobs[2]))
        assert (tokens.borrowed_tokens, tokens.statistics().tasks_waiting) == (0, 0)
        assert not limiter.line._waits
        assert not limiter.line._requests

    charged = limited(loop, main)
    assert jobs[1].began == 0.0
    assert charged["/given-up"] == pytest.approx(waited[0], abs=NEAR)
    assert charged["/2"] == pytest.approx(jobs[2].began - jobs[2].asked, abs=NEAR)


def test_tokens_are_given_in_order_and_as_many_as_there_are(loop: str) -> None:
    order: list[int] = []

    async def take(number: int, tokens: Any) -> None:
        async with tokens:
            order.append(number)
            await asyncio.sleep(0)

    async def main(limiter: Limiter, tokens: Any) -> None:
        tokens.acquire_on_behalf_of_nowait(limiter)
        tasks = [asyncio.ensure_future(take(n, tokens)) for n in range(5)]
        await asyncio.sleep(0.01)
        with pytest.raises(anyio.WouldBlock):
            tokens.acquire_nowait()
        assert limiter.reading() == (1, 0, 5)
        tokens.total_tokens = 3
        assert limiter.reading() == (3, 0, 3)
        await asyncio.gather(*tasks)
        tokens.release_on_behalf_of(limiter)
        assert limiter.reading() == (0, 3, 0)

    assert limited(loop, main) == {}  # no request has waited
    assert order == [0, 1, 2, 3, 4]


def test_who_need_not_wait_does_not_meet_us(loop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    met: list[Any] = []
    monkeypatch.setattr(Limiter, "asked", lambda *args: met.append(args))
    monkeypatch.setattr(Limiter, "granted", lambda *args: met.append(args))

    async def main(limiter: Limiter, tokens: Any) -> None:
        await in_thread(Job("/1"))
        await in_thread(Job("/2"))

    assert limited(loop, main) == {}
    assert met == []


def test_an_error_of_ours_keeps_nobody_from_a_thread(
    loop: str, caplog: pytest.LogCaptureFixture
) -> None:
    jobs = [Job(f"/{n}", 0.01) for n in range(3)]

    async def main(limiter: Limiter, tokens: Any) -> None:
        monkey: Any = limiter
        monkey.line = None
        await asyncio.gather(*map(in_thread, jobs))

    with caplog.at_level(logging.CRITICAL, "loopwatch"):
        limited(loop, main)
    assert all(job.done for job in jobs)


@pytest.mark.parametrize("elsewhere", [False, True], ids=["here", "by another thread"])
def test_uninstall_puts_back_what_was_there(loop: str, elsewhere: bool) -> None:
    """With calls in line, which get their turn."""
    charges = Charges()
    release = threading.Event()
    jobs = [Job("/0", then=release.wait), Job("/1"), Job("/2")]

    async def main() -> None:
        tokens: Any = anyio.to_thread.current_default_thread_limiter()
        tokens.total_tokens = 1
        limiter = Limiter(asyncio.get_running_loop(), charges.add)
        before = tokens._wait_queue
        limiter.install()
        assert tokens._wait_queue is not before
        tasks = [asyncio.ensure_future(in_thread(job)) for job in jobs]
        while len(tokens._wait_queue) < 2:
            await asyncio.sleep(0.01)
        queues = list(limiter._noted)
        assert [("task_done" in vars(queue)) for queue in queues] == [True]
        if elsewhere:
            await asyncio.to_thread(limiter.uninstall)
            await asyncio.sleep(0.01)
        else:
            limiter.uninstall()
        assert tokens._wait_queue is before
        assert type(before) is OrderedDict
        assert len(before) == 2
        assert "task_done" not in vars(queues[0])
        release.set()
        await asyncio.gather(*tasks)
        assert tokens.borrowed_tokens == 0

    run_on(loop, main())
    assert all(job.done for job in jobs)
    assert jobs[1].began < jobs[2].began
    assert charges.seconds == {}


def test_calls_in_line_before_us_get_their_turn(loop: str) -> None:
    charges = Charges()
    jobs = [Job(f"/{n}", 0.03) for n in range(4)]

    async def main() -> None:
        anyio.to_thread.current_default_thread_limiter().total_tokens = 1
        tasks = [asyncio.ensure_future(in_thread(job)) for job in jobs]
        await asyncio.sleep(0.01)
        limiter = Limiter(asyncio.get_running_loop(), charges.add)
        limiter.install()
        await asyncio.gather(*tasks)
        limiter.uninstall()

    run_on(loop, main())
    assert [job.path for job in sorted(jobs, key=lambda job: job.began)] == ["/0", "/1", "/2", "/3"]
    assert charges.seconds == {}  # nobody knows when they began to wait


def test_a_limiter_made_later_is_found(loop: str) -> None:
    charges = Charges()

    async def main(limiter: Limiter) -> None:
        assert made(asyncio.get_running_loop()) is None
        limiter.glance()
        tokens = anyio.to_thread.current_default_thread_limiter()
        tokens.total_tokens = 1
        await asyncio.to_thread(limiter.glance)
        await asyncio.sleep(0.01)
        assert limiter.limiter is tokens
        await asyncio.gather(in_thread(Job("/0", 0.02)), in_thread(Job("/1")))
        limiter.uninstall()

    with asyncio.Runner(loop_factory=loop_factory(loop)) as runner:
        limiter = Limiter(runner.get_loop(), charges.add)
        limiter.install()  # in no task, so none is made
        runner.run(main(limiter))
    assert set(charges.seconds) == {"/1"}


def test_a_limiter_found_too_late_is_left_alone(loop: str) -> None:
    async def main() -> None:
        limiter = Limiter(asyncio.get_running_loop(), Charges().add)
        tokens: Any = anyio.to_thread.current_default_thread_limiter()
        limiter.glance()
        limiter.uninstall()
        await asyncio.sleep(0.01)
        assert type(tokens._wait_queue) is OrderedDict

    run_on(loop, main())
