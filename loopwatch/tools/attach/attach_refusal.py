"""Why a process cannot be looked at from outside, and what to do about it."""

from __future__ import annotations

import os
import sys

from loopwatch.core.safe_text import safe
from loopwatch.tools.attach.poll_call import Poll
from loopwatch.tools.attach.process_tree import ProcessTree
from loopwatch.watchdog.trace_permission import capable, installed_py_spy, yama

CONTAINER = (
    "in a container, give it the capability (docker run --cap-add SYS_PTRACE; Kubernetes: "
    "securityContext.capabilities.add [SYS_PTRACE])"
)


class AttachError(Exception):
    """One line that says what must hold, what came, what to do."""


def py_spy() -> str:
    """Return the path of py-spy; raises AttachError without it."""
    found = installed_py_spy()
    if found is None:
        raise AttachError(
            "attach must have the py-spy command, and it is not installed: "
            "pip install 'loopwatch[native]'"
        )
    return found


def check(tree: ProcessTree, pid: int) -> None:
    """Raise AttachError unless a process is there, we may trace it, and know the machine."""
    if sys.platform != "linux":
        raise AttachError(
            f"attach must have Linux, got {sys.platform}: start the app with loopwatch run instead"
        )
    try:
        Poll()
    except ValueError as error:
        raise AttachError(f"attach must know the system calls of this machine: {error}") from None
    if pid == os.getpid():
        raise AttachError(f"PID must be another process, got loopwatch's own ({pid})")
    if not tree.exists(pid):
        raise AttachError(
            f"PID must be a running process, got {pid} and there is none: see "
            "pgrep -af python; in a container, its processes have other numbers outside"
        )
    threads = tree.threads(pid)
    try:
        tree.call(pid, threads[0] if threads else pid)
    except PermissionError:
        raise AttachError(denied(tree, pid)) from None
    except FileNotFoundError:
        if tree.exists(pid):
            raise AttachError(
                "attach must have a kernel with /proc/PID/task/TID/syscall "
                "(CONFIG_HAVE_ARCH_TRACEHOOK), and this one has none: start the app with "
                "loopwatch run instead"
            ) from None
        raise AttachError(gone(pid)) from None
    except OSError:
        raise AttachError(gone(pid)) from None


def gone(pid: int) -> str:
    return f"PID must be a running process, got {pid}, which has just ended"


def denied(tree: ProcessTree, pid: int, complaint: str = "") -> str:
    """Return who may trace a process, and how to get there."""
    said = f" (py-spy: {' '.join(complaint.split())[:200]})" if complaint else ""
    cures = []
    if not capable():
        owner = tree.uid(pid)
        if owner is not None and owner != os.geteuid():
            cures.append(f"run it as the process's user (uid {owner}) or with sudo")
        scope = yama()
        if scope == "1":
            cures.append("run it with sudo, or: sudo sysctl kernel.yama.ptrace_scope=0")
        elif scope in ("2", "3"):
            root = "run it with sudo" if scope == "2" else "none until the next boot"
            cures.append(f"kernel.yama.ptrace_scope is {scope}: {root}")
    cures.append(CONTAINER)
    return (
        f"PID must be a process that may be traced from here, got {pid} ({safe(tree.name(pid))}) "
        f"and the kernel refuses{said}: {'; '.join(cures)}"
    )


def unreadable(tree: ProcessTree, pid: int, complaint: str) -> str:
    """Return why py-spy has read no stack of a process."""
    said = " ".join(complaint.split())
    low = said.lower()
    if "permission" in low or "not permitted" in low:
        return denied(tree, pid, said)
    if not tree.exists(pid):
        return gone(pid)
    return (
        f"PID must be a Python process, got {pid} ({safe(tree.name(pid))}), of which py-spy can "
        f"read no Python stack ({said[:200] or 'it found no thread'}): give the server's or a "
        "worker's PID, see pgrep -af python"
    )


def no_loop(tree: ProcessTree, pids: list[int]) -> str:
    processes = ", ".join(f"{pid} ({safe(tree.name(pid))})" for pid in pids[:5])
    return (
        f"PID must be a process with an asyncio loop, or the parent of one, got {processes}: no "
        "thread runs asyncio's or uvloop's loop; give the PID of the server or of its parent"
    )
