"""What is seen on a loop, asyncio's or uvloop's: every tick and every callback, exactly."""

import asyncio
import logging
import time
from contextvars import Context

import pytest

from loopwatch.loop.step_timing import COMPILED
from tests.calm import in_calm
from tests.conftest import TOLERANCE, MakeWatch, block_for, run_on, spin_for


@in_calm
def test_every_slow_callback_is_one_stall(loop: str, make_watch: MakeWatch) -> None:
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
        running = asyncio.get_running_loop()
        running.call_soon(block)
        running.call_later(0.01, block)
        running.call_soon(block, context=Context())
        await asyncio.sleep(0.02)
        await asyncio.create_task(task())
        await asyncio.sleep(0)

    run_on(loop, main())
    assert len(watch.stalls) == len(truths) == 5
    for stall, truth in zip(watch.stalls, truths, strict=True):
        assert stall.duration == pytest.approx(truth, abs=TOLERANCE)
        assert stall.site.function == "tests.conftest.block_for"
    assert [s.coroutine and s.coroutine.rpartition(".")[2] for s in watch.stalls] == [
        *("block", "block", "block", "task", "task")
    ]


@in_calm
def test_callbacks_of_one_tick_are_told_apart(loop: str, make_watch: MakeWatch) -> None:
    """Two slow callbacks in one tick are two stalls; many short ones are none."""
    watch = make_watch()

    async def main() -> None:
        watch.start()
        running = asyncio.get_running_loop()
        running.call_soon(time.sleep, 0.11)
        running.call_soon(time.sleep, 0.13)
        for _ in range(400):
            running.call_soon(spin_for, 0.0005)
        await asyncio.sleep(0.01)

    run_on(loop, main())
    first, second = watch.stalls
    assert first.duration == pytest.approx(0.11, abs=TOLERANCE)
    assert second.duration == pytest.approx(0.13, abs=TOLERANCE)


@in_calm
def test_ticks_of_many_short_callbacks_are_lag(loop: str, make_watch: MakeWatch) -> None:
    """No callback is slow, yet whoever becomes ready waits for the whole tick: one stall, too."""
    watch = make_watch()

    async def main() -> None:
        watch.start()
        running = asyncio.get_running_loop()
        for _ in range(400):
            running.call_soon(spin_for, 0.0005)
        await asyncio.sleep(0.01)

    run_on(loop, main())
    lag = watch.snapshot().lag
    assert [stall.cause for stall in watch.stalls] == ["many_callbacks"]
    assert 0.1 < lag.quantile(0.9) < 0.5


@in_calm
def test_steps_are_counted_by_coroutine(loop: str, make_watch: MakeWatch) -> None:
    """Each resumption of a task is one step of its coroutine."""
    watch = make_watch()

    async def stepping() -> None:
        for _ in range(9):
            await asyncio.sleep(0)

    async def main() -> None:
        watch.start()
        for _ in range(3):
            await asyncio.create_task(stepping())

    run_on(loop, main())
    steps = dict(watch.snapshot().steps)
    (name,) = (name for name in steps if name.endswith(".stepping"))
    assert name == f"{__name__}.test_steps_are_counted_by_coroutine.<locals>.stepping"
    assert steps[name].count == 30
    assert 0 < steps[name].sum < 0.1


@in_calm
def test_a_callback_that_raises_is_timed_and_still_reported(
    loop: str, make_watch: MakeWatch, caplog: pytest.LogCaptureFixture
) -> None:
    """asyncio tells its exception handler of it, as it would without loopwatch."""
    watch = make_watch()
    met: list[BaseException] = []

    def bad() -> None:
        time.sleep(0.12)
        raise KeyError("bad")

    async def main() -> None:
        watch.start()
        running = asyncio.get_running_loop()
        running.set_exception_handler(lambda _, told: met.append(told["exception"]))
        running.call_soon(bad)
        await asyncio.sleep(0.01)

    run_on(loop, main())
    assert [type(error) for error in met] == [KeyError]
    assert len(watch.stalls) == 1
    assert not [r for r in caplog.records if r.levelno >= logging.ERROR]


