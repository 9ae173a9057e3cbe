"""What other code has wrapped over our methods by the time the watch stops: ours stays beneath it,
and neither costs nor keeps anything."""

import asyncio
import gc
import weakref
from typing import Any

import pytest

from loopwatch.watch.watched_loop import LOOPS
from tests.conftest import MakeWatch, run_on

METHODS = ["call_soon", "call_soon_threadsafe", "call_later", "close", "run_forever"]


class Wrapper:
    """Somebody else's wrapper, which counts its calls."""

    def __init__(self, beneath: Any) -> None:
        self.beneath, self.calls = beneath, 0

    def __call__(self, *args: Any, **named: Any) -> Any:
        self.calls += 1
        return self.beneath(*args, **named)


def wrap(thing: Any, name: str) -> Wrapper:
    over = Wrapper(getattr(thing, name))
    setattr(thing, name, over)
    return over


def test_nothing_of_the_watch_is_kept_beneath_wrappers(loop: str, make_watch: MakeWatch) -> None:
    """The wrappers go on working, and the loop's numbers can be collected."""
    found: list[Any] = []

    async def main() -> None:
        running: Any = asyncio.get_running_loop()
        usual = type(running)
        watch = make_watch()
        watch.start()
        await asyncio.sleep(0)
        over = [wrap(running, name) for name in METHODS]
        if hasattr(running, "_selector"):
            over.append(wrap(running._selector, "select"))
        await asyncio.sleep(0.01)
        watched = LOOPS[running]
        found.extend((weakref.ref(watched), weakref.ref(watched.probe)))
        del watched
        watch.stop()
        assert type(running) is usual
        before = [wrapper.calls for wrapper in over]
        await asyncio.sleep(0.01)
        await asyncio.to_thread(int)
        gc.collect()
        found.extend((before, [wrapper.calls for wrapper in over], [r() for r in found]))

    run_on(loop, main())
    *_, before, after, kept = found
    assert kept == [None, None]
    assert sum(after) > sum(before)


@pytest.mark.parametrize("name", ["close", "run_forever"])
def test_a_wrapper_from_before_the_watch_is_put_back(
    loop: str, name: str, make_watch: MakeWatch
) -> None:
    async def main() -> None:
        running: Any = asyncio.get_running_loop()
        over = wrap(running, name)
        watch = make_watch()
        watch.start()
        await asyncio.sleep(0)
        watch.stop()
        assert getattr(running, name) is over
        setattr(running, name, over.beneath)

    run_on(loop, main())
