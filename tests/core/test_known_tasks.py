"""Tasks are found without keeping any of them."""

import asyncio
import gc
from typing import Any

import pytest

from loopwatch.core import known_tasks as module
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
        assert pauses >= len(waiting) or module.known_tasks() is None  # from 3.14 on
        other = asyncio.new_event_loop()
        assert [*module.each_task(other)] == []
        other.close()
        gate.set()
        await asyncio.gather(*waiting)

    run_on(loop, main())


def test_tasks_written_in_python_are_found_beside_those_of_c(loop: str) -> None:
    """They are kept apart from 3.14 on."""

    async def main() -> None:
        running = asyncio.get_running_loop()
        python: Any = asyncio.tasks._PyTask  # type: ignore[attr-defined]
        both = {asyncio.create_task(asyncio.sleep(0.1)), python(asyncio.sleep(0.1), loop=running)}
        for task in both:
            asyncio.tasks._register_task(task)  # as whoever has tasks of another kind does
        assert {*module.each_task(running)} == asyncio.all_tasks() > both
        assert len([*module.each_task(running)]) == 3
        await asyncio.gather(*both)

    run_on(loop, main())


def test_references_can_be_compared_once_their_tasks_have_gone(loop: str) -> None:
    async def main() -> list[module.Reference]:
        waiting = [asyncio.create_task(asyncio.sleep(0.05)) for _ in range(5)]
        found = module.references_of([asyncio.get_running_loop()])
        found = [reference for reference in found if reference() in waiting]
        await asyncio.gather(*waiting)
        return found

    found = run_on(loop, main())
    gc.collect()
    assert [reference() for reference in found] == [None] * len(found)
    assert len({*found}) == len(found) == 5


def test_where_tasks_are_kept_otherwise_asyncio_is_asked(
    loop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        monkeypatch.setattr(module, "known_tasks", lambda: None)
        assert {*module.each_task(asyncio.get_running_loop())} == asyncio.all_tasks()

    run_on(loop, main())
