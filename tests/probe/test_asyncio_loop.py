"""What is seen on asyncio's own loop: every tick and every callback."""

import asyncio
import logging
import time
from contextvars import Context

import pytest

from ..calm import in_calm
from ..conftest import TOLERANCE, MakeWatch, block_for, run_on, spin_for


@in_calm
def test_every_slow_callback_is_one_stall(make_watch: MakeWatch) -> None:
    """Callbacks, timers and task steps alike, to the millisecond."""
    watch = make_watch()
    truths: list[float] = []

    def block() -> None:
        truths.append(block_for(0.12))

    async def task() -> None:
        block()
        await asyncio.sleep(0)
        block()

    async def main() -> None:
        watch.start()
        loop = asyncio.get_running_loop()
        loop.call_soon(block)
        loop.call_later(0.01, block)
        loop.call_soon(block, context=Context())
        await asyncio.sleep(0.02)
        await asyncio.create_task(task())
        await asyncio.sleep(0)

    run_on("asyncio", main())
    assert len(watch.stalls) == len(truths) == 5
    for stall, truth in zip(watch.stalls, truths, strict=True):
        assert stall.duration == pytest.approx(truth, abs=TOLERANCE)
        assert stall.site.function == "tests.conftest.block_for"
    assert [s.coroutine and s.coroutine.rpartition(".")[2] for s in watch.stalls] == [
        *("block", "block", "block", "task", "task")
    ]


@in_calm
def test_callbacks_of_one_tick_are_told_apart(make_watch: MakeWatch) -> None:
    """Two slow callbacks in one tick are two stalls; many short ones are none."""
    watch = make_watch()

    async def main() -> None:
        watch.start()
        loop = asyncio.get_running_loop()
        loop.call_soon(time.sleep, 0.11)
        loop.call_soon(time.sleep, 0.13)
        for _ in range(400):
            loop.call_soon(spin_for, 0.0005)
        await asyncio.sleep(0.01)

    run_on("asyncio", main())
    first, second = watch.stalls
    assert first.duration == pytest.approx(0.11, abs=TOLERANCE)
    assert second.duration == pytest.approx(0.13, abs=TOLERANCE)


@in_calm
def test_ticks_of_many_short_callbacks_are_lag(make_watch: MakeWatch) -> None:
    """No callback is slow, yet whoever becomes ready waits for the whole tick: one stall, too."""
    watch = make_watch()

    async def main() -> None:
        watch.start()
        loop = asyncio.get_running_loop()
        for _ in range(400):
            loop.call_soon(spin_for, 0.0005)
        await asyncio.sleep(0.01)

    run_on("asyncio", main())
    lag = watch.snapshot().lag
    assert [stall.cause for stall in watch.stalls] == ["many_callbacks"]
    assert 0.1 < lag.quantile(0.9) < 0.5


@in_calm
def test_steps_are_counted_by_coroutine(make_watch: MakeWatch) -> None:
    """Each resumption of a task is one step of its coroutine."""
    watch = make_watch()

    async def stepping() -> None:
        for _ in range(9):
            await asyncio.sleep(0)

    async def main() -> None:
        watch.start()
        for _ in range(3):
            await asyncio.create_task(stepping())

    run_on("asyncio", main())
    steps = dict(watch.snapshot().steps)
    (name,) = (name for name in steps if name.endswith(".stepping"))
    assert name == f"{__name__}.test_steps_are_counted_by_coroutine.<locals>.stepping"
    assert steps[name].count == 30
    assert 0 < steps[name].sum < 0.1


@in_calm
def test_a_callback_that_raises_is_timed_and_still_reported(
    make_watch: MakeWatch, caplog: pytest.LogCaptureFixture
) -> None:
    """asyncio tells its exception handler of it, as it would without loopwatch."""
    watch = make_watch()
    met: list[BaseException] = []

    def bad() -> None:
        time.sleep(0.12)
        raise KeyError("bad")

    async def main() -> None:
        watch.start()
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, told: met.append(told["exception"]))
        loop.call_soon(bad)
        await asyncio.sleep(0.01)

    run_on("asyncio", main())
    assert [type(error) for error in met] == [KeyError]
    assert len(watch.stalls) == 1
    assert not [r for r in caplog.records if r.levelno >= logging.ERROR]


@in_calm
def test_handles_of_unwatched_loops_pass_through(make_watch: MakeWatch) -> None:
    """A watched loop in one thread costs another thread's loop nothing, and tells nothing of it."""
    watch = make_watch()

    async def other() -> int:
        time.sleep(0.12)
        await asyncio.sleep(0)
        return 7

    async def main() -> None:
        watch.start()
        assert await asyncio.to_thread(asyncio.run, other()) == 7

    run_on("asyncio", main())
    assert watch.stalls == ()
