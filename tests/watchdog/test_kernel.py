"""What Linux tells of a thread's time, from its own files and from files made by hand."""

import sys
import threading
import time
import tracemalloc
from pathlib import Path

import pytest

from loopwatch.watchdog.kernel import (
    AFRESH,
    ThreadCall,
    ThreadSchedule,
    Throttling,
    limited_groups,
)

linux = pytest.mark.skipif(sys.platform != "linux", reason="schedstat is Linux's own")


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@linux
def test_a_sleeping_thread_uses_few_slices() -> None:
    schedule = ThreadSchedule(threading.get_native_id())
    before = schedule.read()
    time.sleep(0.1)
    after = schedule.read()
    assert before is not None
    assert after is not None
    assert 1 <= after.slices - before.slices <= 10
    assert 0.0 <= after.queued - before.queued < 0.5
    schedule.close()
    assert schedule.read() is None


def test_a_thread_that_is_not_there_tells_nothing(tmp_path: Path) -> None:
    schedule = ThreadSchedule(2**30, tmp_path)
    assert schedule.read() is None
    schedule.close()


def test_a_quota_of_version_2_is_found_in_the_group_and_its_parents(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "proc/self/cgroup": "0::/kube/pod/app\n",
            "sys/fs/cgroup/cpu.max": "max 100000\n",
            "sys/fs/cgroup/kube/pod/cpu.max": "50000 100000\n",
            "sys/fs/cgroup/kube/pod/cpu.stat": "usage_usec 9\nthrottled_usec 2500000\n",
            "sys/fs/cgroup/kube/pod/app/cpu.max": "max 100000\n",
            "sys/fs/cgroup/kube/pod/app/cpu.stat": "throttled_usec 99000000\n",
        },
    )
    assert limited_groups(tmp_path) == [tmp_path / "sys/fs/cgroup/kube/pod"]
    throttling = Throttling(tmp_path)
    assert throttling.read() == 0.0
    write(tmp_path, {"sys/fs/cgroup/kube/pod/cpu.stat": "usage_usec 9\nthrottled_usec 4000000\n"})
    assert throttling.read() == 1.5
    throttling.close()
    assert throttling.read() == 1.5


def test_a_quota_of_version_1_is_in_nanoseconds(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "proc/self/cgroup": "4:memory:/other\n2:cpu,cpuacct:/app\n0::/\n",
            "sys/fs/cgroup/cpu,cpuacct/app/cpu.cfs_quota_us": "20000\n",
            "sys/fs/cgroup/cpu,cpuacct/app/cpu.stat": "nr_periods 3\nthrottled_time 1500000000\n",
        },
    )
    throttling = Throttling(tmp_path)
    assert throttling.read() == 0.0
    stat = "sys/fs/cgroup/cpu,cpuacct/app/cpu.stat"
    write(tmp_path, {stat: "nr_periods 3\nthrottled_time 3500000000\n"})
    assert throttling.read() == 2.0


def test_in_a_container_the_mount_point_is_the_group(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "proc/self/cgroup": "0::/../../system.slice/docker-1\n",
            "sys/fs/cgroup/cpu.max": "50000 100000\n",
            "sys/fs/cgroup/cpu.stat": "throttled_usec 1000000\n",
        },
    )
    assert limited_groups(tmp_path) == [tmp_path / "sys/fs/cgroup"]
    assert Throttling(tmp_path).read() == 0.0


def container(root: Path, group: str, quota: str, throttled: int) -> None:
    """Have the process in a group with such a quota, kept off the CPU for so many s so far."""
    files = {
        "proc/self/cgroup": f"0::/{group}\n",
        f"sys/fs/cgroup/{group}/cpu.max": f"{quota} 100000\n",
        f"sys/fs/cgroup/{group}/cpu.stat": f"throttled_usec {throttled}000000\n",
    }
    write(root, files)


def read_until_looked(throttling: Throttling) -> float | None:
    readings = [throttling.read() for _ in range(AFRESH)]
    return readings[-1]


def test_a_quota_set_later_is_found_and_one_lifted_is_forgotten(tmp_path: Path) -> None:
    container(tmp_path, "app", "max", 7)
    throttling = Throttling(tmp_path)
    assert read_until_looked(throttling) is None
    container(tmp_path, "app", "50000", 7)
    assert throttling.read() == 0.0
    container(tmp_path, "app", "50000", 9)
    assert read_until_looked(throttling) == 2.0
    container(tmp_path, "app", "max", 9)
    assert read_until_looked(throttling) is None
    container(tmp_path, "app", "20000", 9)
    assert read_until_looked(throttling) == 2.0
    throttling.close()


def test_in_another_group_the_total_goes_on(tmp_path: Path) -> None:
    """What the other group had counted before is not ours."""
    container(tmp_path, "app", "50000", 7)
    throttling = Throttling(tmp_path)
    throttling.read()
    container(tmp_path, "app", "50000", 8)
    container(tmp_path, "other", "50000", 1000)
    assert throttling.read() == 1.0
    assert read_until_looked(throttling) == 1.0
    container(tmp_path, "other", "50000", 1001)
    assert throttling.read() == 2.0
    throttling.close()


def test_other_threads_read_but_do_not_look(tmp_path: Path) -> None:
    container(tmp_path, "app", "50000", 7)
    throttling = Throttling(tmp_path)
    told: list[float | None] = []
    thread = threading.Thread(target=lambda: told.append(throttling.read()))
    thread.start()
    thread.join()
    assert told == [None]
    assert throttling.read() == 0.0
    throttling.close()


@pytest.mark.parametrize("text", ["", "nonsense\n", "0::/\n"])
def test_without_a_quota_nothing_is_told(tmp_path: Path, text: str) -> None:
    assert Throttling(write(tmp_path, {"proc/self/cgroup": text})).read() is None
    assert Throttling(tmp_path / "nowhere").read() is None


def test_nothing_is_kept_of_threads_that_come_and_go() -> None:
    """Not their ids, which a `Path` would have interned for ever on 3.12."""
    tracemalloc.start()
    try:
        for thread in range(1000):
            ThreadSchedule(1_000_000_000 + thread).close()
            ThreadCall(1_000_000_000 + thread).close()
        found = tracemalloc.take_snapshot().statistics("filename")
    finally:
        tracemalloc.stop()
    assert sum(each.size for each in found) < 20_000, found[:5]
