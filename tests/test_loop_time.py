"""Where the loop's busy time goes, told of a known mix in steps that are never slow."""

import asyncio
import json
import os
import random
import time
import zlib
from collections import defaultdict
from collections.abc import Callable

import pytest

from loopwatch.core.request import begin
from loopwatch.watchdog import sleep
from tests.conftest import MakeWatch, run_on

pytestmark = pytest.mark.skipif(not sleep.COMPILED, reason="C takes these samples")

SECONDS = 4.0  # of CPU time of the mix
OFTEN = 0.01  # s between two samples: some 400 of them, so that a share is right to 2.5 points
TOLERANCE = 12  # points; 40 % told as 1 % is what a sampler has that waits for the GIL
WANTED = {"python": 0.4, "in_json": 0.3, "in_zlib": 0.2, "many": 0.1}
TEXT = json.dumps(list(range(20_000)))
DATA = os.urandom(100_000)


def python() -> None:
    total, ended = 0, time.perf_counter() + random.uniform(0.001, 0.02)
    while time.perf_counter() < ended:
        for number in range(100):
            total += number * number


def in_json() -> None:
    for _ in range(5):
        json.loads(TEXT)


def in_zlib() -> None:
    zlib.compress(DATA, 6)


async def tiny() -> None:
    for _ in range(2):
        str(time.perf_counter())
        await asyncio.sleep(0)


async def many() -> None:
    await asyncio.gather(*(tiny() for _ in range(30)))


async def mix(truth: defaultdict[str, float]) -> None:
    """Run each kind of work for its share of the time."""
    works: dict[str, Callable[[], object]] = {
        "python": python,
        "in_json": in_json,
        "in_zlib": in_zlib,
    }
    while (whole := sum(truth.values())) < SECONDS:
        kind = max(WANTED, key=lambda k: WANTED[k] * whole - truth[k])
        began = time.perf_counter()
        works[kind]() if kind in works else await many()
        truth[kind] += time.perf_counter() - began
        await asyncio.sleep(random.choice((0, 0, 0.001)))


@pytest.mark.slow
def test_a_known_mix_is_told_by_line(
    loop: str, make_watch: MakeWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sleep, "MEAN", OFTEN)
    truth: defaultdict[str, float] = defaultdict(float)
    watch = make_watch(cpu_budget=0.5)

    async def main() -> None:
        watch.start()
        begin(None, {"type": "http", "path_template": "/mix", "method": "GET"})
        await asyncio.create_task(mix(truth))

    run_on(loop, main())
    rows = [row for row in watch.snapshot().loop_time if row.site.function != "_OTHER"]
    whole = sum(row.seconds for row in rows)
    told: defaultdict[str, float] = defaultdict(float)
    for row in rows:
        told[row.site.function.rpartition(".")[2]] += 100 * row.seconds / whole
    for kind in ("python", "in_json", "in_zlib"):
        share = 100 * truth[kind] / sum(truth.values())
        assert told[kind] == pytest.approx(share, abs=TOLERANCE), (kind, dict(told))
    calls = {row.call for row in rows if row.samples > 10}
    assert {"json.loads", "zlib.compress", ""} <= calls
    (line,) = {row.site.code for row in rows if row.call == "zlib.compress"}
    assert line == "zlib.compress(DATA, 6)"
    assert {row.route for row in rows if row.call == "json.loads"} == {"/mix"}


def test_told_seconds_are_the_busy_time(loop: str, make_watch: MakeWatch) -> None:
    watch = make_watch(cpu_budget=1.0)  # else a run of many tests may have used it up

    def told() -> float:
        return sum(row.seconds for row in watch.snapshot().loop_time)

    async def main() -> None:
        watch.start()
        ended = time.perf_counter() + 20.0
        while told() < 0.3 and time.perf_counter() < ended:
            for _ in range(20):
                in_json()
                await asyncio.sleep(0)

    run_on(loop, main())
    snapshot = watch.snapshot()
    assert 0.3 <= told() <= snapshot.busy + 1e-6


def test_an_idle_loop_has_no_samples(loop: str, make_watch: MakeWatch) -> None:
    watch = make_watch()

    async def main() -> float:
        watch.start()
        await asyncio.sleep(0.5)
        before = sum(row.samples for row in watch.snapshot().loop_time)
        await asyncio.sleep(0.5)
        return sum(row.samples for row in watch.snapshot().loop_time) - before

    assert run_on(loop, main()) <= 1  # the snapshot itself is work


def test_a_stopped_watch_asks_for_nothing(loop: str, make_watch: MakeWatch) -> None:
    watch = make_watch()

    async def main() -> None:
        watch.start()
        in_json()
        watch.stop()
        before = watch.snapshot().loop_time
        for _ in range(20):
            in_json()
            await asyncio.sleep(0)
        assert watch.snapshot().loop_time == before

    run_on(loop, main())
