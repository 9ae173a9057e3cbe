"""What reading this process from outside needs: Linux, py-spy, and permission.

Sources: ptrace(2), "Ptrace access mode checking" and /proc/sys/kernel/yama/ptrace_scope;
PR_SET_PTRACER(2const). The descendants of a declared tracer may read as well. This covers py-spy,
which the outside process runs.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
import sysconfig
from pathlib import Path

PR_SET_PTRACER = 0x59616D61
CAP_SYS_PTRACE = 19
YAMA = Path("/proc/sys/kernel/yama/ptrace_scope")
STATUS = Path("/proc/self/status")
WANTED = "Reading stacks from outside (native=True) needs"


def find_py_spy() -> str:
    """Return the path of the `py-spy` command of this environment, else of PATH.

    Raises RuntimeError if there is none or it cannot work here; the message says what to do.
    """
    if sys.platform != "linux":
        raise RuntimeError(
            f"{WANTED} Linux, but this is {sys.platform}: leave native out, C code that keeps the "
            "GIL is then named from its second offence on"
        )
    found = installed_py_spy()
    if found is None:
        raise RuntimeError(
            f"{WANTED} the py-spy command, but it is neither in {sysconfig.get_path('scripts')} "
            "nor on PATH: pip install 'loopwatch[native]', or leave native out"
        )
    return found


def installed_py_spy() -> str | None:
    """Return the path of the `py-spy` command of this environment, else of PATH; None without."""
    places = (sysconfig.get_path("scripts"), os.path.dirname(sys.executable))
    return shutil.which("py-spy", path=os.pathsep.join(places)) or shutil.which("py-spy")


def permit(process: int) -> None:
    """Let a process and its descendants read this one under Yama; 0 withdraws the permission."""
    if YAMA.exists():
        ctypes.CDLL(None).prctl(PR_SET_PTRACER, ctypes.c_ulong(process), 0, 0, 0)


def denial(complaint: str) -> str:
    """Return why py-spy could not read this process, and what to do."""
    return (
        f"{WANTED} a process that its own child may read, but py-spy said: {complaint!r} "
        f"({circumstances()}). Where that is a matter of permission: set kernel.yama.ptrace_scope "
        "to 0 or 1, give a container the capability SYS_PTRACE, or leave native out; C code that "
        "keeps the GIL is then named from its second offence on"
    )


def circumstances() -> str:
    """Return what decides on the permission here, as far as known."""
    return (
        f"kernel.yama.ptrace_scope {yama() or 'absent'}, "
        f"capability SYS_PTRACE {'yes' if capable() else 'no'}, "
        f"seccomp {own_status().get('Seccomp', 'unknown')}, uid {os.geteuid()}"
    )


def yama(path: Path = YAMA) -> str:
    """Return `kernel.yama.ptrace_scope`, "0" to "3"; empty where the kernel has no Yama."""
    return text_of(path).strip()


def capable(path: Path = STATUS) -> bool:
    """Return whether we have the capability SYS_PTRACE."""
    return bool(int(own_status(path).get("CapEff", "0"), 16) >> CAP_SYS_PTRACE & 1)


def own_status(path: Path = STATUS) -> dict[str, str]:
    """Return what the kernel tells of our own process, by field; nothing where it does not."""
    lines = text_of(path).splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
