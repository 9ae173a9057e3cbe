"""asyncio's debug mode, taken in: its slow-callback warnings become stalls, once each."""

import asyncio
import logging
import time

import pytest

from tests.calm import in_calm
from tests.conftest import TOLERANCE, MakeWatch, block_for, run_on, watchdog_round


@in_calm
def test_callbacks_and_tasks_are_counted_once(
    loop: str, make_watch: MakeWatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Both the probe and asyncio see them; asyncio's own warning ends as a stall."""
    watch = make_watch(debug=True)
    caplog.clear()
    truths: list[float] = []

    async def child() -> None:
        truths.append(block_for(0.13))
        await asyncio.sleep(0.05)
        truths.append(block_for(0.13))

    async def main() -> None:
        watch.start()
        await asyncio.sleep(0)
        running = asyncio.get_running_loop()
        assert running.get_debug() is True
        for _ in range(3):
            running.call_soon(lambda: truths.append(block_for(0.13)))
            await asyncio.sleep(0.2)
        await asyncio.create_task(child())
        await watchdog_round()

    run_on(loop, main())
    assert len(watch.stalls) == len(truths) == 5
    for stall, truth in zip(watch.stalls, truths, strict=True):
        assert stall.duration == pytest.approx(truth, abs=TOLERANCE)
        assert stall.site.function == "tests.conftest.block_for"
    assert not [r for r in caplog.records if "Executing" in r.getMessage()]


def test_other_warnings_of_asyncio_pass(
    loop: str, make_watch: MakeWatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Only this loop's slow callbacks are taken; whatever else asyncio says, it says."""
    watch = make_watch(debug=True)

    async def main() -> None:
        watch.start()
        logging.getLogger("asyncio").warning("socket.send() raised exception.")
        logging.getLogger("asyncio").warning("Executing %s, as it were", "nothing")

    run_on(loop, main())
    assert [r.getMessage() for r in caplog.records if r.name == "asyncio"] == [
        "socket.send() raised exception.",
        "Executing nothing, as it were",
    ]


@in_calm
def test_slow_callbacks_of_an_unwatched_loop_are_asyncio_s_to_tell(
    make_watch: MakeWatch, caplog: pytest.LogCaptureFixture
) -> None:
    watch = make_watch(debug=True)
    caplog.clear()

    async def other() -> None:
        time.sleep(0.12)
        await asyncio.sleep(0)

    async def main() -> None:
        watch.start()
        await asyncio.to_thread(asyncio.run, other(), debug=True)

    run_on("asyncio", main())
    told = [r for r in caplog.records if r.name == "asyncio" and "took 0.1" in r.getMessage()]
    assert len(told) == 1
    assert watch.stalls == ()


@pytest.mark.parametrize("debug", [False, True])
def test_stopping_restores_the_loop_s_debug_mode(
    loop: str, debug: bool, make_watch: MakeWatch
) -> None:
    watch = make_watch(debug=True, slow_callback_duration=0.07)

    async def main() -> None:
        running = asyncio.get_running_loop()
        running.set_debug(debug)
        running.slow_callback_duration = 0.3
        watch.start()
        assert running.get_debug() is True
        assert running.slow_callback_duration == 0.07
        watch.stop()
        assert running.get_debug() is debug
        assert running.slow_callback_duration == 0.3
        running.set_debug(False)

    run_on(loop, main())


def test_without_debug_the_loop_s_mode_is_left_alone(loop: str, make_watch: MakeWatch) -> None:
    watch = make_watch()

    async def main() -> None:
        watch.start()
        assert asyncio.get_running_loop().get_debug() is False
        assert asyncio.get_running_loop().slow_callback_duration == 0.1

    run_on(loop, main())
