"""Many workers: sums that are right, from whichever of them, whatever becomes of the others.

Most of this is played with `prometheus_client`'s own files in this process, the rest with real
servers: uvicorn's workers and gunicorn's.
"""

import asyncio
import errno
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry, Counter, values
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.parser import text_string_to_metric_families

from loopwatch import LoopWatchMiddleware, Watch
from loopwatch.core.histogram import SECONDS_EDGES, Histogram
from loopwatch.core.record_types import Snapshot
from loopwatch.exporters import multiprocess, prometheus
from loopwatch.exporters.disk_room import try_out
from loopwatch.exporters.multiprocess import Sharing
from tests.web.test_middleware import routed

from ..asgi import visit
from ..conftest import (
    CHECKOUT,
    MakeWatch,
    block_for,
    clean_environment,
    private_watch,
    run_on,
    run_script,
    until,
)
from ..ports import HOST, free_port
from ..serving import PATIENCE, wait_for
from .test_prometheus import Scrape, some_life

COUNT = "loopwatch_stall_seconds_count"
ONE = tuple(int(number == 3) for number in range(len(SECONDS_EDGES) + 1))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The directory of the mode, which is on meanwhile: as a fresh process has it."""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    monkeypatch.setattr(values, "ValueClass", values.MultiProcessValue())  # type: ignore[no-untyped-call]
    monkeypatch.setattr("loopwatch.core.guard._told", {})
    yield tmp_path
    multiprocess._places.clear()
    multiprocess._first.clear()


def another_process(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Write as if from another process; 0: this one, begun anew."""
    made = values.MultiProcessValue(  # type: ignore[no-untyped-call]
        lambda: number or os.getpid()
    )
    monkeypatch.setattr(values, "ValueClass", made)


def summed(folder: Path) -> Scrape:
    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(folder))  # type: ignore[no-untyped-call]
    return Scrape(registry)


class Fake:
    """A source whose reading is what it was last told to be."""

    def __init__(self) -> None:
        watch = private_watch()
        self.now = watch.snapshot()

    def snapshot(self, *, recent: bool = True) -> Snapshot:
        return self.now

    def lag(self, *counts: int) -> None:
        rest = len(SECONDS_EDGES) + 1 - len(counts)
        numbers = (*counts, *(0,) * rest)
        self.now = replace(
            self.now, lag=Histogram(SECONDS_EDGES, numbers, tuple(map(float, numbers)))
        )

    def label(self, name: str) -> None:
        more = (name, Histogram.of_first(SECONDS_EDGES, 1, 0.0))
        self.now = replace(self.now, timed=(*self.now.timed, more))


# In this process.


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


def test_files_have_no_holes(folder: Path) -> None:
    """A write into a hole ends the process where the disk is full."""
    source = Fake()
    sharing = Sharing(source)
    for number in range(200):
        source.label(f"label-{number}")
        sharing.flush()
    sizes = {path.name: path.stat() for path in folder.glob("*.db")}
    assert max(s.st_size for s in sizes.values()) >= 1 << 18
    assert {name for name, s in sizes.items() if s.st_blocks * 512 < s.st_size} == set()
    assert [*folder.iterdir()] == [*folder.glob("*.db")]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_an_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, number: int
) -> None:
    def full(descriptor: int, offset: int, length: int) -> None:
        raise OSError(number, os.strerror(number))

    source = Fake()
    sharing = Sharing(source)
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(os, "posix_fallocate", full)
        for _ in range(3):
            sharing.flush()
    assert [*folder.iterdir()] == []
    assert [r.levelname for r in caplog.records] == ["ERROR"]
    assert os.strerror(number) in caplog.records[0].message
    sharing.flush()
    assert len([*folder.glob("*.db")]) >= 2


@pytest.mark.parametrize(("free", "fails"), [(0, True), (1 << 30, False)])
def test_where_nothing_can_be_allocated_free_space_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, fails: bool
) -> None:
    def cannot(descriptor: int, offset: int, length: int) -> None:
        raise OSError(errno.EOPNOTSUPP, "")

    monkeypatch.setattr(os, "posix_fallocate", cannot)
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_bavail=free, f_frsize=1))
    with pytest.raises(OSError, match="No space") if fails else nullcontext():
        try_out(str(tmp_path), 1 << 16)
    assert [*tmp_path.iterdir()] == []


# Forks.

FORKED = """
    import asyncio, os, sys, tempfile, threading, warnings
    warnings.simplefilter("ignore", DeprecationWarning)  # 3.12+: fork with threads about
    from prometheus_client import CollectorRegistry, Counter
    from loopwatch import Watch
    from tests.conftest import run_on
    from tests.exporters.test_multiprocess import COUNT, summed
    from tests.exporters.test_prometheus import some_life

    own = Counter("mine", "Mine.")
    watch = Watch(registry=CollectorRegistry(), otel=False, log=False)

    async def main():
        await some_life(watch)
        watch._exporters.flush()
        children = []
        for _ in range(20):  # while the watchdog's thread writes
            threading.Thread(target=watch._exporters.flush).start()
            pid = os.fork()
            if pid == 0:
                own.inc()  # would wait for ever for a lock that was held
                os._exit(0)
            children.append(pid)
        assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children] == [0] * 20
        pid = os.fork()
        if pid == 0:
            asyncio.events._set_running_loop(None)
            run_on("asyncio", some_life(watch))
            watch.stop()
            os._exit(0)
        await asyncio.to_thread(os.waitpid, pid, 0)

    run_on("asyncio", main())
    watch.stop()
    scrape = summed(os.environ["PROMETHEUS_MULTIPROC_DIR"])
    print(scrape.total(COUNT, route="/life"))
    print(scrape.value("mine_total"), scrape.value("loopwatch_tasks"))
"""


