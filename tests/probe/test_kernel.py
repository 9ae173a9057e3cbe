"""What Linux tells of a thread's time, from its own files and from files made by hand."""

import sys
import threading
import time
from pathlib import Path

import pytest

from loopwatch.probe.kernel import ThreadSchedule, Throttling, limited_groups

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
    assert throttling.read() == 2.5
    throttling.close()
    assert throttling.read() == 0.0


def test_a_quota_of_version_1_is_in_nanoseconds(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "proc/self/cgroup": "4:memory:/other\n2:cpu,cpuacct:/app\n0::/\n",
            "sys/fs/cgroup/cpu,cpuacct/app/cpu.cfs_quota_us": "20000\n",
            "sys/fs/cgroup/cpu,cpuacct/app/cpu.stat": "nr_periods 3\nthrottled_time 1500000000\n",
        },
    )
    assert Throttling(tmp_path).read() == 1.5


def test_in_a_container_the_mount_point_is_the_group(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "proc/self/cgroup": "0::/../../system.slice/docker-1\n",
            "sys/fs/cgroup/cpu.max": "50000 100000\n",
            "sys/fs/cgroup/cpu.stat": "throttled_usec 1000000\n",
        },
    )
    assert Throttling(tmp_path).read() == 1.0


@pytest.mark.parametrize("text", ["", "nonsense\n", "0::/\n"])
def test_without_a_quota_nothing_is_told(tmp_path: Path, text: str) -> None:
    assert Throttling(write(tmp_path, {"proc/self/cgroup": text})).read() is None
    assert Throttling(tmp_path / "nowhere").read() is None
