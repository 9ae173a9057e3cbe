"""What Linux reports of a thread's time: in the run queue, in slices, stopped by a CPU quota.

`/proc/self/task/TID/schedstat` holds nanoseconds on the CPU, nanoseconds ready to run without one,
and the number of slices run (kernel documentation, scheduler/sched-stats). A thread that waits for
the GIL wakes once a switch interval to ask again, so its slices distinguish that wait from others.

`cpu.stat` of a control group holds the time its quota kept it off the CPU: `throttled_usec` (v2),
`throttled_time` in nanoseconds (v1). A parent's quota appears in the parent's file only.

On other systems the files are missing, and None is returned.

The compiled part reads them without releasing the GIL: among threads that compete for it, each
release would cost the watchdog tens of milliseconds.
"""

from __future__ import annotations

import os
import platform
import threading
from pathlib import Path
from typing import NamedTuple

from loopwatch.core.speedups import speedups

ROOT = Path("/")
FUTEX = {"x86_64": b"202", "aarch64": b"98"}  # numbers of the system call
AFRESH = 60  # readings, one per look of the watchdog: about 30 s while a loop does anything
GROUPS = 4  # control groups read: the nearest of the process's own and its parents


class Schedule(NamedTuple):
    """Since the thread began: s in the run queue, and slices run."""

    queued: float
    slices: int


class File:
    """A small file that is kept open, and read from its beginning each time, on any thread."""

    def __init__(self, path: Path | str) -> None:
        self._descriptor = -1
        self._descriptor = os.open(path, os.O_RDONLY)

    @property
    def descriptor(self) -> int:
        """The open file, for reads from C; -1 once it is closed."""
        return self._descriptor

    def read(self) -> bytes:
        """Return the first 512 bytes; b"" once the file is closed, or its thread or group gone."""
        return read_at_once(self._descriptor)

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    __del__ = close


def read_at_once(descriptor: int) -> bytes:
    """Return the first 512 bytes of an open file; b"" on an error. Releases the GIL meanwhile."""
    try:
        return os.pread(descriptor, 512, 0)
    except OSError:
        return b""


if speedups is not None:
    read_at_once = speedups.read_at_once


def opened(path: Path | str) -> File | None:
    try:
        return File(path)
    except OSError:
        return None


def of_thread(root: Path, native_id: int, name: str) -> str:
    """Return the path of a file about one thread. It is no `Path`: that interns each part, which
    Python 3.12 keeps for ever, and there is no end of threads' ids."""
    return f"{root}/proc/self/task/{native_id}/{name}"


class ThreadSchedule:
    """Reads the schedule of one thread of this process."""

    def __init__(self, native_id: int, root: Path = ROOT) -> None:
        self._file = opened(of_thread(root, native_id, "schedstat"))

    @property
    def descriptor(self) -> int:
        """The open file, for reads from C; -1 if there is none."""
        return self._file.descriptor if self._file is not None else -1

    def read(self) -> Schedule | None:
        fields = self._file.read().split() if self._file is not None else ()
        return Schedule(int(fields[1]) / 1e9, int(fields[2])) if len(fields) == 3 else None

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


class ThreadCall:
    """Reads which system call a thread is in; a thread waits for the GIL in `futex` only.

    `/proc/self/task/TID/syscall` holds its number, or `running` (proc(5)).
    """

    def __init__(self, native_id: int, root: Path = ROOT) -> None:
        self._file = opened(of_thread(root, native_id, "syscall"))
        self._futex = FUTEX.get(platform.machine())

    @property
    def descriptor(self) -> int:
        """The open file, for reads from C; -1 if there is none."""
        return self._file.descriptor if self._file is not None else -1

    def elsewhere(self) -> bool:
        """Return whether the thread certainly waits for something other than the GIL."""
        if self._file is None or self._futex is None:
            return False
        number = self._file.read().partition(b" ")[0].strip()
        return number.isdigit() and number != self._futex

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


class Throttling:
    """Reads for how long CPU quotas have kept this process off the CPU since this was made.

    A container's quota may be set, changed or lifted at any time, and the process may move to
    another group. So the thread that made this looks for the groups again at every `AFRESH`th
    reading. Other threads may read too.
    """

    def __init__(self, root: Path = ROOT) -> None:
        self._root, self._thread = root, threading.get_ident()
        self._limited: list[Path] = []
        self._stats = Stats((), 0.0)
        self._total = 0.0
        self._until_look = 0

    def read(self) -> float | None:
        """Return seconds, of all CPUs together; None without a quota."""
        if threading.get_ident() == self._thread:
            if self._until_look == 0:
                self._look()
            self._until_look = (self._until_look or AFRESH) - 1
        stats = self._stats
        if not stats.files:
            return None
        self._total = max(self._total, stats.offset + stats.seconds())
        return self._total

    @property
    def descriptors(self) -> tuple[int, ...]:
        """The open `cpu.stat` of each group with a quota, for reads from C."""
        return tuple(file.descriptor for file in self._stats.files)

    def total(self, seconds: float) -> float:
        """Return what `read` returns if the files add up to `seconds`."""
        return self._stats.offset + seconds

    def _look(self) -> None:
        """Take the groups that have a quota now; the total continues from its present value."""
        limited = limited_groups(self._root)
        if limited == self._limited:
            return
        self.close()
        opening = (opened(directory / "cpu.stat") for directory in limited)
        stats = Stats(tuple(f for f in opening if f is not None), 0.0)
        self._limited = limited
        self._stats = stats._replace(offset=self._total - stats.seconds())

    def close(self) -> None:
        for file in self._stats.files:
            file.close()


class Stats(NamedTuple):
    """The `cpu.stat` of some groups, and what to add to their sum; replaced as a whole."""

    files: tuple[File, ...]
    offset: float  # s

    def seconds(self) -> float:
        return sum(throttled(file.read()) for file in self.files)


def throttled(stat: bytes) -> float:
    """Return the seconds in the text of a `cpu.stat`; 0.0 if it has none."""
    for line in stat.splitlines():
        name, _, value = line.partition(b" ")
        if name == b"throttled_usec":
            return int(value) / 1e6
        if name == b"throttled_time":
            return int(value) / 1e9
    return 0.0


def limited_groups(root: Path) -> list[Path]:
    """Return the directories of this process's CPU groups that have a quota, nearest first."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:  # hierarchy-ID:controller-list:cgroup-path (cgroups(7))
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        mounts = ("sys/fs/cgroup", "sys/fs/cgroup/unified") if not controllers else ()
        if "cpu" in controllers.split(","):
            mounts = (f"sys/fs/cgroup/{controllers}", "sys/fs/cgroup/cpu")
        for mount in mounts:
            found += [g for g in lineage(root / mount, path) if has_quota(g)]
    return list(dict.fromkeys(found))[:GROUPS]


def lineage(mount: Path, path: str) -> list[Path]:
    """Return a group and its parents, up to the mount point. In a container the group's own path
    may be missing; the mount point is the group then."""
    parts = [p for p in path.split("/") if p and p != ".."]
    return [mount.joinpath(*parts[:n]) for n in range(len(parts), -1, -1)]


def has_quota(group: Path) -> bool:
    try:
        if (group / "cpu.max").exists():
            return not (group / "cpu.max").read_text().startswith("max")
        return int((group / "cpu.cfs_quota_us").read_text()) > 0
    except (OSError, ValueError):
        return False
