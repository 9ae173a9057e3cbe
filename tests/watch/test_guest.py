"""A watch that is a guest leaves a loop to any watch of the app's own, and says which it was."""

import asyncio
from typing import Any

import pytest

from loopwatch import Watch
from loopwatch.watch.watched_loop import LOOPS
from tests.conftest import MakeWatch, block_for, run_on

HOLD = 0.3


def watches(watch: Watch, loop: Any) -> bool:
    return loop in watch._loops


def test_a_watch_that_starts_on_its_loop_takes_it(make_watch: MakeWatch, loop: str) -> None:
    guest, own, heirs = make_watch(), make_watch(), list[Watch]()
    guest.be_guest(heirs)
    seen = []

    async def main() -> None:
        running = asyncio.get_running_loop()
        seen.append((watches(guest, running), watches(own, running)))
        own.start()
        seen.append((watches(guest, running), watches(own, running)))
        await asyncio.sleep(0)
        block_for(HOLD)
        await asyncio.sleep(0)

    with guest:
        run_on(loop, main())
    assert seen == [(True, False), (False, True)]
    assert heirs == [own]
    assert [stall.site.function for stall in own.stalls] == ["tests.conftest.block_for"]
    assert not LOOPS


def test_a_watch_that_waits_for_loops_takes_it(make_watch: MakeWatch, loop: str) -> None:
    guest, own = make_watch(), make_watch()
    guest.be_guest()

    async def main() -> tuple[bool, bool]:
        running = asyncio.get_running_loop()
        return watches(guest, running), watches(own, running)

    with guest, own:
        assert run_on(loop, main()) == (False, True)


def test_a_guest_takes_no_loop_from_anybody(make_watch: MakeWatch) -> None:
    guest, other, own = make_watch(), make_watch(), make_watch()
    heirs: list[Watch] = []
    guest.be_guest(heirs)
    other.be_guest()

    async def main(first: Watch, second: Watch) -> None:
        first.start()
        with pytest.raises(RuntimeError, match="watched by another Watch already"):
            second.start()

    asyncio.run(main(own, guest))
    asyncio.run(main(guest, other))
    assert heirs == []
