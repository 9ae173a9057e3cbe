"""What is seen on a uvloop loop, through libuv and the watchdog."""

import asyncio
import time

import pytest

from ..calm import in_calm
from ..conftest import (
    TOLERANCE,
    MakeWatch,
    block_for,
    private_watch,
    run_on,
    spin_for,
    watchdog_round,
)

pytest.importorskip("uvloop")


@in_calm
def test_many_short_ticks_are_short(make_watch: MakeWatch) -> None:
    """2,000 callbacks of 0.5 ms, one a tick: nobody waited longer than about that."""
    watch = make_watch()

    async def main() -> None:
        watch.start()
        loop = asyncio.get_running_loop()
        done = loop.create_future()

        def turn(left: int) -> None:
            spin_for(0.0005)
            if left:
                loop.call_soon(turn, left - 1)
            else:
                done.set_result(None)

        loop.call_soon(turn, 1_999)
        await done
        await watchdog_round()

    run_on("uvloop", main())
    assert watch.stalls == ()
    assert watch.snapshot().lag.quantile(0.95) < 0.005


@in_calm
def test_slow_callback_outside_requests_is_one_stall(make_watch: MakeWatch) -> None:
    """Nobody drives it: its length is what libuv's clock says, its line the watchdog's."""
    watch = make_watch()
    truths: list[float] = []

    async def main() -> None:
        watch.start()
        loop = asyncio.get_running_loop()
        for _ in range(4):
            loop.call_soon(lambda: truths.append(block_for(0.15)))
            await asyncio.sleep(0.25)

    run_on("uvloop", main())
    assert len(watch.stalls) == 4
    for stall, truth in zip(watch.stalls, truths, strict=True):
        assert stall.duration == pytest.approx(truth, abs=TOLERANCE)
        assert stall.site.function == "tests.conftest.block_for"
        assert stall.site.code == "time.sleep(seconds)"


@in_calm
def test_slow_callbacks_one_right_after_the_other_each_have_a_line(make_watch: MakeWatch) -> None:
    """No idle moment in between: each in a tick of its own, each photographed."""
    watch = make_watch()

    def first() -> None:
        time.sleep(0.13)

    def second() -> None:
        time.sleep(0.14)

    async def main() -> None:
        watch.start()
        await asyncio.sleep(0.1)
        for callback in (first, second, first, second):
            asyncio.get_running_loop().call_soon(callback)
            await asyncio.sleep(0.001)
        await watchdog_round()

    run_on("uvloop", main())
    assert [stall.site.code for stall in watch.stalls] == [
        *("time.sleep(0.13)", "time.sleep(0.14)", "time.sleep(0.13)", "time.sleep(0.14)")
    ]


@in_calm
def test_slow_steps_of_a_task_are_stalls(make_watch: MakeWatch) -> None:
    watch = make_watch()

    async def child() -> None:
        for _ in range(3):
            await asyncio.sleep(0.05)
            time.sleep(0.15)

    async def main() -> None:
        watch.start()
        await asyncio.create_task(child(), name="child")
        await watchdog_round()

    run_on("uvloop", main())
    assert len(watch.stalls) == 3
    for stall in watch.stalls:
        assert stall.duration == pytest.approx(0.15, abs=2 * TOLERANCE)
        assert stall.coroutine is not None
        assert stall.coroutine.endswith("<locals>.child")
        assert stall.site.code == "time.sleep(0.15)"


@in_calm
def test_loops_come_and_go_while_the_watchdog_reads() -> None:
    """200 loops made and closed under watch: reading a closed one would crash the process."""
    watch = private_watch(slow_callback_duration=0.004)  # the watchdog looks every 2 ms

    async def main() -> None:
        watch.start()
        await asyncio.sleep(0.002)
        watch.snapshot()

    try:
        for _ in range(200):
            run_on("uvloop", main())
        assert watch.snapshot().loops == ()
    finally:
        watch.stop()


@in_calm
def test_what_cannot_be_seen_is_said(make_watch: MakeWatch) -> None:
    watch = make_watch()

    async def main() -> None:
        watch.start()
        (reading,) = watch.snapshot().loops
        assert reading.loop == "uvloop"
        assert reading.blind
        assert "ticks" in reading.layers

    run_on("uvloop", main())
