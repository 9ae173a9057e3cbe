"""What a watch counts: the loop's time, its lag, and stalls for whoever wants to be told."""

import asyncio
import itertools
import json
import threading
import time
from typing import Any

import pytest

from loopwatch import Watch
from loopwatch.core.record_types import Snapshot
from tests.calm import in_calm
from tests.conftest import MakeWatch, block_for, run_on, spin_for, watchdog_round
from tests.watch.recorder import block


@in_calm
def test_busy_and_idle_add_up_to_wall_time(loop: str, make_watch: MakeWatch) -> None:
    """Half of the time the loop is held: utilization is a half, and nothing is lost."""
    watch = make_watch()

    async def main() -> tuple[float, float, float]:
        watch.start()
        began, blocked = time.perf_counter(), 0.0
        while time.perf_counter() - began < 1.5:
            spun = spin_for(0.03)
            blocked += spun
            await asyncio.sleep(spun)
        wall = time.perf_counter() - began
        (reading,) = watch.snapshot().loops
        assert reading.busy is not None
        assert reading.idle is not None
        assert reading.utilization == pytest.approx(blocked / wall, abs=0.03)
        return wall, reading.busy, reading.idle

    wall, busy, idle = run_on(loop, main())
    assert busy + idle == pytest.approx(wall, rel=0.01)
    assert busy / (busy + idle) == pytest.approx(0.5, abs=0.03)


@in_calm
def test_lag_is_that_of_a_random_arrival(loop: str, make_watch: MakeWatch) -> None:
    """0.5 s held in 3 s: one moment in six waits, uniformly between nothing and all of it."""
    watch = make_watch()

    async def main() -> None:
        watch.start()
        await asyncio.sleep(1.2)
        time.sleep(0.5)
        await asyncio.sleep(1.3)

    run_on(loop, main())
    lag = watch.snapshot().lag
    assert lag.count == pytest.approx(300, abs=6)
    assert lag.quantile(0.99) == pytest.approx(0.47, abs=0.02)
    assert lag.quantile(0.5) < 0.001
    assert lag.sum == pytest.approx(100 * 0.5 * 0.5 / 2, rel=0.05)


def test_lag_read_while_the_loop_is_held_is_never_taken_back(
    loop: str, make_watch: MakeWatch
) -> None:
    """A metrics server in a thread of its own reads it so; and it is told at once."""
    watch = make_watch()
    told: list[list[int]] = []
    over = threading.Event()

    def read() -> None:
        while not over.wait(0.05):
            told.append(list(itertools.accumulate(watch.snapshot().lag.counts)))

    async def main() -> None:
        watch.start()
        thread = threading.Thread(target=read)
        await asyncio.sleep(0.2)
        thread.start()
        time.sleep(0.4)
        while_held = watch.snapshot().lag.quantile(1.0)
        time.sleep(0.4)
        await asyncio.sleep(0.3)
        over.set()
        await asyncio.to_thread(thread.join)
        assert while_held >= 0.25

    run_on(loop, main())
    assert len(told) > 5
    for before, after in itertools.pairwise(told):
        assert all(one <= other for one, other in zip(before, after, strict=True))


@in_calm
def test_threshold_is_the_watch_s_own(loop: str, make_watch: MakeWatch) -> None:
    watch = make_watch(slow_callback_duration=0.04)

    async def main() -> None:
        watch.start()
        await block(3, 0.06)
        await block(3, 0.015)
        await watchdog_round()

    run_on(loop, main())
    assert len(watch.stalls) == 3


@in_calm
def test_the_ring_keeps_the_latest_256_stalls(make_watch: MakeWatch) -> None:
    """The count goes on, the oldest records go."""
    watch = make_watch(slow_callback_duration=0.001)

    async def main() -> None:
        watch.start()
        for _ in range(300):
            await asyncio.sleep(0)
            spin_for(0.0015)

    run_on("asyncio", main())
    snapshot = watch.snapshot()
    assert len(watch.stalls) == len(snapshot.stalls) == 256
    assert snapshot.stall_count >= 299
    assert list(watch.stalls) == sorted(watch.stalls, key=lambda stall: stall.started_at)
    assert sum(row.stalls.count for row in snapshot.sites) == snapshot.stall_count