@in_calm
def test_handles_of_unwatched_loops_pass_through(loop: str, make_watch: MakeWatch) -> None:
    """A watched loop in one thread costs another thread's loop nothing, and tells nothing of it."""
    watch = make_watch()

    async def other() -> int:
        time.sleep(0.12)
        await asyncio.sleep(0)
        return 7

    async def main() -> None:
        watch.start()
        assert await asyncio.to_thread(asyncio.run, other()) == 7

    run_on(loop, main())
    assert watch.stalls == ()


@in_calm
def test_a_timer_and_a_child_task_are_known_by_name(loop: str, make_watch: MakeWatch) -> None:
    watch = make_watch()

    async def child() -> None:
        await asyncio.sleep(0.01)
        time.sleep(0.12)

    async def main() -> None:
        watch.start()
        asyncio.get_running_loop().call_later(0.02, block_for, 0.12)
        await asyncio.sleep(0.2)
        await asyncio.gather(child(), asyncio.sleep(0))

    run_on(loop, main())
    timer, task = watch.stalls
    assert timer.coroutine == "tests.conftest.block_for"
    assert task.coroutine is not None
    assert task.coroutine.endswith("<locals>.child")


@in_calm
def test_what_holds_the_loop_between_its_callbacks_is_a_stall_of_nobody(
    loop: str, make_watch: MakeWatch
) -> None:
    """A protocol's `data_received`: uvloop calls it by itself, in its poll phase."""
    if loop == "uvloop" and not COMPILED:
        pytest.skip("without the compiled twin its end is seen too late for a line")
    watch = make_watch()
    lengths: list[float] = []

    class Slow(asyncio.Protocol):
        def data_received(self, data: bytes) -> None:
            lengths.append(block_for(0.13))

    async def main() -> None:
        watch.start()
        running = asyncio.get_running_loop()
        server = await running.create_server(Slow, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(3):
            writer.write(b"x")
            await asyncio.sleep(0.25)
        writer.close()
        await writer.wait_closed()
        server.close()

    run_on(loop, main())
    assert len(watch.stalls) == len(lengths) == 3
    for stall, length in zip(watch.stalls, lengths, strict=True):
        assert stall.duration == pytest.approx(length, abs=TOLERANCE)
        assert stall.site.function == "tests.conftest.block_for"
        assert (stall.route, stall.site.exact) == (None, True)


@in_calm
@pytest.mark.parametrize("children", [False, True])
def test_busy_and_idle_time_add_up(loop: str, make_watch: MakeWatch, children: bool) -> None:
    """Signals, and the end of a subprocess is one, take nothing of what was idle."""
    if loop == "uvloop" and children and not COMPILED:
        pytest.skip("without the compiled twin a signal takes up to 80 ms of what was idle")
    watch = make_watch()
    spun: list[float] = []
    forked: list[float] = []  # s that each child took to begin, at most: the loop waits for a fork

    async def main() -> None:
        watch.start()
        for _ in range(5):
            spun.append(spin_for(0.02))
            if children:
                began = time.perf_counter()
                process = await asyncio.create_subprocess_exec("sleep", "0.2")
                forked.append(time.perf_counter() - began)
                await process.wait()
            await asyncio.sleep(0.05)
        spun.append(0.0)

    began = time.perf_counter()
    run_on(loop, main())
    wall = time.perf_counter() - began
    reading = watch.snapshot()
    assert watch.stalls == ()
    assert -0.01 < reading.busy - sum(spun) < 0.02 + sum(forked)
    assert reading.busy + reading.idle <= wall
    assert reading.lag.quantile(0.99) < 0.06 + max(forked, default=0.0)


@in_calm
def test_eager_tasks_are_timed_too(loop: str, make_watch: MakeWatch) -> None:
    factory = getattr(asyncio, "eager_task_factory", None)
    if factory is None:
        pytest.skip("eager tasks came with 3.12")
    watch = make_watch()

    async def eager() -> None:
        time.sleep(0.12)
        await asyncio.sleep(0.01)
        time.sleep(0.13)

    async def main() -> None:
        watch.start()
        running = asyncio.get_running_loop()
        running.set_task_factory(factory)
        await asyncio.sleep(0.1)
        await factory(running, eager())
        running.set_task_factory(None)  # uvloop with 3.13.0 cannot end with this one

    run_on(loop, main())
    first, second = watch.stalls
    assert (first.site.code, second.site.code) == ("time.sleep(0.12)", "time.sleep(0.13)")
