"""`with Watch(): asyncio.run(main())`: every loop that begins to run meanwhile."""

import asyncio
import threading
import time

import pytest

from loopwatch import Watch
from tests.calm import in_calm
from tests.conftest import MakeWatch, loop_factory, private_watch, run_on


async def blocking() -> None:
    await asyncio.sleep(0.01)
    time.sleep(0.12)
    await asyncio.sleep(0.15)


@in_calm
def test_asyncio_run_is_watched(loop: str) -> None:
    """From its first step, and every loop of the block; counts go on after the last."""
    with private_watch() as watch:
        for _ in range(2):
            run_on(loop, blocking())
    assert [stall.site.code for stall in watch.stalls] == ["time.sleep(0.12)"] * 2
    assert watch.snapshot().loops == ()


@in_calm
def test_the_first_step_is_seen() -> None:
    async def at_once() -> None:
        time.sleep(0.12)

    with private_watch() as watch:
        asyncio.run(at_once())
    assert len(watch.stalls) == 1


@in_calm
def test_run_until_complete_is_watched(loop: str) -> None:
    """For those who make their loops themselves."""
    with private_watch() as watch:
        made = loop_factory(loop)()
        try:
            made.run_until_complete(blocking())
            made.run_until_complete(asyncio.sleep(0))
        finally:
            made.close()
    assert len(watch.stalls) == 1


@in_calm
def test_loops_in_other_threads_are_watched(loop: str) -> None:
    with private_watch() as watch:
        thread = threading.Thread(target=lambda: run_on(loop, blocking()), name="worker")
        thread.start()
        thread.join()
    assert [stall.thread for stall in watch.stalls] == ["worker"]


def test_loops_that_run_after_the_block_are_not_watched(loop: str) -> None:
    with private_watch() as watch:
        pass
    run_on(loop, blocking())
    assert watch.stalls == ()
    assert watch.snapshot().stall_count == 0


def test_a_loop_already_watched_stays_with_its_watch(loop: str, make_watch: MakeWatch) -> None:
    mine = make_watch()

    async def main() -> None:
        mine.start()
        assert len(mine.snapshot().loops) == 1

    with private_watch() as adopter:
        made = loop_factory(loop)()
        adopter.stop()
        try:
            made.run_until_complete(main())
        finally:
            made.close()
        assert adopter.snapshot().loops == ()


def test_errors_pass_through_the_block(loop: str) -> None:
    """And the watch is stopped all the same."""

    async def fails() -> None:
        raise KeyError("mine")

    watch: Watch = private_watch()
    with pytest.raises(KeyError, match="mine"), watch:
        run_on(loop, fails())
    assert watch.stopped
    assert watch.snapshot().loops == ()
