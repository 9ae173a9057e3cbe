"""What libuv says of the tick in progress."""

import asyncio
import time

import pytest

from ..conftest import run_on

pytest.importorskip("uvloop")

from loopwatch.probe.libuv import Libuv, Reading  # needs uvloop


def test_tick_keeps_its_start_when_a_timer_is_set_in_it() -> None:
    """uvloop sets libuv's clock anew then, which the tick would seem to begin at."""

    async def main() -> tuple[Reading | None, Reading | None]:
        loop = asyncio.get_running_loop()
        libuv = Libuv(loop)
        before = libuv.read()
        time.sleep(0.05)
        loop.call_later(60, print).cancel()
        after = libuv.read()
        libuv.close()
        return before, after

    before, after = run_on("uvloop", main())
    assert before is not None
    assert after is not None
    assert before.turns == after.turns
    assert before.since is not None
    assert before.since == after.since
