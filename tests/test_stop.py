"""Putting back: after `stop` everything is what it was before, checked by identity."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from loopwatch import LoopWatchMiddleware, Watch
from tests.states import loop_state, process_state

from .asgi import Message, Receive, Send, answer, visit
from .conftest import MakeWatch, private_watch, run_on


@pytest.mark.parametrize("debug", [False, True])
def test_stop_puts_everything_back(loop: str, debug: bool, registry: CollectorRegistry) -> None:
    before = process_state()

    async def main() -> None:
        running = asyncio.get_running_loop()
        of_loop = loop_state(running)
        watch = Watch(registry=registry, debug=debug)
        watch.start()
        assert list(registry.collect())
        await asyncio.sleep(0.02)
        watch.stop()
        await asyncio.sleep(0)  # asyncio turns its debug mode off in a callback
        assert loop_state(running) == of_loop
        assert process_state() == before
        assert list(registry.collect()) == []

    run_on(loop, main())
    assert process_state() == before


def test_leaving_the_block_puts_everything_back(loop: str) -> None:
    """`with Watch()` patches the classes that run loops, for as long as it lasts."""
    before = process_state()
    with private_watch() as watch:
        assert asyncio.Runner.run is not before["Runner.run"]
        run_on(loop, asyncio.sleep(0.02))
        assert watch.snapshot().busy + watch.snapshot().idle > 0.01
    assert process_state() == before


def test_nested_blocks_put_everything_back_in_any_order() -> None:
    before = process_state()
    first, second = private_watch(), private_watch()
    first.start()
    second.start()
    first.stop()
    assert asyncio.Runner.run is not before["Runner.run"]
    second.stop()
    assert process_state() == before


def test_starting_and_stopping_twice_is_once(loop: str, make_watch: MakeWatch) -> None:
    watch = make_watch()
    before = process_state()

    async def main() -> None:
        for _ in range(3):
            watch.start()
            watch.start()
            assert len(watch.snapshot().loops) == 1
            watch.stop()
            watch.stop()
            assert process_state() == before

    run_on(loop, main())


def test_a_loop_has_one_watch(loop: str, make_watch: MakeWatch) -> None:
    """A second watch is refused, and the first goes on."""
    first, second = make_watch(), make_watch()

    async def main() -> None:
        first.start()
        with pytest.raises(RuntimeError, match="watched by another Watch"):
            second.start()
        assert len(first.snapshot().loops) == 1
        first.stop()
        second.start()
        assert len(second.snapshot().loops) == 1

    run_on(loop, main())


def test_closing_a_loop_ends_its_watch(loop: str, make_watch: MakeWatch) -> None:
    before = process_state()
    watch = make_watch()

    async def main() -> None:
        watch.start()

    run_on(loop, main())
    assert watch.snapshot().loops == ()
    after = process_state()
    assert after["Handle._run"] is before["Handle._run"]
    assert after["threads"] == before["threads"]
    watch.stop()
    assert process_state() == before


def test_stop_within_a_request(loop: str, make_watch: MakeWatch) -> None:
    """The request that stops the watch ends as any other; the next is not watched."""
    watch = make_watch()

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        watch.stop()
        await asyncio.sleep(0.01)
        await answer(send, b"stopped")

    async def main() -> list[list[Message]]:
        middleware = LoopWatchMiddleware(app, watch=watch)
        return [await visit(middleware), await visit(middleware)]

    first, second = run_on(loop, main())
    assert first == second
    assert first[1]["body"] == b"stopped"
    assert watch.snapshot().loops == ()


def test_somebody_else_s_patch_is_left_alone(make_watch: MakeWatch) -> None:
    """If `Handle._run` was wrapped after us, putting ours back would take theirs away."""
    watch = make_watch()
    original: Callable[..., Any] = asyncio.Handle._run

    async def main() -> None:
        watch.start()
        ours: Callable[..., Any] = asyncio.Handle._run

        def theirs(self: Any) -> None:
            ours(self)

        asyncio.Handle._run = theirs  # type: ignore[method-assign]
        await asyncio.sleep(0)
        watch.stop()
        assert asyncio.Handle._run is theirs
        await asyncio.sleep(0)
        asyncio.Handle._run = ours  # type: ignore[method-assign]
        watch.start()
        await asyncio.sleep(0)
        watch.stop()

    try:
        run_on("asyncio", main())
        assert asyncio.Handle._run is original
    finally:
        asyncio.Handle._run = original  # type: ignore[method-assign]
