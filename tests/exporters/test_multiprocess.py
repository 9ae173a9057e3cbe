"""Many processes, played with `prometheus_client`'s own files in this one: sums that are right."""

import asyncio
import os
import re
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.multiprocess import mark_process_dead

from loopwatch import LoopWatchMiddleware, Watch
from loopwatch.core.histogram import SECONDS_EDGES
from loopwatch.exporters import multiprocess, prometheus
from loopwatch.exporters.multiprocess import Sharing
from tests.exporters.life import some_life
from tests.web.requests import routed

from ..asgi import visit
from ..conftest import MakeWatch, block_for, private_watch, run_on, until
from .scrape import Scrape
from .shared_folder import COUNT, Fake, another_process, summed
from .shared_folder import folder as folder


def test_what_is_written_is_what_a_registry_would_show(
    loop: str, folder: Path, make_watch: MakeWatch
) -> None:
    """Every sample of every metric: names, labels, values."""
    watch = make_watch(registry=CollectorRegistry())

    run_on(loop, some_life(watch))
    watch.stop()
    monitored = CollectorRegistry()
    prometheus.register(monitored, watch)
    there, here = summed(folder), Scrape(monitored)
    found = {name for name, family in here.families.items() if family.samples}
    assert there.families.keys() - {"loopwatch_info"} == found  # which is of loops that run
    assert all(family.type == here.families[name].type for name, family in there.families.items())
    assert {key for key in there.samples if key[0] != "loopwatch_info"} == here.samples.keys()
    for (name, labels), value in here.samples.items():
        if name == "loopwatch_self_seconds_total" or here.families[family_of(name)].type == "gauge":
            continue
        rounding = len(SECONDS_EDGES) if name.startswith("loopwatch_loop_lag") else 1e-9
        assert there.samples[name, labels] == pytest.approx(value, abs=rounding), name


def family_of(name: str) -> str:
    """Return the family of a sample: here no family ends as samples of another do."""
    return re.sub("_(bucket|count|sum|total)$", "", name)


def test_nothing_is_registered_beside_the_files(folder: Path, make_watch: MakeWatch) -> None:
    registry = CollectorRegistry()
    watch = make_watch(registry=registry)
    run_on("asyncio", some_life(watch))
    assert Scrape(registry).text == ""
    assert summed(folder).total(COUNT) == 2


def test_no_registry_no_files(folder: Path, make_watch: MakeWatch) -> None:
    watch = make_watch(registry=None)
    run_on("asyncio", some_life(watch))
    watch.stop()
    assert [*folder.iterdir()] == []


def test_a_stall_is_in_the_files_before_it_is_told(
    loop: str, folder: Path, make_watch: MakeWatch
) -> None:
    watch = make_watch(registry=CollectorRegistry())
    seen: list[float] = []

    class Asks:
        def stalled(self, stall: Any) -> None:
            seen.append(summed(folder).total(COUNT))

    watch.add_instrument(Asks())

    async def main() -> None:
        watch.start()
        for _ in range(3):
            await asyncio.sleep(0.02)
            block_for(0.12)
        await until(lambda: len(seen) == 3)

    run_on(loop, main())
    assert seen[-1] == 3
    assert all(count >= number for number, count in enumerate(seen, start=1))


def test_stopping_leaves_what_was_counted_and_no_gauges(
    loop: str, folder: Path, make_watch: MakeWatch
) -> None:
    """Begun again, a watch goes on from there; nothing is counted twice."""
    watch = make_watch(registry=CollectorRegistry())
    for rounds in (1, 2):
        run_on(loop, some_life(watch))
        watch.stop()
        scrape, counted = summed(folder), watch.snapshot().stall_count
        assert scrape.total(COUNT) == counted >= 2 * rounds  # a busy machine may add to its own two
        assert scrape.total("loopwatch_request_seconds_count") == 2 * rounds
        assert scrape.value("loopwatch_tasks") == 0
        assert scrape.total("loopwatch_info") == 0
        assert scrape.total("loopwatch_threadpool_threads") == 0


def test_watches_of_one_process_are_added_up(folder: Path, make_watch: MakeWatch) -> None:
    first, second = (make_watch(registry=CollectorRegistry()) for _ in range(2))

    async def main(watch: Watch, inside: bool) -> None:
        await some_life(watch)
        if not inside:
            await asyncio.to_thread(run_on, "asyncio", main(second, True))
            return
        for each in (first, second):
            each._exporters.flush()
        assert summed(folder).value("loopwatch_tasks") == 2
        assert summed(folder).total("loopwatch_info") == 1

    run_on("asyncio", main(first, False))
    assert summed(folder).total(COUNT) == 4
    assert summed(folder).value("loopwatch_tasks") == 0


