"""A loop of unknown make: rloop's. Less is seen, and what is not is said."""

import asyncio
import time
from typing import Any

import pytest

from loopwatch import LoopWatchMiddleware
from tests.asgi import Receive, Send, answer, visit
from tests.calm import in_calm
from tests.conftest import TOLERANCE, MakeWatch, block_for, run_on, watchdog_round

pytest.importorskip("rloop")
pytestmark = [  # rloop leaves its own sockets to the collector
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def test_it_says_that_it_is_known_by_its_heartbeat_only(make_watch: MakeWatch) -> None:
    """No busy and idle time: absent, never wrong."""
    watch = make_watch()

    async def main() -> None:
        watch.start()
        await asyncio.sleep(0.05)
        (reading,) = watch.snapshot().loops
        assert "rloop" in reading.loop.lower()
        assert "heartbeat" in reading.layers
        assert "busy and idle time" in reading.blind
        assert (reading.busy, reading.idle, reading.utilization) == (None, None, None)

    run_on("rloop", main())


@in_calm
def test_a_blocking_request_is_one_stall_with_its_line(make_watch: MakeWatch) -> None:
    watch, truths = make_watch(), list[float]()

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        scope["path_template"], scope["endpoint"] = "/slow", block_for
        await asyncio.sleep(0.01)
        began = time.perf_counter()
        time.sleep(0.15)
        truths.append(time.perf_counter() - began)
        await answer(send)

    async def main() -> None:
        watch.start()
        for _ in range(3):
            await asyncio.ensure_future(visit(LoopWatchMiddleware(app, watch=watch)))
            await asyncio.sleep(0.05)
        await watchdog_round()

    run_on("rloop", main())
    assert [stall.route for stall in watch.stalls] == ["/slow"] * 3
    for stall, truth in zip(watch.stalls, truths, strict=True):
        assert stall.duration == pytest.approx(truth, abs=TOLERANCE)
        assert stall.site.code == "time.sleep(0.15)"


@in_calm
def test_a_blocking_callback_is_one_stall_with_its_line(make_watch: MakeWatch) -> None:
    watch = make_watch()

    async def main() -> None:
        watch.start()
        for _ in range(3):
            await asyncio.sleep(0.1)
            asyncio.get_running_loop().call_soon(block_for, 0.2)
        await asyncio.sleep(0.4)

    run_on("rloop", main())
    assert len(watch.stalls) == 3
    for stall in watch.stalls:
        assert stall.duration == pytest.approx(0.2, abs=TOLERANCE)
        assert stall.site.function == "tests.conftest.block_for"


@in_calm
def test_lag_is_not_a_heartbeats_lie(make_watch: MakeWatch) -> None:
    """0.5 s held in 3 s: a raw heartbeat would say p99 = 1 ms."""
    watch = make_watch()

    async def main() -> None:
        watch.start()
        await asyncio.sleep(1.2)
        time.sleep(0.5)
        await asyncio.sleep(1.3)

    run_on("rloop", main())
    assert watch.snapshot().lag.quantile(0.99) == pytest.approx(0.46, abs=0.04)