def test_a_fork_counts_its_own_and_never_waits_for_a_lock(tmp_path: Path) -> None:
    printed = run_script(FORKED, PROMETHEUS_MULTIPROC_DIR=str(tmp_path))
    assert printed.split() == ["4.0", "20.0", "0.0"]


# Servers.


@dataclass
class Workers:
    """A server of many processes."""

    port: int
    notes: Path  # the stalls that were told: process and duration
    folder: Path

    def get(self, path: str) -> httpx.Response:
        """Ask whichever worker takes a new connection."""
        with httpx.Client(trust_env=False, timeout=PATIENCE) as client:
            answer = client.get(f"http://{HOST}:{self.port}{path}", follow_redirects=True)
        assert answer.status_code == 200, answer.text
        return answer

    def block(self, times: int, meanwhile: Callable[[], None] = lambda: None) -> int:
        """Have stalls made, several at a time; return how many requests were answered."""

        def one(_: int) -> bool:
            try:
                return bool(self.get("/block").text)
            except httpx.TransportError:  # its worker is no more
                return False

        with ThreadPoolExecutor(4) as pool:
            answers = pool.map(one, range(times))
            time.sleep(0.3)
            meanwhile()
            return sum(answers)

    def told(self) -> int:
        """Return how many stalls of the route have been told; a crowded machine makes others."""
        return self.notes.read_text().count(" /block ") if self.notes.exists() else 0

    def total(self, name: str, **labels: str) -> float:
        """Return what some worker says is the sum over all labels not given."""
        return sum(
            sample.value
            for family in text_string_to_metric_families(self.get("/metrics").text)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def wait_for_total(self, value: float, name: str = COUNT, **labels: str) -> None:
        """Wait until some worker says so: what others have counted may be a second old."""
        deadline = time.monotonic() + 10
        while (now := self.total(name, **labels)) != value:
            assert time.monotonic() < deadline, f"{name} is {now}, not {value}"
            time.sleep(0.1)

    def wait_for_workers(self, count: int, without: int = 0) -> set[int]:
        """Wait until so many workers answer, and return their ids."""
        deadline, found = time.monotonic() + PATIENCE, set[int]()
        while len(found) < count:
            assert time.monotonic() < deadline, f"only {found} answer"
            with ThreadPoolExecutor(8) as pool:
                for answer in pool.map(lambda _: self.get("/who"), range(8)):
                    found.add(int(answer.text))
            found.discard(without)
        return found


@contextmanager
def workers(server: list[str], share: bool = True, **environment: str) -> Iterator[Workers]:
    """Serve `tests.apps.workers:app` with a server's command; `share`: in multiprocess mode."""
    port = free_port()
    with (
        tempfile.TemporaryDirectory() as folder,
        tempfile.TemporaryFile("w+") as output,
    ):
        shared = Path(folder, "shared")
        shared.mkdir()
        notes = Path(folder, "notes")
        mode = {"PROMETHEUS_MULTIPROC_DIR": str(shared)} if share else {}
        process = subprocess.Popen(
            [sys.executable, "-m", *(part.format(port=port) for part in server)],
            cwd=CHECKOUT,
            env=clean_environment() | mode | {"NOTES": str(notes)} | environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            wait_for(port, process)
            yield Workers(port, notes, shared)
        finally:
            process.terminate()
            process.wait(timeout=20)
            output.seek(0)
            print(output.read())  # pytest shows it if the test failed


UVICORN = [
    *("uvicorn", "tests.apps.workers:app", "--host", HOST, "--port", "{port}"),
    *("--log-level", "warning", "--workers", "4", "--loop"),
]
GUNICORN = [
    *("gunicorn", "tests.apps.workers:app", "--bind", HOST + ":{port}", "--workers", "4"),
    *("--worker-class", "uvicorn_worker.UvicornWorker", "--log-level", "warning"),
    *("--config", "tests/apps/gunicorn_conf.py"),
]


@pytest.mark.slow
@pytest.mark.parametrize(
    "server",
    [[*UVICORN, "asyncio"], [*UVICORN, "uvloop"], GUNICORN],
    ids=["uvicorn, asyncio", "uvicorn, uvloop", "gunicorn"],
)
def test_the_sums_of_all_workers_are_exact(server: list[str]) -> None:
    """From any of them, also after one was killed in the middle of its work and replaced."""
    with workers(server) as served:
        first = served.wait_for_workers(4)
        assert served.block(24) == 24
        served.wait_for_total(24, route="/block")
        served.wait_for_total(24, "app_blocked_total")
        assert served.total("loopwatch_info") == 1
        assert served.told() == 24
        victim = min(first)
        answered = served.block(24, lambda: os.kill(victim, signal.SIGKILL))
        served.wait_for_workers(4, without=victim)
        time.sleep(1.2)
        counted = served.total(COUNT, route="/block")
        assert 24 + answered - 2 <= counted <= 48  # what it had not yet looked at is lost
        assert served.told() <= counted
        served.block(8)
        served.wait_for_total(counted + 8, route="/block")
        assert 4 <= served.total("loopwatch_tasks") < 24
        assert {int(path.stem.rpartition("_")[2]) for path in served.folder.glob("gauge_*")} == (
            served.wait_for_workers(4, without=victim)
        )