def test_the_app_s_own_metrics_share_the_files(folder: Path, make_watch: MakeWatch) -> None:
    own = Counter("mine", "Mine.", registry=None)
    own.inc(3)
    watch = make_watch(registry=CollectorRegistry())
    run_on("asyncio", some_life(watch))
    own.inc(4)
    assert summed(folder).value("mine_total") == 7
    assert summed(folder).total(COUNT) == 2


def test_a_process_with_the_id_of_a_dead_one_goes_on_from_its_counters(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for rounds in (1, 2, 3):
        source = Fake()
        source.lag(4, 1)
        Sharing(source).flush()
        assert summed(folder).value("loopwatch_loop_lag_seconds_count") == 5 * rounds
        assert summed(folder).value("loopwatch_loop_lag_seconds_sum") == 5 * rounds
        assert summed(folder).value("loopwatch_tasks") == 0
        another_process(monkeypatch, 0)


def test_no_bucket_ever_falls(folder: Path) -> None:
    """Lag is rounded to whole observations, which may move between buckets by one."""
    source = Fake()
    sharing = Sharing(source)
    counts = []
    for reading in ((5, 2), (6, 1), (6, 2), (9, 2)):
        source.lag(*reading)
        sharing.flush()
        counts.append(summed(folder).value("loopwatch_loop_lag_seconds_count"))
    assert counts == [7, 8, 8, 11]


def test_everything_is_read_every_second_and_written_bit_by_bit(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Less often where that is dear; whoever calls is never kept for long."""
    now, source = [100.0], Fake()
    sharing = Sharing(source, lambda: now[0])

    def shown() -> float:
        for _ in range(100):
            began = time.perf_counter()
            sharing.attend()
            assert time.perf_counter() - began < 0.1
        return summed(folder).value("loopwatch_loop_lag_seconds_count")

    source.lag(1)
    assert shown() == 1
    source.lag(2)
    now[0] = sharing._due - 0.01
    assert shown() == 1
    now[0] += 0.02
    assert shown() == 2
    assert sharing._due == pytest.approx(now[0] + multiprocess.OFTEN)
    monkeypatch.setattr(multiprocess, "SHARE", 1e-6)
    source.lag(3)
    now[0] = sharing._due
    assert shown() == 3
    assert sharing._due > now[0] + 10


def test_live_gauges_of_the_dead_are_left_out(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By whoever begins after that; those of the living stay, and all counters do."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    for process, tasks in ((ended.pid, 5), (os.getppid(), 7), (0, 1)):
        another_process(monkeypatch, process)
        source = Fake()
        source.lag(2)
        (reading,) = loops_of(tasks)
        source.now = replace(source.now, loops=(reading,))
        Sharing(source).flush()
    assert summed(folder).value("loopwatch_tasks") == 8
    assert summed(folder).value("loopwatch_loop_lag_seconds_count") == 6
    mark_process_dead(os.getppid(), str(folder))  # type: ignore[no-untyped-call]
    assert summed(folder).value("loopwatch_tasks") == 1


def loops_of(tasks: int) -> Any:
    watch = private_watch()

    async def main() -> Any:
        watch.start()
        return watch.snapshot().loops

    (reading,) = run_on("asyncio", main())
    watch.stop()
    return (replace(reading, tasks=tasks),)


def test_a_directory_that_cannot_be_written_is_said_once(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """And no matter of the app; once it can be, everything counted is there."""
    later = tmp_path / "later"
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(later))
    watch = private_watch(registry=CollectorRegistry())
    app = LoopWatchMiddleware(routed("/fine"), watch=watch)

    async def main() -> None:
        for _ in range(3):
            assert (await visit(app))[0]["status"] == 200
            await asyncio.sleep(0)
            watch._exporters.flush()
        later.mkdir()
        watch._exporters.flush()

    run_on("asyncio", main())
    said = [r.message for r in caplog.records if "PROMETHEUS_MULTIPROC_DIR" in r.message]
    assert len(said) == 1
    assert "must be a directory that can be written" in said[0]
    assert str(later) in said[0]
    assert summed(later).total("loopwatch_request_seconds_count") == 3
    watch.stop()


def test_a_directory_that_is_wiped_is_said_once(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = Fake()
    sharing = Sharing(source)
    sharing.flush()
    for path in folder.iterdir():
        path.unlink()
    for number in range(3):
        source.lag(number)
        sharing.flush()
    assert len([r for r in caplog.records if "files are gone" in r.message]) == 1
    assert len(caplog.records) == 1