@in_calm
def test_two_loops_in_two_threads_share_one_watch(loop: str, make_watch: MakeWatch) -> None:
    """Each loop's stalls name its own thread, and times add up."""
    watch = make_watch()
    both = threading.Barrier(2)

    async def main() -> None:
        watch.start()
        both.wait(timeout=10)
        await block(2)
        both.wait(timeout=10)
        assert len(watch.snapshot().loops) == 2
        both.wait(timeout=10)
        await watchdog_round()

    threads = [
        threading.Thread(target=lambda: run_on(loop, main()), name=name) for name in ("one", "two")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert watch.snapshot().loops == ()
    names = sorted(s.thread for s in watch.stalls if s.site.function.endswith(".block"))
    assert {*names} == {"one", "two"}
    assert names.count("one") >= 2
    assert names.count("two") >= 2


@in_calm
def test_counts_outlive_the_loop(loop: str, make_watch: MakeWatch) -> None:
    """One watch, one loop after the other: sums go on."""
    watch = make_watch()

    async def main() -> None:
        watch.start()
        await block()
        await watchdog_round()

    run_on(loop, main())
    first = watch.snapshot()
    run_on(loop, main())
    second = watch.snapshot()
    assert (first.loops, second.loops) == ((), ())
    assert second.busy > first.busy > 0.1
    assert second.stall_count >= first.stall_count + 1 >= 2
    assert second.lag.count > first.lag.count


def test_snapshot_is_plain_data(loop: str, make_watch: MakeWatch) -> None:
    """What `to_dict` returns survives JSON unchanged."""
    watch = make_watch()

    async def main() -> dict[str, Any]:
        watch.start()
        await block()
        return watch.snapshot().to_dict()

    data = run_on(loop, main())
    assert json.loads(json.dumps(data)) == data
    assert data["version"]


def test_reading_from_another_thread_is_safe(loop: str, make_watch: MakeWatch) -> None:
    watch = make_watch()
    failed: list[BaseException] = []
    over = threading.Event()

    def read() -> None:
        try:
            while not over.is_set():
                assert watch.snapshot().to_dict()
        except BaseException as error:
            failed.append(error)

    async def main() -> None:
        watch.start()
        thread = threading.Thread(target=read)
        thread.start()
        for _ in range(200):
            await asyncio.gather(*(asyncio.sleep(0.001) for _ in range(5)))
        over.set()
        await asyncio.to_thread(thread.join)

    run_on(loop, main())
    assert failed == []


def test_the_time_of_an_idle_loop_never_falls(loop: str, make_watch: MakeWatch) -> None:
    """Prometheus would take that for a restart, and count all of it again."""
    watch = make_watch()
    told: list[Snapshot] = []

    def read() -> None:
        for _ in range(50):
            told.append(watch.snapshot())
            time.sleep(0.002)

    async def main() -> None:
        watch.start()
        await asyncio.sleep(0.05)
        await asyncio.to_thread(read)

    run_on(loop, main())
    for name in ("busy", "idle", "self_seconds"):
        sums = [getattr(each, name) for each in told]
        assert sums == sorted(sums)


def test_a_loop_that_goes_during_a_snapshot_is_counted_once(
    make_watch: MakeWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = make_watch()

    async def main() -> None:
        watch.start()
        await asyncio.sleep(0.2)
        counted = watch.snapshot().lag.count

        def settle() -> None:
            monkeypatch.undo()
            watch.stop()

        monkeypatch.setattr(watch._reporter, "settle", settle)
        assert watch.snapshot().lag.count == pytest.approx(counted, rel=0.5)

    run_on("asyncio", main())


@in_calm
def test_blocking_outside_the_loop_is_no_stall(loop: str, make_watch: MakeWatch) -> None:
    """A blocked worker thread holds nobody up."""
    watch = make_watch()

    async def main() -> None:
        watch.start()
        await asyncio.gather(*(asyncio.to_thread(block_for, 0.3) for _ in range(3)))

    run_on(loop, main())
    assert watch.stalls == ()


def test_a_watch_is_not_made_of_nonsense() -> None:
    registry: Any = "prometheus"
    with pytest.raises(TypeError, match="CollectorRegistry or None, got 'prometheus'"):
        Watch(registry=registry)
