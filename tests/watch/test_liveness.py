"""Busy is not dead; held for long is."""

import asyncio
import threading
import time

import pytest

from tests.watch.wedging import wait_for_one, wedged

from ..conftest import MakeWatch, run_on


def test_a_held_loop_is_dead_after_live_after(loop: str, make_watch: MakeWatch) -> None:
    watch = make_watch(live_after=0.6)
    with wedged(loop, watch):
        stall = wait_for_one(watch)
        alive, report = watch.liveness()
        assert alive
        assert report["state"] == "held"
        assert report["held_seconds"] >= round(stall.duration, 3)
        assert report["culprit"]["code"] == "self.let_go.wait(20)"
        time.sleep(0.6)
        assert not watch.liveness().alive
    assert watch.liveness() == (
        True,
        {"state": "idle", "held_seconds": 0.0, "live_after": 0.6, "culprit": None},
    )


def test_a_loop_that_is_always_busy_in_short_steps_is_alive(
    loop: str, make_watch: MakeWatch
) -> None:
    watch, states = make_watch(live_after=0.2), set[object]()

    async def main() -> None:
        watch.start()
        until = time.monotonic() + 1.0
        while time.monotonic() < until:
            time.sleep(0.005)
            await asyncio.sleep(0)

    thread = threading.Thread(target=run_on, args=(loop, main()))
    thread.start()
    while thread.is_alive():
        alive, report = watch.liveness()
        states.add(report["state"])
        assert alive
        time.sleep(0.01)
    assert "busy" in states


def test_an_idle_loop_is_idle(loop: str, make_watch: MakeWatch) -> None:
    watch = make_watch()

    async def main() -> dict[str, object]:
        watch.start()
        await asyncio.sleep(0.2)
        return await asyncio.to_thread(lambda: watch.liveness().report)

    assert run_on(loop, main())["state"] in ("idle", "busy")


@pytest.mark.parametrize("wrong", [0, -1, float("nan"), "30"])
def test_live_after_must_be_seconds(wrong: object, make_watch: MakeWatch) -> None:
    with pytest.raises((TypeError, ValueError), match="live_after must be"):
        make_watch(live_after=wrong)
