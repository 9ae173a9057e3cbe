"""A tick that many short callbacks made long is one stall, with those who took part."""

import asyncio

import pytest

from loopwatch.loop.busy_ticks import KINDS, BusyTick
from tests.calm import in_calm
from tests.conftest import MakeWatch, run_on, spin_for, watchdog_round


async def turn(seconds: float) -> None:
    spin_for(seconds)


async def rarer(seconds: float) -> None:
    spin_for(seconds)


def called(seconds: float) -> None:
    spin_for(seconds)


async def gather_many() -> None:
    await asyncio.gather(*(turn(0.001) for _ in range(200)), *(rarer(0.002) for _ in range(20)))


async def call_many() -> None:
    for _ in range(300):
        asyncio.get_running_loop().call_soon(called, 0.0007)
    await asyncio.sleep(0)


@in_calm
def test_every_step_of_a_busy_tick_is_counted(loop: str, make_watch: MakeWatch) -> None:
    watch = make_watch()

    async def main() -> None:
        watch.start()
        await watchdog_round()
        await gather_many()
        await call_many()
        await watchdog_round()

    run_on(loop, main())
    assert [s.cause for s in watch.stalls] == ["many_callbacks"] * 2
    gathered, calls = watch.stalls
    first, second, *_ = gathered.contributors
    assert (first.coroutine, first.count) == (f"{__name__}.turn", 200)
    assert (second.coroutine, second.count) == (f"{__name__}.rarer", 20)
    assert first.seconds == pytest.approx(0.2, rel=0.2)
    assert (calls.contributors[0].coroutine, calls.contributors[0].count) == (
        f"{__name__}.called",
        300,
    )
    assert sum(c.seconds for c in calls.contributors) == pytest.approx(calls.duration, rel=0.1)


def handles(loop: asyncio.AbstractEventLoop, kinds: int) -> list[asyncio.Handle]:
    """Return handles of so many kinds: a kind is known by its code."""
    return [loop.call_soon(eval(f"lambda: {n}")) for n in range(kinds)]


def test_notes_of_steps_that_were_filed_elsewhere_take_part_as_well() -> None:
    busy_tick, code = BusyTick(), called.__code__
    loop = asyncio.new_event_loop()
    busy_tick.add(loop.call_soon(called, 0.0), None, 0.001)
    first, second = busy_tick.parts([(code, None, None, 0.002), (turn.__code__, None, None, 0.001)])
    assert (first.coroutine, first.count) == (f"{__name__}.called", 2)
    assert (second.coroutine, second.count) == (f"{__name__}.turn", 1)
    assert first.seconds == pytest.approx(0.003)
    loop.close()


def test_steps_left_out_of_a_slow_tick_are_counted() -> None:
    loop, busy_tick = asyncio.new_event_loop(), BusyTick()
    for handle in handles(loop, KINDS + 3) * 2:
        busy_tick.add(handle, None, 0.001)
    assert busy_tick.lost == 0
    parts = busy_tick.parts()
    assert [part.count for part in parts] == [2] * KINDS
    assert busy_tick.lost == 6
    busy_tick.clear()
    assert busy_tick.parts() == ()
    assert busy_tick.lost == 6
    loop.close()


def test_what_is_left_out_of_a_short_tick_is_no_loss() -> None:
    loop, busy_tick = asyncio.new_event_loop(), BusyTick()
    for handle in handles(loop, KINDS + 3):
        busy_tick.add(handle, None, 0.001)
    busy_tick.clear()
    busy_tick.add(loop.call_soon(print), None, 0.2)
    assert len(busy_tick.parts()) == 1
    assert busy_tick.lost == 0
    loop.close()


@in_calm
def test_short_steps_of_a_short_busy_tick_are_filed_as_ever(
    loop: str, make_watch: MakeWatch
) -> None:
    watch = make_watch()

    async def main() -> None:
        watch.start()
        await asyncio.gather(*(turn(0.0) for _ in range(300)))

    run_on(loop, main())
    steps = dict(watch.snapshot().steps)[f"{__name__}.turn"]
    assert steps.count == 300
    assert watch.stalls == ()
