"""A step whose thread is stopped as it files the step keeps its stack samples: on a busy machine a
thread waits for a CPU, or for the GIL, anywhere."""

import asyncio
import time
from typing import Any

import pytest

from loopwatch.core.evidence import Slow
from loopwatch.loop.loop_state import LoopState
from tests.conftest import MakeWatch, block_for, run_on, until


@pytest.mark.parametrize("seconds", [0.02, 0.1, 0.15])
def test_samples_wait_until_the_step_is_filed(
    loop: str, make_watch: MakeWatch, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    put = LoopState.put

    def put_late(self: LoopState, slow: Slow, *more: Any) -> None:
        time.sleep(seconds)  # the watchdog looks meanwhile, and sees another step
        put(self, slow, *more)

    monkeypatch.setattr(LoopState, "put", put_late)
    watch = make_watch()

    async def main() -> None:
        watch.start()
        await asyncio.sleep(0.05)
        block_for(0.2)
        await asyncio.sleep(0)
        await until(lambda: bool(watch.stalls))
        await asyncio.sleep(0.3)

    run_on(loop, main())
    if seconds < watch.slow_callback_duration:  # else the filing is a stall as well
        assert len(watch.stalls) == 1
    stall = max(watch.stalls, key=lambda s: s.duration)
    assert stall.duration == pytest.approx(0.2, abs=0.02)
    assert stall.site.function == "tests.conftest.block_for"
    assert stall.cause == "blocking_call"
