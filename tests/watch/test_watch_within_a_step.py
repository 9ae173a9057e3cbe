"""A watch that begins and ends within a coroutine sees the step that it stands in."""

import asyncio
import time
from typing import Any

import pytest

from loopwatch import LoopWatchMiddleware, Watch
from tests.asgi import Receive, Send, answer, visit

from ..conftest import MakeWatch, private_watch, run_on

HOLD = 0.5  # s


def hold() -> None:
    time.sleep(HOLD)


def only_stall(watch: Watch) -> tuple[str, bool, str | None]:
    (stall,) = watch.stalls
    assert HOLD * 0.9 < stall.duration < HOLD + 5.0
    return stall.site.function, stall.site.exact, stall.coroutine


async def with_block() -> Watch:
    with private_watch() as watch:
        hold()
    return watch


async def start_and_stop() -> Watch:
    watch = private_watch()
    watch.start()
    hold()
    watch.stop()
    return watch


async def stopped_in_a_later_step() -> Watch:
    watch = private_watch()
    watch.start()
    await asyncio.sleep(0.01)
    hold()
    watch.stop()
    return watch


@pytest.mark.parametrize("program", [with_block, start_and_stop, stopped_in_a_later_step])
def test_the_step_in_which_the_watch_ends_is_judged(loop: str, program: object) -> None:
    watch = run_on(loop, program())  # type: ignore[operator]
    assert only_stall(watch) == (f"{__name__}.hold", True, f"{__name__}.{program.__name__}")  # type: ignore[attr-defined]


def test_it_is_judged_once(loop: str, make_watch: MakeWatch) -> None:
    async def main() -> Watch:
        watch = make_watch()
        watch.start()
        hold()
        await asyncio.sleep(0.01)
        watch.stop()
        return watch

    assert only_stall(run_on(loop, main()))[:2] == (f"{__name__}.hold", True)


def test_what_ran_before_the_watch_is_not(loop: str) -> None:
    async def main() -> Watch:
        hold()
        with private_watch(slow_callback_duration=0.3) as watch:
            time.sleep(0.001)
        return watch

    assert run_on(loop, main()).stalls == ()


def test_steps_that_were_in_line_as_the_watch_began_are_told_apart(make_watch: MakeWatch) -> None:
    """On asyncio; uvloop does not show its line, so there they are one."""

    async def later() -> None:
        hold()

    async def main() -> Watch:
        waiting = [asyncio.create_task(later()) for _ in range(2)]
        watch = make_watch()
        watch.start()
        hold()
        await asyncio.gather(*waiting)
        watch.stop()
        return watch

    watch = asyncio.run(main())
    own, others = f"{__name__}.{main.__qualname__}", f"{__name__}.{later.__qualname__}"
    assert [stall.coroutine for stall in watch.stalls] == [own, others, others]
    assert all(HOLD * 0.9 < stall.duration < HOLD * 1.9 for stall in watch.stalls)


def test_requests_that_were_in_line_as_the_first_one_began_are_told_apart(
    loop: str, make_watch: MakeWatch
) -> None:
    """Without a lifespan, the first request begins the watch."""

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        hold()
        await answer(send)

    async def main() -> None:
        front = LoopWatchMiddleware(app, watch=watch)
        await asyncio.gather(*(visit(front, f"/{n}", path_template=f"/{n}") for n in range(3)))

    watch = make_watch()
    run_on(loop, main())
    assert [stall.route for stall in watch.stalls] == ["/0", "/1", "/2"]
    assert all(HOLD * 0.9 < stall.duration < HOLD * 1.9 for stall in watch.stalls)
