"""Tasks are found without keeping any of them."""

import asyncio

import pytest

from loopwatch.waits import known_tasks as module
from tests.conftest import run_on


def test_tasks_are_found_one_by_one_with_a_pause_after_each(
    loop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that `asyncio.all_tasks` finds, but none that is done or of another loop. None of them
    is kept over a pause, in which it may end."""
    pauses = 0

    def pause() -> None:
        nonlocal pauses
        pauses += 1

    async def main() -> None:
        gate = asyncio.Event()
        waiting = [asyncio.create_task(gate.wait()) for _ in range(500)]
        done = asyncio.create_task(asyncio.sleep(0))
        await done
        monkeypatch.setattr(module, "breathe", pause)
        running = asyncio.get_running_loop()
        assert {*module.each_task(running)} == asyncio.all_tasks() >= {*waiting}
        assert pauses >= len(waiting)
        other = asyncio.new_event_loop()
        assert [*module.each_task(other)] == []
        other.close()
        gate.set()
        await asyncio.gather(*waiting)

    run_on(loop, main())


def test_where_tasks_are_kept_otherwise_asyncio_is_asked(
    loop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        monkeypatch.setattr(module, "known_tasks", lambda: None)
        assert {*module.each_task(asyncio.get_running_loop())} == asyncio.all_tasks()

    run_on(loop, main())
