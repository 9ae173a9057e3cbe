"""What `/proc` tells of other processes and their threads (proc(5))."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import NamedTuple

PROC = Path("/proc")


class Usage(NamedTuple):
    """Since a thread began, s."""

    cpu: float
    queued: float  # ready to run, but no CPU was free; 0.0 where the kernel does not count it


class Switches(NamedTuple):
    """What a thread's `status` says."""

    voluntary: int  # times that it went to sleep
    stopped: bool  # by SIGSTOP or a debugger


class ProcessTree:
    """Reads `/proc`, or a folder like it."""

    def __init__(self, root: Path = PROC) -> None:
        self.root = root

    def exists(self, pid: int) -> bool:
        """Return whether a process is there and has not ended; a zombie has."""
        return self._stat(pid)[:1] not in ([], ["Z"], ["X"])

    def name(self, pid: int) -> str:
        return self._text(f"{pid}/comm").strip() or "?"

    def threads(self, pid: int) -> list[int]:
        """Return the ids of a process's threads."""
        try:
            return sorted(int(n) for n in os.listdir(self.root / f"{pid}/task") if n.isdigit())
        except OSError:
            return []

    def family(self, pid: int) -> list[int]:
        """Return a process, its children, and theirs: parents first; never this process."""
        children: dict[int, list[int]] = {}
        for name in os.listdir(self.root):
            if name.isdigit() and len(fields := self._stat(int(name))) > 1:
                children.setdefault(int(fields[1]), []).append(int(name))
        found = [pid]
        for one in found:  # grows meanwhile
            found += sorted(set(children.get(one, ())) - {os.getpid()})
        return found

    def uid(self, pid: int) -> int | None:
        for line in self._text(f"{pid}/status").splitlines():
            if line.startswith("Uid:"):
                return int(line.split()[1])
        return None

    def has_mapped(self, pid: int, part: str) -> bool:
        """Return whether a file with `part` in its path is loaded, such as a shared library."""
        return part in self._text(f"{pid}/maps")

    def shares_files(self, pid: int) -> bool:
        """Return whether a path means the same file to a process and to us."""
        try:
            theirs = os.stat(self.root / f"{pid}/root/.")
        except OSError:
            return False
        ours = os.stat("/")
        return (theirs.st_dev, theirs.st_ino) == (ours.st_dev, ours.st_ino)

    def file(self, pid: int, path: str) -> Path:
        """Return where a process's file can be read from here, also that of a container."""
        return self.root / str(pid) / "root" / path.lstrip("/")

    def usage(self, pid: int, thread: int) -> Usage:
        fields = self._text(f"{pid}/task/{thread}/schedstat").split()
        if len(fields) == 3:
            return Usage(int(fields[0]) / 1e9, int(fields[1]) / 1e9)
        after = self._text(f"{pid}/task/{thread}/stat").rpartition(")")[2].split()
        if len(after) < 13:
            return Usage(0.0, 0.0)
        return Usage((int(after[11]) + int(after[12])) / os.sysconf("SC_CLK_TCK"), 0.0)

    def switches(self, pid: int, thread: int) -> Switches:
        voluntary, stopped = 0, False
        for line in self._text(f"{pid}/task/{thread}/status").splitlines():
            if line.startswith("State:"):
                stopped = line.split()[1:2] in (["T"], ["t"])
            elif line.startswith("voluntary_ctxt_switches:"):
                voluntary = int(line.split()[1])
        return Switches(voluntary, stopped)

    def call(self, pid: int, thread: int) -> str:
        """Return `syscall` of a thread.

        Raises:
            PermissionError: we may not trace this process.
            OSError: the thread has ended, or the kernel has no such file.
        """
        with open(self.root / f"{pid}/task/{thread}/syscall", encoding="ascii") as file:
            return file.read()

    def _stat(self, pid: int) -> list[str]:
        """Return the fields after the name: state, parent, ...; none if it has ended."""
        return self._text(f"{pid}/stat").rpartition(")")[2].split()

    def _text(self, path: str) -> str:
        with contextlib.suppress(OSError):
            return (self.root / path).read_text("utf-8", "replace")
        return ""


class CallFile:
    """The `syscall` of one thread, kept open: it is read 200 times a second."""

    def __init__(self, tree: ProcessTree, pid: int, thread: int) -> None:
        self._descriptor = -1
        path = tree.root / f"{pid}/task/{thread}/syscall"
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def read(self) -> str:
        """Return its text; an empty one once the thread has ended."""
        try:
            return os.pread(self._descriptor, 512, 0).decode("ascii", "replace")
        except OSError:
            return ""

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)
